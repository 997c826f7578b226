"""Real runs that are found again, run again and deleted, by other kernels than the one that submitted them."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import torch

import reson_jupyter as reson
from reson_jupyter.backend.record import RunRecord
from reson_jupyter.backend.store import open_store
from reson_jupyter.errors import RunError, RunNotFound
from tests.patience import wait_for
from tests.runs import slow
from tests.runs.conftest import processes_of
from tests.runs.models import Line, fl_train

pytestmark = [pytest.mark.nvflare, pytest.mark.usefixtures("home")]

_SUBMIT = """
import reson_jupyter as reson
from tests.runs.models import Line, fl_train
federation = reson.FederationConfig(num_rounds=2)
print(reson.submit(Line, train=fl_train, name="by another kernel", shards_dir={shards!r}, federation=federation, check=False).id)
"""


def test_a_run_of_a_kernel_that_is_gone_is_listed_attached_to_and_run_again_and_deleted(plain_shards: Path, home: Path) -> None:
    script = _SUBMIT.format(shards=str(plain_shards))
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    run_id = ended.stdout.strip()

    (listed,) = reson.runs()
    assert listed.id == run_id and listed.name == "by another kernel" and listed.num_rounds == 2 and listed.sites == 2
    wait_for(lambda: reson.runs()[0].state.done, 90)
    (listed,) = reson.runs()
    assert (listed.state, listed.rounds_done) == (reson.RunState.FINISHED, 2)

    first = reson.attach(run_id)
    assert first.config.federation.num_rounds == 2 and "def fl_train" in first.sources()["model_def.py"]
    (submitted, *_) = first.events()
    assert set(submitted.data["digests"]) == {"code", "config"} and submitted.data["versions"]["torch"] == torch.__version__

    second = reson.rerun(run_id, num_rounds=3, name="once more").wait(120)
    # Weighted by samples 1 and 2, a round adds (1 * 1 + 2 * 2) / 3.
    assert torch.allclose(second.model().state_dict()["weight"], torch.tensor([6.0, 7.0]), atol=1e-6)
    assert second.progress.notes[0] == f"rerun of {run_id} with num_rounds=3, name='once more'"
    assert [(run.id, run.rounds_done) for run in reson.runs()] == [(second.id, 3), (run_id, 2)]

    store = open_store(RunRecord.load(second.id).store)
    assert len([info for info in store.list("shards/") if info.key.endswith(".zip")]) == 2, "both runs have the same data"
    deleted = reson.delete(run_id)
    assert deleted.shards_kept == 2
    assert deleted.objects > 10 and list(store.list(f"jobs/{run_id}/")) == [] and not (home / "runs" / run_id).exists()
    assert [run.id for run in reson.runs()] == [second.id]
    with pytest.raises(RunNotFound):
        reson.attach(run_id)
    assert torch.allclose(reson.attach(second.id).model().state_dict()["weight"], torch.tensor([6.0, 7.0]), atol=1e-6)
    reson.delete(second.id)
    assert list(store.list("")) == []


def test_two_runs_that_are_submitted_at_once_train_on_the_same_shards(plain_shards: Path) -> None:
    federation = reson.FederationConfig(num_rounds=1)
    runs = [
        reson.submit(Line, train=fl_train, name="twin", shards_dir=plain_shards, federation=federation, check=False)
        for _ in range(2)
    ]
    assert [run.wait(150).state for run in runs] == [reson.RunState.FINISHED] * 2
    store = open_store(RunRecord.load(runs[0].id).store)
    assert len([info for info in store.list("shards/") if info.key.endswith(".zip")]) == 2
    reson.delete(runs[0].id)
    assert {info.name for info in store.list("shards/used/")} == {runs[1].id}


def test_a_run_that_goes_on_is_not_deleted_and_one_that_was_stopped_is(plain_shards: Path, home: Path) -> None:
    run = reson.submit(Line, train=slow.fl_train_model, name="slow", shards_dir=plain_shards, check=False)
    wait_for(lambda: run.state == reson.RunState.RUNNING)
    with pytest.raises(RunError, match="goes on"):
        run.delete()
    assert [listed.state for listed in reson.runs()] == [reson.RunState.RUNNING]
    run.abort()
    wait_for(lambda: run.state.done)
    assert run.delete().objects > 0
    assert list(reson.runs()) == [] and not (home / "runs" / run.id).exists()
    assert processes_of(run) == []


def test_deleting_a_run_whose_runner_was_killed_leaves_no_process_and_no_work_folder(plain_shards: Path) -> None:
    run = reson.submit(Line, train=slow.fl_train_model, name="slow", shards_dir=plain_shards, check=False)
    wait_for(lambda: run.state == reson.RunState.RUNNING)
    (runner,) = (process for process in processes_of(run) if "reson_jupyter.backend.runner.carry" in process.cmdline())
    runner.kill()
    runner.wait(10)
    assert [listed.state for listed in reson.runs()] == [reson.RunState.LOST]
    reson.delete(run.id)
    assert list(reson.runs()) == []
    wait_for(lambda: processes_of(run) == [])
    assert not list(Path(tempfile.gettempdir()).glob(f"reson-{run.id[-12:]}-*"))
