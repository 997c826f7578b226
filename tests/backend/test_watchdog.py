"""What the watchdog makes of what it sees; the processes are made up, see tests/runs for real ones."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from reson_jupyter.backend.progress import RunProgress
from reson_jupyter.backend.runner import watchdog as module
from reson_jupyter.backend.runner.remains import WorkFolder
from reson_jupyter.backend.runner.watchdog import Watchdog, cause
from reson_jupyter.events import EventType
from tests.backend.test_verdict import event, good_run


class Said:
    """A journal that keeps what is said."""

    def __init__(self) -> None:
        self.progress = RunProgress()
        self.progress.apply(good_run()[:3])
        self.events: list[tuple[EventType, str | None, Any]] = []
        self.sites: dict[str, Any] = {}

    def say(self, kind: EventType, site: str | None = None, number: int | None = None, **data: Any) -> None:
        self.events.append((kind, site, data.get("message", data)))

    def set_sites(self, telemetry: dict[str, Any]) -> None:
        self.sites = telemetry


class World:
    """A run of two sites with a clock of its own; nobody in it computes unless it is said."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, *, take_turns: bool = False) -> None:
        self.now = 0.0
        self.free = 10**9
        self.busy: set[str | None] = set()
        self.dead: list[str] = []
        self.stopped = 0
        self.killed: list[str] = []
        self.beats: dict[str, int] = {}
        self.server = 0
        self.task = ""
        processes = SimpleNamespace(look=lambda: None, sites={"site-1", "site-2"}, of=lambda site: [site])
        simulator: Any = SimpleNamespace(
            processes=processes, take_turns=take_turns, dead_sites=lambda: self.dead, ask_to_stop=self.stop
        )
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=self.free, total=2 * 10**9))
        monkeypatch.setattr(module.Load, "busy", lambda _, of, seconds: of[0] in self.busy)
        monkeypatch.setattr(module, "kill", lambda of, wait: self.killed.extend(of))
        monkeypatch.setattr(module, "is_stopped", lambda process: False)
        monkeypatch.setattr(module, "take_stack", lambda process, folder: "")
        folder.mkdir()
        self.work = WorkFolder(folder)
        self.work.server.mkdir(parents=True)
        self.said = Said()
        journal: Any = self.said
        self.watchdog = Watchdog(simulator, self.work, journal, site_timeout=12.0, round_timeout=0.0)

    def stop(self) -> None:
        self.stopped += 1

    def pass_time(self, seconds: int, *beating: str, server: bool = True) -> str:
        """Lets time pass in which the named sites, and the server, give signs of life; returns why the run has to end."""
        for _ in range(seconds):
            self.now += 1.0
            if server:
                self.server += 1
                self.beats |= {site: self.server for site in beating}
                sites = {site: telemetry(beat, self.task) for site, beat in self.beats.items()}
                (self.work.server / "telemetry.json").write_text(json.dumps({"beat": self.server, "sites": sites}))
            if reason := self.watchdog.look():
                return reason
        return ""


def telemetry(beat: int, task: str = "") -> dict[str, Any]:
    return {"time": 1.0, "beat": beat, "pid": 1, "memory": 1, "cpu": 0.0, "task": task, "round": None, "place": None}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path / "work", monkeypatch)


def test_nothing_is_said_of_a_run_in_which_everybody_lives(world: World) -> None:
    assert world.pass_time(600, "site-1", "site-2") == "" and world.said.events == []
    assert set(world.said.sites) == {"site-1", "site-2"}


def test_a_silent_idle_site_is_ended_and_counts_as_dead(world: World) -> None:
    world.pass_time(5, "site-1", "site-2")
    world.pass_time(20, "site-1")
    message = "hangs: no sign of life and no computing for 12 s"
    assert world.said.events == [(EventType.ERROR, "site-2", message)]
    assert (world.killed, world.watchdog.dead) == (["site-2"], {"site-2"})


