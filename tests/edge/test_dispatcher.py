"""The shell commands of a legacy project, as callbacks."""

from __future__ import annotations

import contextlib
import json
import os
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from reson_jupyter.backend.failure.explain import explain
from reson_jupyter.edge.travel.dispatcher import CommandFailed, Dispatcher
from reson_jupyter.edge.travel.helpers import get_helper
from reson_jupyter.edge.travel.model import ScaleoutModel
from tests.patience import wait_for

from .legacy import COMMANDS, write_project
from .site_side import Client, Stopped, write_scripts

HELPER = get_helper("numpyhelper")
PARAMS = [np.arange(3, dtype="float32"), np.ones((2, 2))]
SETTINGS = {"SITE_NAME": "site-1", "learning_rate": 0.5}

Start = Callable[..., Client]


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scripts(tmp_path_factory.mktemp("site"))


@pytest.fixture
def start(scripts: Path, tmp_path: Path) -> Start:
    """Starts a project of these commands, or the legacy project."""

    def start(commands: dict[str, str] | None = None, **changes: str) -> Client:
        client = Client()
        folder = write_project(tmp_path / "app" / "custom" / "project", **changes)
        Dispatcher(client, folder, scripts, COMMANDS if commands is None else commands).start()
        return client

    return start


def model() -> ScaleoutModel:
    return ScaleoutModel.from_model_params(PARAMS, HELPER)


def failure_of(call: Callable[[], Any]) -> tuple[str, str]:
    """The first line of what a callback raised, and its traceback."""
    with pytest.raises(CommandFailed) as caught:
        call()
    return str(caught.value).splitlines()[0], "".join(traceback.format_exception(caught.value))


def test_a_legacy_project_trains_validates_and_predicts(start: Start, capfd: pytest.CaptureFixture[str]) -> None:
    client = start()
    assert capfd.readouterr().out == "begun in project\n"
    trained, metadata = client.callbacks["train"](model(), SETTINGS)
    assert capfd.readouterr().out == "trained 2 arrays\n", "what a command prints is in the site's log"
    seconds = metadata.pop("exec_training")
    assert metadata == {"training_metadata": {"num_examples": 10, "rate": 0.5}} and seconds > 0
    for found, expected in zip(trained.get_model_params(HELPER), PARAMS, strict=True):
        np.testing.assert_array_equal(found, expected + 1)
        assert found.dtype == expected.dtype
    assert client.callbacks["validate"](model()) == {"mean": 1.0}
    assert client.callbacks["predict"](model()) == {"sum": 7.0}


def test_only_what_the_project_has_is_registered(start: Start) -> None:
    client = start({"train": "python train.py"})
    assert list(client.callbacks) == ["train"]


