"""A real run on sites that have a Scaleout installed: the callbacks of a cell meet the job's own names all the same."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import reson_jupyter as reson
from reson_jupyter.capture.across.inputs import Kernel, no_inputs
from reson_jupyter.capture.capture import capture_cell
from reson_jupyter.capture.text.cell import parse
from reson_jupyter.edge.travel import get_helper
from reson_jupyter.session import Session
from tests.runs.conftest import rounds

pytestmark = pytest.mark.nvflare

STARTUP = """\
from scaleout import EdgeClient, ScaleoutModel
from scaleoututil.helpers.helpers import get_helper

helper = get_helper("numpyhelper")

def startup(client: EdgeClient):
    def train(model, settings):
        params = [array + 1 for array in model.get_model_params(helper)]
        return ScaleoutModel.from_model_params(params, helper), {"training_metadata": {"num_examples": 1}}

    client.set_train_callback(train)
    client.set_validate_callback(lambda model: {"first": model.get_model_params(helper)[0][0]})
"""


def test_an_installed_scaleout_is_not_what_the_callbacks_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("scaleout", "scaleoututil"):
        (tmp_path / "installed" / package).mkdir(parents=True)
        (tmp_path / "installed" / package / "__init__.py").write_text("raise RuntimeError('the installed one was imported')\n")
    get_helper("numpyhelper").save([np.zeros(3, np.float32)], tmp_path / "seed.npz")
    session = Session()
    monkeypatch.setattr(sys.modules["reson_jupyter.session"], "_current", session)
    monkeypatch.setenv("RESON_HOME", str(tmp_path / "home"))
    namespace: dict[str, object] = {}
    exec(STARTUP, namespace)
    session.set_capture(capture_cell("startup", parse(STARTUP, "In[1]"), Kernel(namespace, no_inputs())))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "installed"))
    run = reson.submit(name="names", federation=rounds(2), checkpoint=tmp_path / "seed.npz")
    try:
        run.wait(120)
    finally:
        if not run.state.done:
            run.abort()
    assert run.state == reson.RunState.FINISHED and run.errors() == [], run.reason
    (found,) = run.model().get_model_params(get_helper("numpyhelper"))  # type: ignore[union-attr, operator]
    np.testing.assert_array_equal(found, np.full(3, 2, np.float32))
