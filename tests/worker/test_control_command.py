"""What the server answers to whoever reaches it by NVFlare's app command, as there is no way through a store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from nvflare.apis.shareable import ReturnCode
from nvflare.widgets.info_collector import GroupInfoCollector, InfoCollector

from reson_jupyter.worker import control as control_module
from tests.patience import wait_for

from .loopback import Server
from .requests import answers

LEVEL = {"id": "a", "op": "log_level", "sites": None, "level": "info"}


def test_events_are_read_from_a_line_on(server: Server) -> None:
    server.messenger.report("log", None, {"level": "info", "message": "é"})
    server.messenger.flush()
    answer = server.command(op="events", **{"from": 0})
    assert [json.loads(line) for line in answer["lines"]] == server.events()
    assert server.command(op="events", **{"from": 1})["lines"] == answer["lines"][1:]
    assert server.command(op="events", **{"from": 99})["lines"] == []
    wait_for(lambda: server.command(op="events", **{"from": 0})["telemetry"].get("sites"))


def test_many_events_come_in_several_answers(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_module, "_reson_ANSWER_BYTES", 500)
    for number in range(20):
        server.messenger.report("log", None, {"level": "info", "message": str(number)})
    server.messenger.flush()
    lines: list[str] = []
    while more := server.command(op="events", **{"from": len(lines)})["lines"]:
        assert len("\n".join(more)) <= 500
        lines += more
    assert [json.loads(line) for line in lines] == server.events()


def test_a_request_is_carried_out_once_however_often_it_is_sent(server: Server) -> None:
    assert server.command(op="request", request=LEVEL) == server.command(op="request", request=LEVEL) == {}
    assert answers(server.events, "a")["site-1"]["ok"]
    server.command(op="request", request=LEVEL | {"id": "b"})
    assert answers(server.events, "b")["site-1"]["ok"]
    assert len(server.of("answer")) == 2


def test_the_run_can_be_stopped(server: Server) -> None:
    assert server.command(op="stop") == {}
    wait_for(lambda: server.abort_signal.triggered)


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"op": "other"},
        {"op": ["stop"]},
        {"op": "events"},
        {"op": "events", "from": "x"},
        {"op": "request"},
        {"op": "request", "request": "stop"},
        {"op": "request", "request": {"id": 1, "op": "skip", "sites": None}},
        {"op": "request", "request": {"id": "a", "op": "skip"}},
        {"op": "log"},
        {"op": "log", "site": "site-9", "offset": 0},
        {"op": "log", "site": "server", "offset": -1},
        {"op": "log", "site": "server", "offset": "x"},
        {"op": "log", "site": "site-1", "offset": "x"},
    ],
)
def test_what_makes_no_sense_is_answered_with_an_error(server: Server, data: dict[str, Any], log: Path) -> None:
    log.write_text("line\n")
    assert server.command(**data).keys() == {"error"}
    assert not server.abort_signal.triggered and server.of("answer") == []


@pytest.mark.parametrize("data", [None, [], "stop"])
def test_so_is_what_is_no_request_at_all(server: Server, data: Any) -> None:
    assert server.commands["reson.control"]("reson.control", data, None)["error"].startswith("there is no such operation")


@pytest.mark.parametrize("name", ["server", "site-1"])
def test_the_logs_of_the_server_and_of_a_site_are_shown(server: Server, log: Path, name: str) -> None:
    log.write_text("one\ntwo\n")
    assert server.command(op="log", site=name, offset=4) == {"text": "two\n"}


@pytest.mark.parametrize("name", ["server", "site-1"])
def test_a_log_that_is_not_there_is_told(server: Server, name: str) -> None:
    assert "it writes no log.txt" in server.command(op="log", site=name, offset=0)["error"]


def test_a_site_that_does_not_answer_is_told(server: Server) -> None:
    server.answer = ReturnCode.COMMUNICATION_ERROR
    assert server.command(op="log", site="site-1", offset=0) == {"error": "site-1 does not show its log: it has no process now"}


def test_the_same_stands_among_the_statistics_and_comes_again_for_a_while(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask() -> dict[str, Any]:
        collector = GroupInfoCollector()
        server.fire(InfoCollector.EVENT_TYPE_GET_STATS, **{InfoCollector.CTX_KEY_STATS_COLLECTOR: collector})
        found: dict[str, Any] = collector.info["reson"]
        return found

    first, again = ask(), ask()
    assert [json.loads(line) for line in first["lines"]] == server.events()[: len(first["lines"])]
    assert (first["from"], again["from"]) == (0, 0)
    monkeypatch.setattr(control_module, "_reson_AGAIN", -1.0)
    assert ask()["from"] == len(again["lines"])
