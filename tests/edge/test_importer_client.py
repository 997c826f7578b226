"""The guide's importer client, run for real on two sites that need no shards."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import reson_jupyter as reson
from reson_jupyter import edge
from reson_jupyter.backend.run.card import run_card
from reson_jupyter.errors import RunFailed
from reson_jupyter.session import Session
from tests.patience import wait_for
from tests.runs.conftest import rounds

from .conftest import Scaleout
from .project_folders import write

pytestmark = pytest.mark.nvflare

# As the guide describes it: ten float32 parameters, a metric each tenth iteration, a custom command. That something is seen to
# happen, each site adds its own number to the parameters, and counts other examples than the other.
CLIENT = {
    "scaleout.yaml": "python_env: python_env.yaml\nentry_points:\n  build:\n    build.py\n  startup:\n    startup.py\n",
    "python_env.yaml": "name: importer-client\nbuild_dependencies:\n  - pip\ndependencies:\n  - scaleout\n  - numpy\n",
    "build.py": """\
import os
from scaleoututil.helpers.helpers import get_helper
import numpy as np

helper = get_helper("numpyhelper")

def build():
    np.random.seed(42)
    params = np.random.rand(10).astype(np.float32)
    helper.save([params], os.path.join(os.environ.get("SCALEOUT_BUILD_OUTPUT_DIR", "."), "seed.npz"))
""",
    "startup.py": """\
import pathlib
from scaleout import EdgeClient, ScaleoutModel
from scaleoututil.helpers.helpers import get_helper

helper = get_helper("numpyhelper")

def startup(client: EdgeClient):
    MyClient(client)

class MyClient:
    def __init__(self, client):
        self.client = client
        client.set_train_callback(self.train)
        client.set_validate_callback(self.validate)
        client.set_predict_callback(self.predict)
        client.set_custom_callback("my_command", self.my_command)

    def train(self, model, settings):
        number = int(settings["SITE_NAME"].removeprefix("site-"))
        (params,) = model.get_model_params(helper)
        for i in range(100):
            if i % 10 == 0:
                self.client.log_metric({"train_iteration": i})
            self.client.check_task_abort()
        while settings.get("gate") and not pathlib.Path(settings["gate"]).exists():
            self.client.check_task_abort()
        new = ScaleoutModel.from_model_params([params + number], helper=helper)
        return new, {"training_metadata": {"num_examples": number * number}}

    def validate(self, model):
        return {"mean": float(model.get_model_params(helper)[0].mean())}

    def predict(self, model):
        return {"first": float(model.get_model_params(helper)[0][0])}

    def my_command(self, params):
        return {"status": "custom command executed", "asked": params}
""",
}
# What the real helper makes of the two sites' contributions, as Scaleout's combiner does it: one after the other.
AVERAGED = """
import sys
import numpy as np
from scaleoututil.helpers.helpers import get_helper
helper = get_helper("numpyhelper")
(model,) = helper.load(sys.argv[1])
for _ in range(2):
    first = helper.increment_average([model], [model + 1], 1, 1)
    (model,) = helper.increment_average(first, [model + 2], 4, 5)
