"""A real run of a client that only trains: what it logs arrives as Scaleout counts it, and nothing claims a validation."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import reson_jupyter as reson
from reson_jupyter import edge
from reson_jupyter.session import Session
from tests.patience import wait_for
from tests.runs.conftest import rounds

pytestmark = pytest.mark.nvflare

FILES = {
    "scaleout.yaml": "entry_points:\n  build:\n    build.py\n  startup:\n    startup.py\n",
    "build.py": """
import os
import numpy as np
from scaleoututil.helpers.helpers import get_helper

def build():
    get_helper("numpyhelper").save([np.zeros(3, "float32")], os.path.join(os.environ["SCALEOUT_BUILD_OUTPUT_DIR"], "seed.npz"))
""",
    "startup.py": """
import threading
from scaleout import EdgeClient, ScaleoutModel
from scaleoututil.helpers.helpers import get_helper

helper = get_helper("numpyhelper")
go_on = threading.Event()

def startup(client: EdgeClient):
    client.log_attributes({"callbacks": "train only"})

    def train(model, settings):
        while not go_on.wait(0.05):
            client.check_task_abort()
        client.log_metric({"a": 1})
        client.log_metric({"b": 2}, commit=False)
        client.log_metric({"c": 3})
        client.log_metric({"d": 4}, step=10)
        client.log_metric({"e": 5})
        (values,) = model.get_model_params(helper)
        examples = int(settings["SITE_NAME"][-1])
        return ScaleoutModel.from_model_params([values + examples], helper), {"training_metadata": {"num_examples": examples}}

    client.set_train_callback(train)
    client.set_custom_callback("go_on", lambda params: go_on.set())
""",
}


def test_a_client_that_only_trains_ends_well_and_claims_no_validation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STORE", "TARGET", "S3_ENDPOINT", "S3_BUCKET", "PROJECT", "DATA_ROOT"):
        monkeypatch.delenv(f"RESON_{name}", raising=False)
    monkeypatch.setenv("RESON_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sys.modules["reson_jupyter.session"], "_current", Session())
    folder = tmp_path / "client"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text)
    edge.load_project(folder)
    run = reson.submit(name="train-only", federation=rounds(2), check=False)
    try:
        wait_for(lambda: run.state.done or [site.phase for site in run.progress.sites.values()] == ["training"] * 2)
        wait_for(lambda: run.state.done or all(info.place.endswith("(train)") for info in run.info().values()))
        places = {info.place.partition(",")[0] for info in run.info().values()}
        run.command("go_on")
        run.wait(120)
    finally:
        if not run.state.done:
            run.abort()
    assert (run.state, run.reason, run.errors()) == (reson.RunState.FINISHED, "", [])
    assert places == {"client/startup.py"}, "where it waits is the user's code, not ours"
    logged = [(m["name"], m["step"]) for m in run.metrics if (m["site"], m["round"]) == ("site-1", 1) and m["step"] is not None]
    assert logged == [("a", 0), ("b", 1), ("c", 1), ("d", 10), ("e", 11)]
    assert (run.progress.validated, run.progress.excused) == ([], ["site-1", "site-2"])
    assert "validate" not in run.progress.stages.values()
    (values,) = run.model().get_model_params(edge.get_helper("numpyhelper"))  # type: ignore[union-attr, operator]
    assert values == pytest.approx([2 * (1 * 1 + 2 * 2) / 3] * 3), "two rounds of the mean, weighted by examples"
