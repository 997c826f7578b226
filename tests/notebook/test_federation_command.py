"""`%reson federation` as a user types it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell

import reson_jupyter as reson
from reson_jupyter.backend.federation import Federation
from reson_jupyter.backend.record import RunRecord
from reson_jupyter.errors import TargetError
from reson_jupyter.notebook.commands import federation as federation_command
from tests.notebook.test_shards_command import run


class Machine:
    """Plays the backend."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[dict[str, Any]] = []
        self.running: Federation | None = None

    def start(self, sites: int | None, **given: Any) -> Federation:
        self.asked.append({"sites": sites, **given})
        self.running = Federation.at(self.folder, sites or 3)
        return self.running

    def stop(self) -> bool:
        was, self.running = self.running, None
        return was is not None


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    for name in ("RESON_TARGET", "RESON_STARTUP_KIT"):
        monkeypatch.delenv(name, raising=False)
    machine = Machine(tmp_path / "nodes")
    monkeypatch.setattr(federation_command, "start_federation", machine.start)
    monkeypatch.setattr(federation_command, "stop_federation", machine.stop)
    monkeypatch.setattr(federation_command, "federation", lambda: machine.running)
    return machine


@pytest.mark.parametrize("action", ["", " start", " stop", " status"])
def test_help_is_printed_and_nothing_else_happens(shell: InteractiveShell, machine: Machine, action: str) -> None:
    result, text = run(shell, f"%reson federation{action} --help")
    assert result.success and result.result is None and f"usage: %reson federation{action}" in text and not machine.asked


@pytest.mark.parametrize("line", ["", "nonsense", "start 3", "start --sites many", "start --sites", "stop now", "status -x"])
def test_a_line_that_cannot_be_understood_is_a_usage_error(shell: InteractiveShell, machine: Machine, line: str) -> None:
    result, text = run(shell, f"%reson federation {line}")
    assert isinstance(result.error_in_exec, UsageError) and "Traceback" not in text and "usage: %reson" in text
    assert not machine.asked


def test_start_passes_on_what_is_given(shell: InteractiveShell, machine: Machine) -> None:
    assert "--shards" not in run(shell, "%reson federation start")[1]
    _, text = run(shell, "%reson federation start --sites 2 --data 'my shards' --folder /f")
    assert "its sites have their data: submit without --shards, and with num_classes set if the model needs it\n" in text
    assert machine.asked == [
        {"sites": None, "data": None, "folder": None},
        {"sites": 2, "data": "my shards", "folder": "/f"},
    ]


def test_start_shows_the_federation_points_the_session_at_it_and_says_how_to_undo_that(
    shell: InteractiveShell, machine: Machine
) -> None:
    result, text = run(shell, "%reson federation start")
    assert result.result == machine.running and "A federation on this machine: a server and 3 sites" in text
    assert reson.session().target == "flare"
    assert reson.session().connection.startup_kit == str(machine.folder / "researcher")
    assert "%reson submit sends its runs there from now on (target=flare); to undo that: %reson config target=local\n" in text
    run(shell, "%reson config target=local")
    assert reson.session().target == "local"


def test_to_undo_a_start_leads_back_to_the_target_that_was_set(shell: InteractiveShell, machine: Machine) -> None:
    run(shell, "%reson config target=reson")
    assert "to undo that: %reson config target=reson" in run(shell, "%reson federation start")[1]
    assert "to undo that: %reson config target=local" in run(shell, "%reson federation start")[1]


def test_a_start_that_fails_is_one_message_and_changes_nothing(
    shell: InteractiveShell, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise TargetError("no", "Do.")

    monkeypatch.setattr(federation_command, "start_federation", fail)
    result, text = run(shell, "%reson federation start")
    assert isinstance(result.error_in_exec, TargetError) and "TargetError: no\n  Do." in text and "Traceback" not in text
    assert reson.session().target == "local"


def test_stop_has_the_session_train_here_again_and_stopping_twice_is_told(shell: InteractiveShell, machine: Machine) -> None:
    run(shell, "%reson federation start")
    _, text = run(shell, "%reson federation stop")
    assert text == (
        "the federation is stopped, and its folder is deleted\n%reson submit trains on this machine again (target=local)\n"
    )
    assert reson.session().target == "local" and machine.running is None
    _, text = run(shell, "%reson federation stop")
    assert text == "no federation was started on this machine; start one: %reson federation start\n"


@pytest.mark.parametrize("config", ["target=reson", "target=flare startup_kit=/other/kit"])
def test_stop_leaves_a_session_that_points_elsewhere(shell: InteractiveShell, machine: Machine, config: str) -> None:
    run(shell, f"%reson federation start\n%reson config {config}")
    before = reson.session().target
    assert run(shell, "%reson federation stop")[1] == "the federation is stopped, and its folder is deleted\n"
    assert reson.session().target == before


def test_status_shows_the_federation_or_that_there_is_none(shell: InteractiveShell, machine: Machine) -> None:
    result, text = run(shell, "%reson federation status")
    assert result.success and text == "no federation was started on this machine; start one: %reson federation start\n"
    run(shell, "%reson federation start --sites 1\n%reson config target=local")
    result, text = run(shell, "%reson federation status")
    assert result.result == machine.running and "a server and 1 site\n" in text and reson.session().target == "local"


def test_a_start_of_one_that_runs_says_that_it_is_taken_as_it_is(
    shell: InteractiveShell, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "already" not in run(shell, "%reson federation start")[1]
    assert "already" not in run(shell, "%reson federation start")[1], "its processes have ended"
    monkeypatch.setattr(Federation, "is_complete", True)
    assert "the federation is running already, and is taken as it is\n" in run(shell, "%reson federation start")[1]
    assert "taken as it is, with the data given now\n" in run(shell, "%reson federation start --data d")[1]


def test_a_start_without_data_and_without_a_bucket_says_how_sites_get_data(
    shell: InteractiveShell, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    warning = "its sites have no data, and no bucket is set"
    assert warning in run(shell, "%reson federation start")[1]
    monkeypatch.setenv("RESON_S3_BUCKET", "b")
    assert warning not in run(shell, "%reson federation start")[1]


def test_stop_names_the_runs_that_end_with_it_and_forgets_the_kit(
    shell: InteractiveShell, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = RunRecord(id="digits-1", name="digits", target="flare", store="file:///s", created=0.0)
    monkeypatch.setattr(federation_command, "runs_on", lambda kit: [record])
    run(shell, "%reson federation start")
    assert "\nwhat was in progress on it ends with it: digits (digits-1)\n" in run(shell, "%reson federation stop")[1]
    assert reson.session().connection.startup_kit == ""