helper.save([model], sys.argv[2])
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project, loaded in a kernel of its own."""
    for name in ("STORE", "TARGET", "S3_ENDPOINT", "S3_BUCKET", "DATA_ROOT"):
        monkeypatch.delenv(f"RESON_{name}", raising=False)
    monkeypatch.setenv("RESON_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sys.modules["reson_jupyter.session"], "_current", Session())
    folder = write(tmp_path / "importer-client" / "client", CLIENT)
    edge.load_project(folder)
    return folder


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Callable[[], reson.Run]]:
    """Submits a run whose sites train on until the gate is opened, and returns once both train."""
    started = []

    def submit() -> reson.Run:
        training = reson.TrainingConfig(gate=str(tmp_path / "gate"))
        run = reson.submit(name="importer", training=training, federation=rounds(2), check=False, commands={"ping": ping})
        started.append(run)
        wait_for(lambda: run.state.done or sum(site.phase == "training" for site in run.progress.sites.values()) == 2)
        assert not run.state.done, run.reason
        return run

    yield submit
    for run in started:
        if not run.state.done:
            run.abort()


def ping(params: Any, env: Any, logger: Any) -> str:
    return f"{params['n']} at {env['SITE_NAME']}"


def params_of(model: Any) -> np.ndarray[Any, Any]:
    (params,) = model.get_model_params(edge.get_helper("numpyhelper"))
    return np.asarray(params)


def values(run: reson.Run, name: str, site: str | None, round_: int) -> list[float]:
    return [m["value"] for m in run.metrics if (m["name"], m["site"], m["round"]) == (name, site, round_)]


def test_it_trains_to_scaleouts_average_answers_its_command_and_tells_its_metrics(
    held: Callable[[], reson.Run], scaleout: Scaleout, tmp_path: Path
) -> None:
    run = held()
    answers = run.command("my_command", {"x": [1, 2]})
    answer = {"status": "custom command executed", "asked": {"x": [1, 2]}}
    assert {site: answer.value for site, answer in answers.items()} == {"site-1": answer, "site-2": answer}
    assert {answer.value for answer in run.command("ping", {"n": 1}).values()} == {"1 at site-1", "1 at site-2"}
    seed = np.load(next((tmp_path / "home" / "seeds").glob("*/seed.npz")))["0"]
    assert {answer.value["first"] for answer in run.command("predict").values()} == {float(seed[0])}
    (tmp_path / "gate").touch()
    run.wait(120)
    assert (run.state, run.errors()) == (reson.RunState.FINISHED, [])

    scaleout("1.0", AVERAGED, next((tmp_path / "home" / "seeds").glob("*/seed.npz")), tmp_path / "theirs.npz")
    theirs = np.load(tmp_path / "theirs.npz")["0"]
    final = params_of(run.model())
    assert final.dtype == np.float32 and final.shape == (10,)
    np.testing.assert_allclose(final, theirs, rtol=1e-6)
    np.testing.assert_allclose(params_of(run.model(round=0)), seed + np.float32(1.8), rtol=1e-6)

    for site in ("site-1", "site-2"):
        for round_ in (0, 1):
            assert values(run, "train_iteration", site, round_) == list(range(0, 100, 10))
    means = [value for round_ in (0, 1, 2) for value in values(run, "mean", "site-1", round_)]
    np.testing.assert_allclose(means, [seed.mean(), seed.mean() + 1.8, seed.mean() + 3.6], rtol=1e-5)

    scaleout("1.1", "import sys, numpy as np; from scaleoututil.helpers.helpers import get_helper; "
             "assert get_helper('numpyhelper').load(sys.argv[1])[0].shape == (10,)", saved(run, tmp_path))  # fmt: skip


def saved(run: reson.Run, folder: Path) -> Path:
    """The final model, as a file for Scaleout."""
    with run.model().get_stream() as stream:
        (folder / "final.npz").write_bytes(stream.read())
    return folder / "final.npz"


def test_its_callback_hears_of_an_abort(held: Callable[[], reson.Run]) -> None:
    run = held()
    run.abort()
    with pytest.raises(RunFailed):
        run.wait(60)
    assert (run.state, run.errors()) == (reson.RunState.ABORTED, [])
    said = [event.data["phase"] for event in run.events() if event.type == "site" and "phase" in event.data]
    assert said.count("aborted") == 2, "neither site went on until it was killed"


def test_a_first_version_that_returns_the_model_as_it_came_runs_and_answers_from_the_start(project: Path) -> None:
    code = (project / "startup.py").read_text()
    assert "params + number" in code
    (project / "startup.py").write_text(code.replace("params + number", "params"))
    run = reson.submit(name="importer", federation=rounds(2))
    answers = run.command("predict", timeout=120)
    assert [answer.ok for answer in answers.values()] == [True, True], answers
    run.wait(120)
    assert run.state is reson.RunState.DEGRADED and "the seed, unchanged" in run.reason
    (warning,) = (text for text in run.progress.warnings if "as it came" in text)
    assert warning.startswith("rehearsal: the train callback returned the model as it came")
    assert params_of(run.model()).shape == (10,)
    assert ("next", "run.model(), run.metrics.to_pandas()") in run_card(run).rows


def test_another_kernel_gets_its_model_too(project: Path, tmp_path: Path) -> None:
    run = reson.submit(name="importer", federation=rounds(1)).wait(120)
    edge.load_project(write(tmp_path / "other", CLIENT))
    again = reson.attach(run.id)
    assert (params_of(again.model()) == params_of(run.model())).all()


def test_it_starts_from_another_runs_model(tmp_path: Path) -> None:
    first = reson.submit(name="one", federation=rounds(1)).wait(120)
    second = reson.submit(name="two", federation=rounds(1), checkpoint=saved(first, tmp_path)).wait(120)
    np.testing.assert_allclose(params_of(second.model()), params_of(first.model()) + np.float32(1.8), rtol=1e-6)


def test_a_rerun_needs_neither_the_project_nor_a_build(project: Path) -> None:
    run = reson.submit(name="importer", federation=rounds(1)).wait(120)
    (project / "startup.py").write_text("raise AssertionError\n")
    again = run.rerun(num_rounds=2).wait(120)
    np.testing.assert_allclose(params_of(again.model()), params_of(run.model()) + np.float32(1.8), rtol=1e-6)
