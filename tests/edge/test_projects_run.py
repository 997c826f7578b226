"""Real runs of whole projects on this machine: one for torch, one of shell commands, and one that does not travel."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

import reson_jupyter as reson
from reson_jupyter import edge
from reson_jupyter.errors import RehearsalFailed
from reson_jupyter.session import Session
from tests.patience import wait_for
from tests.runs.conftest import rounds

from . import legacy, torch_project

pytestmark = pytest.mark.nvflare

FAST = {"learning_rate": 0.5, "local_epochs": 20}


@pytest.fixture(autouse=True)
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel that has captured nothing, and no variable of the machine's user."""
    for name in ("STORE", "TARGET", "S3_ENDPOINT", "S3_BUCKET", "PROJECT", "DATA_ROOT"):
        monkeypatch.delenv(f"RESON_{name}", raising=False)
    monkeypatch.setenv("RESON_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sys.modules["reson_jupyter.session"], "_current", Session())


@pytest.fixture
def submit() -> Iterator[Callable[..., reson.Run]]:
    """Submits what is loaded; what goes on at the end is stopped."""
    started = []

    def submit(number: int = 2, check: bool = True, **training: Any) -> reson.Run:
        config = reson.TrainingConfig(**FAST | training)
        started.append(reson.submit(name="project", training=config, federation=rounds(number), check=check))
        return started[-1]

    yield submit
    for run in started:
        if not run.state.done:
            run.abort()


def values(run: reson.Run, name: str, site: str | None, round_: int) -> list[float]:
    return [m["value"] for m in run.metrics if (m["name"], m["site"], m["round"]) == (name, site, round_)]


def training_sites(run: reson.Run) -> list[str]:
    return [name for name, site in run.progress.sites.items() if site.phase == "training"]


def hold(run: reson.Run) -> None:
    """Returns once both sites are in their train callback."""
    wait_for(lambda: run.state.done or len(training_sites(run)) == 2)
    assert not run.state.done, run.reason


def test_a_torch_project_trains_predicts_and_answers(tmp_path: Path, submit: Callable[..., reson.Run]) -> None:
    edge.load_project(torch_project.write_project(tmp_path / "points" / "client"))
    run = submit(3, check=False, held=True)
    hold(run)
    answers = run.command("where", {"x": 1})
    assert {site: answer.value["asked"] for site, answer in answers.items()} == {"site-1": {"x": 1}, "site-2": {"x": 1}}
    assert all(answer.value["folder"].endswith("/custom/project") for answer in answers.values())
    assert [answer.value.keys() for answer in run.command("predict").values()] == [{"classes"}] * 2
    run.command("go_on")
    run.wait(120)
    assert run.state == reson.RunState.FINISHED and run.errors() == [], run.reason
    accuracy = values(run, "accuracy", None, 3)
    assert accuracy and accuracy[0] > 0.9, "the final model was validated"
    assert len(values(run, "loss", "site-1", 0)) == FAST["local_epochs"]
    assert values(run, "epochs", "site-2", 2) == [FAST["local_epochs"]]
    params = run.model().get_model_params(edge.get_helper("torchhelper"))  # type: ignore[union-attr, operator]
    assert list(params) == [
        f"layers.{key}"
        for key in (
            "0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var", "1.num_batches_tracked",
            "2.weight", "2.bias",
        )
    ]  # fmt: skip
    assert params["layers.1.num_batches_tracked"].item() == 3 * FAST["local_epochs"]


def test_a_legacy_project_trains_by_its_commands(tmp_path: Path, submit: Callable[..., reson.Run]) -> None:
    edge.load_project(legacy.write_project(tmp_path / "old" / "client"))
    run = submit(2).wait(120)
    assert run.state == reson.RunState.FINISHED and run.errors() == [], run.reason
    ones = run.model().get_model_params(edge.get_helper("numpyhelper"))  # type: ignore[union-attr, operator]
    # A weighted mean: site-1 adds 1 with 10 examples, site-2 adds 4 with 30.
    np.testing.assert_allclose(ones[0], np.full(3, 6.5))
    np.testing.assert_allclose(ones[1], np.full((2, 2), 7.5))
    assert [values(run, "mean", site, 1) for site in ("site-1", "site-2", None)] == [[3.25]] * 3
    assert values(run, "mean", None, 2) == [6.5]
    assert values(run, "rate", "site-1", 0) == [0.5]
    assert "trained 2 arrays" in run.logs("site-1") and "begun in project" in run.logs("site-2")


def test_a_command_that_fails_is_told_with_its_file_and_line(tmp_path: Path, submit: Callable[..., reson.Run]) -> None:
    broken = textwrap.dedent(legacy.TRAIN).replace('print("trained"', 'raise OSError("no disk")\n    print("trained"')
    edge.load_project(legacy.write_project(tmp_path / "client", train=broken))
    run = submit(1, check=False)
    with pytest.raises(reson.RunFailed) as caught:
        run.wait(120)
    assert "OSError: no disk" in str(caught.value)
    failures = [failure.explained for failure in run.progress.failures if failure.traceback]
    assert {failure.sentence for failure in failures} == {"client/train.py, line 14: OSError: no disk"}
    assert {failure.where and failure.where.text for failure in failures} == {'raise OSError("no disk")'}


def test_an_abort_ends_the_commands_of_all_sites(tmp_path: Path, submit: Callable[..., reson.Run]) -> None:
    sleeping = f"""
        import time

        open("{tmp_path}/" + str(__import__("os").getpid()) + ".pid", "w").close()
        time.sleep(300)
    """
    edge.load_project(legacy.write_project(tmp_path / "client", train=sleeping))
    run = submit(1, check=False)
    wait_for(lambda: run.state.done or len(list(tmp_path.glob("*.pid"))) == 2)
    pids = [int(path.stem) for path in tmp_path.glob("*.pid")]
    run.abort()
    with pytest.raises(reson.RunFailed, match="Stopped on request"):
        run.wait(60)
    assert run.state == reson.RunState.ABORTED
    wait_for(lambda: not any(map(psutil.pid_exists, pids)), 20)


def test_a_local_package_runs_in_its_own_folder_and_once_more(tmp_path: Path, submit: Callable[..., reson.Run]) -> None:
    folder = torch_project.write_project(tmp_path / "approved" / "client")
    edge.load_project(folder, local_package=True)
    run = submit(1, check=False, held=True)
    hold(run)
    folders = {answer.value["folder"] for answer in run.command("where").values()}
    assert {Path(shown).resolve() for shown in folders} == {folder}
    run.command("go_on")
    run.wait(120)
    assert run.state == reson.RunState.FINISHED, run.reason

    again = run.rerun(held=False, local_epochs=3)
    assert again.wait(120).state == reson.RunState.FINISHED
    assert len(values(again, "loss", "site-1", 0)) == 3

    (folder / "net.py").write_text((folder / "net.py").read_text() + "# changed\n")
    with pytest.raises(RehearsalFailed, match=r"net\.py differs"):
        run.rerun(held=False)
    again = submit(1)
    assert again.wait(120).state == reson.RunState.FINISHED, "a submit takes the project as it is now"


def test_the_files_of_a_local_package_are_in_no_job(tmp_path: Path) -> None:
    edge.load_project(torch_project.write_project(tmp_path / "client"), local_package=True)
    job = reson.build(name="local")
    assert not [key for key in job.files if "project/" in key]
    assert b"Net(torch" not in b"".join(job.files.values()) and str(tmp_path).encode() not in b"".join(job.files.values())
