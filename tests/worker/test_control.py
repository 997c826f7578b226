"""The server's end of the control path: requests that cannot be passed on, the sign of life, and a full disk."""

from __future__ import annotations

import errno
import json
import threading
import time
from typing import Any

import pytest
from nvflare.apis.event_type import EventType
from nvflare.apis.shareable import ReturnCode

from reson_jupyter.worker import control
from tests.patience import wait_for

from .loopback import Server
from .requests import answers, put


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (ReturnCode.COMMUNICATION_ERROR, "it has no process now"),
        (ReturnCode.TIMEOUT, "no sign of it within 5 s"),
        (ReturnCode.TOPIC_UNKNOWN, "it has not started yet"),
    ],
)
def test_a_site_that_cannot_be_asked_is_answered_for(server: Server, code: str, why: str) -> None:
    server.answer = code
    request = put(server.run_dir, "skip")
    answer = answers(server.events, request)["site-1"]
    assert answer == {"request": request, "ok": False, "value": None, "error": f"site-1 was not reached: {why}", "traceback": ""}


def test_a_site_that_answers_something_else_was_reached(server: Server) -> None:
    server.answer = ReturnCode.HANDLER_EXCEPTION
    assert answers(server.events, put(server.run_dir, "skip"))["site-1"]["error"] == "site-1 answered HANDLER_EXCEPTION"


def test_a_site_that_does_not_exist_is_answered_for_and_the_others_are_asked(server: Server) -> None:
    request = put(server.run_dir, "skip", ["site-9", "site-1"])
    found = answers(server.events, request, sites=2)
    assert found["site-9"]["error"] == "site-9 was not reached: there is no such site"
    assert found["site-1"]["error"].startswith("the site is in no task")


def test_an_answer_that_comes_after_the_site_was_given_up_does_not_count(server: Server) -> None:
    server.reporter.expect("r", ["site-1"])
    server.reporter.refuse("r", "site-1", "was not reached")
    server.messenger.report("answer", None, {"request": "r", "ok": True, "value": 1, "error": "", "traceback": ""})
    server.messenger.flush()
    assert [event["data"]["ok"] for event in server.of("answer")] == [False]


def test_requests_are_taken_once_and_in_their_order(server: Server) -> None:
    (server.run_dir / "requests").mkdir()
    (server.run_dir / "requests" / "000.json").write_text("{no request")
    (server.run_dir / "requests" / "001.json").write_text("[" * 100_000)
    requests = [put(server.run_dir, "skip", ["nobody"]) for _ in range(5)]
    for request in requests:
        answers(server.events, request)
    assert len(server.of("answer")) == 5
    assert list((server.run_dir / "requests").iterdir()) == []


def beat(server: Server) -> int:
    path = server.run_dir / "telemetry.json"
    return json.loads(path.read_text())["beat"] if path.exists() else 0  # type: ignore[no-any-return]


class Clock:
    """Stands until it is put forward."""

    def __init__(self) -> None:
        self.now = int(time.monotonic()) + 100.0
        self.looks = 0

    def monotonic(self) -> float:
        """What stands for `time.monotonic`."""
        self.looks += 1
        return self.now

    def show(self) -> None:
        """Returns when everybody has looked at it and done what it was time for."""
        known = self.looks
        wait_for(lambda: self.looks >= known + 4)


def test_the_server_gives_a_sign_of_life_every_second_whatever_happens(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(control, "_reson_time", clock)
    clock.show()
    first, seen = beat(server), []
    for _ in range(6):
        clock.now += 0.5
        clock.show()
        seen.append(beat(server) - first)
    assert seen == [0, 1, 1, 2, 2, 3]


def test_the_sign_of_life_ends_with_the_run(server: Server) -> None:
    threads = [thread for thread in threading.enumerate() if thread.name == "reson-control"]
    assert threads
    server.fire(EventType.END_RUN)
    wait_for(lambda: not [thread for thread in threads if thread.is_alive()])


class FullDisk:
    """A file whose disk takes only so many bytes."""

    def __init__(self, file: Any, room: int) -> None:
        self.file = file
        self.room = room

    def write(self, data: bytes) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken = self.file.write(data[: self.room])
        self.room -= taken
        return int(taken)

    def close(self) -> None:
        self.file.close()


def test_what_a_full_disk_does_not_take_is_written_when_there_is_room_again(server: Server) -> None:
    """By itself, within a second or so; even the line of which the disk took a half."""
    lines = server.reporter._log
    lines._file = FullDisk(lines._file, room=150)
    for number in range(20):
        server.messenger.report("log", 0, {"level": "info", "message": f"line {number}"})
        server.messenger.flush()
    assert len((server.run_dir / "events.ndjson").read_bytes().splitlines()) < 5
    lines._file.room = 10**9
    wait_for(lambda: (server.run_dir / "events.ndjson").read_text().endswith('line 19"}}\n'))
    assert [event["data"]["message"] for event in server.of("log")] == [f"line {number}" for number in range(20)]