def test_python_is_the_sites_own_and_finds_the_projects_modules(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONSAFEPATH", "1")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    client = start({"train": "python train.py"})
    assert client.callbacks["train"](model(), SETTINGS)[1]["training_metadata"]["num_examples"] == 10


def test_a_command_is_a_line_of_bash_with_its_files_last(start: Start, tmp_path: Path) -> None:
    seen = tmp_path / "seen of it.json"
    client = start({"validate": f"""export A=1 && [[ $A == 1 ]] && cp scaleout.yaml '{seen}' && python validate.py"""})
    assert client.callbacks["validate"](model()) == {"mean": 1.0}
    assert seen.exists()


def test_a_command_of_several_lines_gets_its_files_at_the_end_of_the_last(start: Start) -> None:
    client = start({"validate": "export A=1\ntest $A = 1 && python validate.py\n"})
    assert client.callbacks["validate"](model()) == {"mean": 1.0}


def test_what_a_command_prints_in_any_encoding_is_in_the_log(start: Start, capfd: pytest.CaptureFixture[str]) -> None:
    start({"startup": r"printf 'gr\303\274n \377 50%%\r100%%'"})
    assert capfd.readouterr().out == "grün \ufffd 50%\n100%"


def test_settings_that_are_no_json_reach_the_command_as_text(start: Start, tmp_path: Path) -> None:
    kept = tmp_path / "kept.json"
    client = start({"train": f"bash -c 'cp $0-metadata {kept} && exit 3'"})
    with pytest.raises(CommandFailed):
        client.callbacks["train"](model(), {"path": Path("/data"), "n": 1})
    assert json.loads(kept.read_text()) == {"path": "/data", "n": 1}


def test_a_traceback_of_the_command_is_the_failure(start: Start) -> None:
    client = start(train="import sys\n\n\ndef train():\n    raise ValueError('bad luck')\n\n\ntrain()\n")
    message, text = failure_of(lambda: client.callbacks["train"](model(), SETTINGS))
    assert message == 'the command "train" (python train.py) ended with the exit code 1:'
    failure = explain(f"CommandFailed: {message}", text, {})
    assert failure.message == "ValueError: bad luck"
    assert failure.where and (failure.where.where, failure.where.function) == ("project/train.py, line 5", "train")


def test_of_several_tracebacks_the_last_is_the_failure(start: Start) -> None:
    code = """
        import traceback

        try:
            int("seen")
        except ValueError:
            traceback.print_exc()
        try:
            int("x")
        except ValueError:
            raise KeyError("second")
    """
    client = start(train=code)
    message, text = failure_of(lambda: client.callbacks["train"](model(), SETTINGS))
    assert text.count("Original Traceback") == 1
    failure = explain(f"CommandFailed: {message}", text, {})
    assert failure.message == "KeyError: 'second'"
    assert failure.where and failure.where.where == "project/train.py, line 10"


def test_a_command_that_is_not_there_is_named_with_what_the_shell_says(start: Start) -> None:
    client = start({"train": "no-such-program --fast"})
    message, _ = failure_of(lambda: client.callbacks["train"](model(), SETTINGS))
    assert message.startswith('the command "train" (no-such-program --fast) ended with the exit code 127: ')
    assert message.endswith("no-such-program: command not found")


def test_a_command_that_was_killed_or_said_nothing_is_told_as_such(start: Start) -> None:
    client = start({"train": "kill -9 $$ #", "validate": "false #"})
    message, _ = failure_of(lambda: client.callbacks["train"](model(), SETTINGS))
    assert message == 'the command "train" (kill -9 $$ #) was ended by signal 9: it printed nothing'
    message, _ = failure_of(lambda: client.callbacks["validate"](model()))
    assert message == 'the command "validate" (false #) ended with the exit code 1: it printed nothing'


def test_a_startup_that_fails_registers_nothing(start: Start) -> None:
    message, _ = failure_of(lambda: start({"startup": "echo no data && exit 2", "train": "python train.py"}))
    assert message == 'the command "startup" (echo no data && exit 2) ended with the exit code 2: no data'


@pytest.mark.parametrize(
    ("task", "command", "said"),
    [
        ("train", "true #", 'the command "train" did not write the model to the file of its last argument'),
        (
            "train",
            "cp scaleout.yaml out; cp",
            'the command "train" ended without save_metadata({"num_examples": ...}, outpath), of scaleoututil.helpers.helpers',
        ),
        (
            "validate",
            "true #",
            'the command "validate" ended without save_metrics(metrics, outpath), of scaleoututil.helpers.helpers',
        ),
        ("predict", "bash -c 'cp scaleout.yaml $1'", 'what the command "predict" wrote to out.json is no JSON: '),
    ],
)
def test_what_a_command_should_have_written_is_named(start: Start, task: str, command: str, said: str) -> None:
    client = start({task: command})
    arguments = (model(), SETTINGS) if task == "train" else (model(),)
    message, _ = failure_of(lambda: client.callbacks[task](*arguments))
    assert message.startswith(said)


def test_an_abort_ends_the_command_and_all_that_it_started(start: Start, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    client = start({"train": f"(sleep 300 & echo $! > {pid}.part; mv {pid}.part {pid}; wait); cp"})
    client.abort_when = pid.exists
    with pytest.raises(Stopped):
        client.callbacks["train"](model(), SETTINGS)
    wait_for(lambda: not psutil.pid_exists(int(pid.read_text())) or _is_dead(int(pid.read_text())), 10)


def _is_dead(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_what_a_startup_leaves_running_holds_nothing_up_and_goes_on(start: Start, tmp_path: Path) -> None:
    began = time.monotonic()
    start({"startup": f"sleep 300 & echo $! > {tmp_path}/pid"})
    assert time.monotonic() - began < 30
    process = psutil.Process(int((tmp_path / "pid").read_text()))
    assert process.is_running()
    process.kill()


_LEAVES = """
    import subprocess, sys
    for index in (0, 1):
        process = subprocess.Popen(["sleep", "300"], start_new_session=bool(index), stdout=subprocess.DEVNULL)
        open(f"{sys.argv[-1]}.{index}", "w").write(str(process.pid))
"""


@pytest.mark.parametrize("how", ["", "exit 3;", "sleep 300;"])
def test_what_a_command_leaves_running_ends_with_it_whatever_its_session(start: Start, tmp_path: Path, how: str) -> None:
    pids = [tmp_path / "pid.0", tmp_path / "pid.1"]
    client = start({"train": f"python leaves.py {tmp_path}/pid; {how} python train.py"}, leaves=_LEAVES)
    if how.startswith("sleep"):
        client.abort_when = lambda: pids[1].exists() and bool(pids[1].read_text())
    with pytest.raises((CommandFailed, Stopped)) if how else contextlib.nullcontext():
        client.callbacks["train"](model(), SETTINGS)
    assert [_is_dead(int(pid.read_text())) for pid in pids] == [True, True]


def test_output_without_an_end_of_line_is_not_held_whole(start: Start) -> None:
    client = start({"validate": "head -c 2000000 /dev/zero | tr '\\0' x; exit 3 #"})
    with pytest.raises(CommandFailed, match="ended with the exit code 3") as caught:
        client.callbacks["validate"](model())
    assert len(str(caught.value)) < 200_000


def test_no_file_of_a_task_is_left(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "tmp"
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    client = start({"validate": "python validate.py", "train": "false"})
    client.callbacks["validate"](model())
    with pytest.raises(CommandFailed):
        client.callbacks["train"](model(), SETTINGS)
    assert os.listdir(place) == []


def test_a_script_of_the_project_may_be_the_command_though_a_jobs_files_lose_their_mode(start: Start, tmp_path: Path) -> None:
    folder = tmp_path / "app" / "custom" / "project"
    folder.mkdir(parents=True)
    (folder / "train.sh").write_text('#!/usr/bin/env bash\nexec python train.py "$@"\n')
    client = start({**COMMANDS, "train": "./train.sh"})
    trained, _ = client.callbacks["train"](model(), SETTINGS)
    assert len(trained.get_model_params(HELPER)) == len(PARAMS)
