"""Scaleout Edge projects on the platform: its workers train them as this machine does."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import reson_jupyter as reson
from reson_jupyter import edge
from reson_jupyter.errors import TargetError
from reson_jupyter.session import Session
from tests.edge import legacy, torch_project
from tests.runs.conftest import rounds

from .app import Platform
from .looking import no_secret_is_told, the_job

pytestmark = pytest.mark.nvflare

TRAINING = reson.TrainingConfig(learning_rate=0.5, local_epochs=20)


@pytest.fixture(autouse=True)
def kernel(customer: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel that has captured nothing; the workers train."""
    customer.trains = True
    monkeypatch.setattr(sys.modules["reson_jupyter.session"], "_current", Session())


def test_a_torch_project_is_trained_by_the_platforms_workers(customer: Platform, shards: Path, tmp_path: Path) -> None:
    edge.load_project(torch_project.write_project(tmp_path / "client"))
    run = reson.submit(name="points", shards_dir=shards, target="reson", training=TRAINING, federation=rounds(2)).wait(150)
    assert run.state == reson.RunState.FINISHED and run.errors() == [], run.reason
    accuracy = [m["value"] for m in run.metrics if (m["name"], m["site"], m["round"]) == ("accuracy", None, 2)]
    assert accuracy and accuracy[0] > 0.9
    params = run.model().get_model_params(edge.get_helper("torchhelper"))  # type: ignore[union-attr, operator]
    assert params["layers.1.num_batches_tracked"].item() == 2 * TRAINING.local_epochs
    job = the_job(customer)
    assert (job.state, job.workers) == ("FINISHED", 2)
    files = set(customer.bucket.keys(f"jobs/{run.id}/"))
    assert files >= {"scripts/project/startup.py", "scripts/reson_edge/site.py", "scripts/scaleout/__init__.py", "model/seed.pt"}
    no_secret_is_told(customer, run)


def test_a_legacy_project_is_trained_by_the_platforms_workers(shards: Path, tmp_path: Path) -> None:
    edge.load_project(legacy.write_project(tmp_path / "client"))
    run = reson.submit(name="legacy", shards_dir=shards, target="reson", training=TRAINING, federation=rounds(2)).wait(150)
    assert run.state == reson.RunState.FINISHED and run.errors() == [], run.reason
    ones = run.model().get_model_params(edge.get_helper("numpyhelper"))  # type: ignore[union-attr, operator]
    np.testing.assert_allclose(ones[0], np.full(3, 6.5))


def test_a_project_that_no_worker_has_is_refused_before_anything_is_sent(
    customer: Platform, shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edge.load_project(legacy.write_project(tmp_path / "client"), local_package=True)
    with pytest.raises(TargetError, match="the platform's workers do not have it") as refused:
        reson.submit(name="local", shards_dir=shards, target="reson")
    assert "worker_ids" in refused.value.hint
    assert customer.bucket.keys("jobs/") == []