def test_a_site_that_hangs_before_its_first_sign_of_life_is_found_too(world: World) -> None:
    world.pass_time(20, "site-1")
    assert [text for *_, text in world.said.events] == ["hangs: no sign of life and no computing for 12 s while it starts"]


def test_sites_that_wait_for_the_processor_while_they_start_are_left_alone(world: World) -> None:
    world.busy = {"site-1", "site-2"}
    assert world.pass_time(120) == "" and world.said.events == []


def test_a_silent_server_is_the_end_and_its_sites_are_not_blamed(world: World) -> None:
    world.pass_time(5, "site-1", "site-2")
    assert world.pass_time(20, server=False) == "The server hangs: no sign of life and no computing for 12 s"
    assert [site for _, site, _ in world.said.events] == [None] and world.killed == []


def test_a_server_that_computes_without_a_sign_of_life_is_left_alone(world: World) -> None:
    world.busy = {None}
    world.pass_time(5, "site-1", "site-2")
    assert world.pass_time(120, server=False) == "" and world.said.events == []


def test_a_server_that_never_comes_up_is_the_end(world: World) -> None:
    assert world.pass_time(20, server=False).endswith("for 12 s while it starts")


def test_a_dead_site_is_told_with_what_its_log_says(world: World) -> None:
    log = world.work.workspace / "site-2" / "error_log.txt"
    log.parent.mkdir()
    log.write_text("Traceback ...\nImportError: no torch\nother: noise\n")
    world.dead = ["site-2"]
    world.pass_time(1, "site-1")
    assert world.said.events == [(EventType.ERROR, "site-2", "ImportError: no torch")] and world.watchdog.dead == {"site-2"}


def test_a_process_that_the_system_killed_for_memory_is_told_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "times_out_of_memory", lambda: 10**9)
    world.dead = ["site-2"]
    world.pass_time(1, "site-1")
    assert "because the memory was full" in world.said.events[0][2]


def test_sites_that_take_turns_end_their_processes_all_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path / "work", monkeypatch, take_turns=True)
    world.dead = ["site-2"]
    world.pass_time(1, "site-1")
    assert world.said.events == [] and world.watchdog.dead == set()


def test_a_full_disk_ends_the_run_after_a_moment_with_a_little_room(world: World) -> None:
    spare = world.work.path / "spare"
    assert spare.stat().st_size == 4_000_000
    world.free = 1_000
    assert world.pass_time(1, "site-1", "site-2") == "" and not spare.exists()
    ((_, site, message),) = world.said.events
    assert site is None and "is full: 0.0 of 2000 MB are free" in message and str(world.work.path.parent) in message
    world.free = 4_000_000
    assert world.stopped == 1
    reason = world.pass_time(6, "site-1", "site-2")
    assert (
        world.stopped == 1
        and reason == f"The disk of the work folder {world.work.path.parent} is full"
        and len(world.said.events) == 1
    )


def test_telemetry_that_cannot_be_read_is_passed_over(world: World) -> None:
    world.pass_time(2, "site-1", "site-2")
    (world.work.server / "telemetry.json").write_text('{"beat": 7, "sites": {"site-1": {"pid')
    world.watchdog.read_telemetry()
    assert world.said.sites["site-1"].beat == 2


def test_the_first_exception_of_a_log_is_the_cause() -> None:
    assert cause("noise\nimporting\nModuleNotFoundError: No module named 'x'\nRuntimeError: so\n") == (
        "ModuleNotFoundError: No module named 'x'"
    )
    assert (cause("\n  noise\nmore"), cause("")) == ("noise", "")


@pytest.mark.parametrize(("kind", "stalls"), [("metrics", False), ("answer", True)])
def test_what_a_site_reports_is_progress_but_its_answers_are_not(world: World, kind: str, stalls: bool) -> None:
    world.task = "train"
    for _ in range(30):
        world.pass_time(1, "site-1", "site-2")
        for site in ("site-1", "site-2"):
            world.watchdog.note(event(kind, site, 0))
    assert [what for what, *_ in world.said.events] == [EventType.STALLED] * (2 if stalls else 0)
