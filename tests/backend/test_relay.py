"""What a server reports gets into the run's log, once, whoever carries the run."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from reson_jupyter.backend.carrying.channel import StoreChannel
from reson_jupyter.backend.carrying.journal import Journal
from reson_jupyter.backend.carrying.relay import Relay
from reson_jupyter.backend.event_log import EventLogReader, EventLogWriter
from reson_jupyter.backend.store import Store
from reson_jupyter.events import Event, EventType, RunState

from .test_channel import PREFIX, line, names, numbers, post


@pytest.fixture
def open_journal(store: Store) -> Iterator[Callable[[], Journal]]:
    opened: list[Journal] = []
    EventLogWriter(store, PREFIX).append([Event(time=0, type=EventType.STATE, data={"state": "starting", "reason": ""})])

    def make() -> Journal:
        opened.append(Journal(store, PREFIX))
        return opened[-1]

    yield make
    for journal in opened:
        journal.close(5)


def logged(store: Store) -> list[str]:
    return [event.data["message"] for event in EventLogReader(store, PREFIX).read() if event.type is EventType.LOG]


def test_a_carrier_that_takes_over_logs_nothing_twice(store: Store, open_journal: Callable[[], Journal]) -> None:
    journal = open_journal()
    post(store, 0, 0, 1)
    assert numbers(Relay(StoreChannel(store, PREFIX), journal).take()) == [0, 1]
    assert journal.close(5)
    post(store, 2, 2)
    journal = open_journal()
    relay = Relay(StoreChannel(store, PREFIX), journal)
    assert numbers(relay.take()) == [2]
    assert journal.close(5)
    assert logged(store) == ["0", "1", "2"]


def test_what_was_said_twice_at_once_is_logged_twice(store: Store, open_journal: Callable[[], Journal]) -> None:
    relay = Relay(StoreChannel(store, PREFIX), open_journal())
    post(store, 0, 5, 5)
    assert numbers(relay.take()) == [5, 5]
    post(store, 2, 5)
    assert numbers(relay.take()) == [5]
    everything = [Event.model_validate_json(line(5))] * 4
    assert numbers(relay.add(everything)) == [5]
    assert relay.add(everything) == []


def test_nothing_is_deleted_before_it_is_in_the_log(store: Store, open_journal: Callable[[], Journal]) -> None:
    journal = open_journal()
    relay = Relay(StoreChannel(store, PREFIX), journal)
    post(store, 0, 0)
    post(store, 1, 1)
    relay.take()
    assert names(store) == ["0000000000.ndjson", "0000000001.ndjson"]
    journal.close(5)
    assert journal.is_delivered
    relay.take()
    assert names(store) == ["0000000001.ndjson"]


def test_the_state_of_the_run_follows_from_what_the_server_reports(store: Store, open_journal: Callable[[], Journal]) -> None:
    journal = open_journal()
    relay = Relay(StoreChannel(store, PREFIX), journal)
    relay.add([Event(time=1, type=EventType.RUN_STARTED, data={"num_rounds": 1, "min_clients": 1, "nvflare": "2.9.0"})])
    assert journal.progress.state is RunState.RUNNING
    relay.add([Event(time=2, type=EventType.RUN_ENDED)])
    assert journal.progress.state is RunState.FINISHING
