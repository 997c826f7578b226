"""What a run's server says through the federation, by commands or by statistics, and which way is taken."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reson_jupyter.backend.carrying.journal import Journal
from reson_jupyter.backend.event_log import EventLogWriter
from reson_jupyter.backend.flare import listener as module
from reson_jupyter.backend.flare.channel import TOPIC, CommandChannel, StatsChannel
from reson_jupyter.backend.flare.kit import Kit
from reson_jupyter.backend.flare.listener import Listener
from reson_jupyter.backend.flare.session import FlareSession, Gone, NotAllowed, Refused
from reson_jupyter.backend.store import open_store
from reson_jupyter.errors import TargetError
from reson_jupyter.events import Event
from tests.backend.test_verdict import good_run
from tests.flare.conftest import FakeSession

TELEMETRY = {"beat": 3, "sites": {"site-1": {"time": 1.0, "beat": 7, "pid": 5, "memory": 9, "cpu": 1.0}}}


class Api:
    """A federation whose run has said so many lines; `barred`: it takes no commands of this user."""

    def __init__(self, lines: int = 3, *, barred: bool = False) -> None:
        said = [{"level": "info", "message": "said", "n": number} for number in range(lines)]
        self.lines: list[Any] = [json.dumps({"time": data["n"], "type": "log", "data": data}) for data in said]
        self.shown_from = 0
        self.asked: list[Any] = []
        self._barred = barred

    def do_app_command(self, job: str, topic: str, data: dict[str, Any]) -> dict[str, Any]:
        if self._barred:
            raise NotAllowed("not you")
        assert (job, topic) == ("job-1", TOPIC)
        self.asked.append(data)
        if data["op"] == "events":
            return {"lines": self.lines[data["from"] :], "telemetry": TELEMETRY}
        if data["op"] == "log":
            return {"text": "a line\n"[data["offset"] :]} if data["site"] == "site-1" else {"error": "there is no such site"}
        return {}

    def show_stats(self, job: str, target: str) -> dict[str, Any]:
        lines = self.lines[self.shown_from :]
        return {"server": {"reson": {"from": self.shown_from, "lines": lines, "telemetry": TELEMETRY}}}

    def get_job_logs(self, job: str, target: str) -> dict[str, Any]:
        return {"logs": {"server": "of the server"}}


def numbers(events: list[Event]) -> list[int]:
    return [event.data["n"] for event in events]


@pytest.mark.parametrize("kind", [CommandChannel, StatsChannel])
def test_everything_is_heard_once_and_in_order(kind: type[CommandChannel] | type[StatsChannel]) -> None:
    api = Api()
    channel = kind(FakeSession(api), "job-1")  # type: ignore[arg-type]
    assert numbers(channel.read()) == [0, 1, 2] and numbers(channel.read()) == []
    assert channel.telemetry.sites["site-1"].beat == 7
    api.lines = Api(5).lines
    api.shown_from = 1  # statistics repeat what was said lately, and no more
    assert numbers(channel.read()) == [3, 4]


def test_requests_stops_and_logs_go_by_commands() -> None:
    api = Api()
    channel = CommandChannel(FakeSession(api), "job-1")  # type: ignore[arg-type]
    channel.ask({"id": "1", "op": "skip"})
    channel.stop()
    assert api.asked == [{"op": "request", "request": {"id": "1", "op": "skip"}}, {"op": "stop"}]
    assert channel.log("site-1", 2) == "line\n"
    with pytest.raises(Refused, match="there is no such site"):
        channel.log("site-9", 0)


def test_who_may_not_give_commands_can_still_watch_and_read_the_servers_log() -> None:
    session: Any = FakeSession(Api(barred=True))
    assert CommandChannel(session, "job-1").log("server", 3) == "the server"
    with pytest.raises(NotAllowed):
        CommandChannel(session, "job-1").log("site-1", 0)
    stats = StatsChannel(session, "job-1")
    assert numbers(stats.read()) == [0, 1, 2]
    for forbidden in (stats.stop, lambda: stats.ask({"id": "1"})):
        with pytest.raises(NotAllowed, match=r"ann@example\.com .*app_command"):
            forbidden()


def test_a_job_without_our_code_says_nothing_by_its_statistics() -> None:
    class Other(Api):
        def show_stats(self, job: str, target: str) -> dict[str, Any]:
            return {"server": {"ScatterAndGather": {}}}

    with pytest.raises(TargetError, match="does not say how it stands"):
        StatsChannel(FakeSession(Other()), "job-1").read()  # type: ignore[arg-type]


class Odd(Api):
    """A federation whose run's server answers what it likes."""

    def __init__(self, answer: Any) -> None:
        super().__init__()
        self.answer = answer

    def do_app_command(self, job: str, topic: str, data: dict[str, Any]) -> Any:
        return self.answer

    def show_stats(self, job: str, target: str) -> dict[str, Any]:
        return {"server": {"reson": self.answer}}


