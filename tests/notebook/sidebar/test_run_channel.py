"""A run's live view in the sidebar: its letters over a comm of their own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reson_jupyter import api
from reson_jupyter.backend import observers
from reson_jupyter.backend.event_log import EventLogWriter
from reson_jupyter.backend.run.handle import Run
from reson_jupyter.notebook.sidebar.comms import Sidebar
from tests.backend.test_verdict import event, good_run

from .fake_page import FakePage, PageComm
from .test_parts import made_up

pytestmark = pytest.mark.usefixtures("session")


@pytest.fixture
def going_on(sidebar: Sidebar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Run, Callable[..., None]]:
    """A run of this process, and what adds events to its log."""
    monkeypatch.setattr("reson_jupyter.backend.targets.local.LocalTarget.is_carried", lambda *_: True)
    record, store = made_up(tmp_path)
    log = EventLogWriter(store, record.prefix)
    return observers.announce(api.find(record.id)), lambda *events: log.append(list(events))


def opened(page: FakePage, run: str) -> PageComm:
    return page.open("reson.run", {"run": run, "state": page.state.comm_id})


def run_of(letters: list[dict[str, Any]]) -> dict[str, Any]:
    """What a page knows of the run itself; a delta without the one before it would be a hole."""
    known: dict[str, Any] = {}
    version = None
    for letter in letters:
        message = letter["message"]
        if message["full"]:
            known = {}
        else:
            assert message["version"] == version + 1
        known |= message.get("run", {})
        version = message["version"]
    return known


def test_letters_of_a_run_come_from_the_first_to_the_last(page: FakePage, going_on: tuple[Run, Callable[..., None]]) -> None:
    run, happens = going_on
    channel = opened(page, run.id)
    channel.wait_for(lambda letters: letters and letters[0]["message"]["full"])
    happens(*good_run()[4:9])
    channel.wait_for(lambda letters: run_of(letters).get("round") == 1)
    happens(event("state", state="failed", reason="It ended."))
    channel.wait_for(lambda letters: run_of(letters).get("state") == "failed")


def test_a_page_that_misses_something_asks_for_all_of_it(page: FakePage, going_on: tuple[Run, Callable[..., None]]) -> None:
    channel = opened(page, going_on[0].id)
    channel.wait_for(bool)
    known = len(channel.messages)
    page.say({"op": "snapshot"}, channel)
    assert channel.wait_for(lambda letters: letters[known:])[0]["message"]["full"]
    for nonsense in (None, [], {}, {"op": "abort"}, {"op": 3}, "snapshot"):
        page.say(nonsense, channel)


def test_a_closed_channel_is_followed_no_more(page: FakePage, going_on: tuple[Run, Callable[..., None]]) -> None:
    run, happens = going_on
    observed = len(run._follower._observers)
    channel, other = opened(page, run.id), opened(page, run.id)
    for one in (channel, other):
        one.wait_for(lambda letters: len(letters) >= 2)
    page.close(channel)
    assert len(run._follower._observers) == observed + 1
    known = len(channel.sent)
    happens(*good_run()[4:9])
    other.wait_for(lambda letters: run_of(letters).get("round") == 1)
    assert len(channel.sent) == known
    page.close()
    happens(event("state", state="failed", reason=""))
    assert run._follower.over.wait(60)
    assert len(run._follower._observers) == observed


def test_a_page_that_wakes_gets_the_run_anew(page: FakePage, sidebar: Sidebar, going_on: tuple[Run, Callable[..., None]]) -> None:
    run, happens = going_on
    channel = opened(page, run.id)
    channel.wait_for(lambda letters: len(letters) >= 2)
    known = len(channel.messages)
    asleep = sidebar._pages.find(page.state.comm_id)
    assert asleep is not None
    asleep.heard -= 1000
    told = threading.Event()
    happens(*good_run()[4:9])
    run.observe(lambda run: told.set() if run.progress.rounds_done == 1 else None)
    assert told.wait(60) and len(channel.messages) == known
    page.send("here")
    letter = channel.wait_for(lambda letters: letters[known:])[0]
    assert letter["message"]["full"] and letter["message"]["run"]["round"] == 1


def test_a_run_that_is_not_found_is_told_and_the_comm_closed(page: FakePage) -> None:
    channel = opened(page, "no-such-run-1")
    assert "no-such-run" in channel.wait_for(list)[0]["problem"]["message"]
    with channel.arrived:
        assert channel.arrived.wait_for(lambda: channel.closed, 10)