@pytest.mark.parametrize("kind", [CommandChannel, StatsChannel])
@pytest.mark.parametrize("answer", [None, [], "x", {"lines": 3}, {"from": "x", "lines": []}, {"from": -1, "lines": []}])
def test_an_answer_that_makes_no_sense_is_told_as_such(kind: type[CommandChannel] | type[StatsChannel], answer: Any) -> None:
    with pytest.raises(TargetError, match=r"makes no sense|does not say how it stands"):
        kind(FakeSession(Odd(answer)), "job-1").read()  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [CommandChannel, StatsChannel])
def test_neither_an_odd_line_nor_odd_telemetry_costs_the_other_lines(kind: type[CommandChannel] | type[StatsChannel]) -> None:
    api = Odd({"from": 0, "lines": [*Api().lines, {"no": "line"}, "\ud800"], "telemetry": TELEMETRY})
    channel = kind(FakeSession(api), "job-1")  # type: ignore[arg-type]
    events = channel.read()
    assert numbers(events[:3]) == [0, 1, 2]
    assert [event.data["message"] for event in events[3:]] == ["unreadable report: {'no': 'line'}", "unreadable report: ?"]
    api.answer = {"from": 5, "lines": Api().lines[:1], "telemetry": {"beat": "none", "sites": 3}}
    assert numbers(channel.read()) == [0] and channel.telemetry.beat == 3


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    store = open_store(tmp_path.as_uri())
    EventLogWriter(store, "jobs/run-1").append(good_run()[:1])
    journal = Journal(store, "jobs/run-1")
    yield journal
    journal.close(5)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_INTERVAL", "_STARTING_INTERVAL", "_STORE_INTERVAL"):
        monkeypatch.setattr(module, name, 0.0)


def both_ways(api: Api) -> list[Any]:
    session: Any = FakeSession(api)
    return [CommandChannel(session, "job-1"), StatsChannel(session, "job-1")]


def test_a_way_that_is_barred_is_left_for_the_next_and_it_is_said_once(journal: Journal, at_once: None) -> None:
    ways = both_ways(Api(barred=True))
    listener = Listener(journal, ways)
    assert listener.take(True) == [] and numbers(listener.take(True)) == [0, 1, 2]
    assert listener.channel is ways[1] and listener.take(True) == []
    (note,) = journal.progress.notes
    assert note.startswith(
        "The running job can be watched and ended, but not asked for anything: the federation does not let ann@"
    )
    assert '"app_command": "any"' in note and "local/authorization.json" in note and "not you" not in note


def test_a_way_that_brings_nothing_is_left_and_tried_again_later(
    journal: Journal, at_once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_STARTING_SILENCE", -1.0)

    class Silent(Api):
        def do_app_command(self, job: str, topic: str, data: dict[str, Any]) -> dict[str, Any]:
            raise Refused("no app command func for topic")

        def show_stats(self, job: str, target: str) -> dict[str, Any]:
            raise Refused("nobody is there")

    ways = both_ways(Silent())
    listener = Listener(journal, ways)
    taken = []
    for _ in range(4):
        taken.append(ways.index(listener.channel))
        listener.take(True)
    assert taken == [0, 1, 0, 1]


def test_before_the_job_runs_nobody_is_asked(journal: Journal, at_once: None) -> None:
    api = Api()
    listener = Listener(journal, both_ways(api))
    assert listener.take(False) == [] and api.asked == [] and listener.silence == 0.0


def test_whoever_waited_while_nobody_answered_does_not_wait_once_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session, tries = FlareSession(Kit(tmp_path, "ann", "hospitals", "10.0.0.1", 8002), tmp_path), []

    def connect() -> None:
        tries.append(1)
        raise Gone("The federation was stopped")

    monkeypatch.setattr(session, "_connect", connect)
    for _ in range(2):
        with pytest.raises(Gone, match="was stopped"):
            session.ask(lambda api: api.get_system_info())
    assert len(tries) == 1
