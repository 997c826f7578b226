"""A run's log: one writer appends, readers follow, late ones too, whatever happens to the writer."""

from __future__ import annotations

import json
import math
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reson_jupyter.backend.event_log import (
    EventLogReader,
    EventLogWriter,
    latest_key,
    peek,
    segment_key,
)
from reson_jupyter.backend.event_log.writer import LATEST_BYTES
from reson_jupyter.backend.store import DirectoryStore, Store
from reson_jupyter.errors import StoreError
from reson_jupyter.events import Event, EventType, RunState

PREFIX = "jobs/digits-1"


def log(text: str = "hello") -> Event:
    return Event(time=1.5, type=EventType.LOG, data={"level": "info", "message": text})


def state(value: str) -> Event:
    return Event(time=2.0, type=EventType.STATE, data={"state": value, "reason": ""})


def texts(events: list[Event]) -> list[str]:
    return [event.data["message"] for event in events]


class Failing:
    """A store whose chosen call fails, before or after it has had its effect."""

    def __init__(self, store: Store, name: str, when: Callable[..., bool], *, after: bool = False) -> None:
        self._store, self._name, self._when, self._after = store, name, when, after

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        if name != self._name:
            return method

        def call(*args: Any, **kwargs: Any) -> Any:
            failing = self._when(*args)
            if failing and not self._after:
                raise StoreError("the line is down")
            result = method(*args, **kwargs)
            if failing:
                raise StoreError("the answer got lost")
            return result

        return call


class Counting:
    """A store that notes the names and keys of all calls."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.calls: list[tuple[str, str]] = []

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        def call(key: str, *args: Any, **kwargs: Any) -> Any:
            self.calls.append((name, key))
            return method(key, *args, **kwargs)

        return call


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "store")


def test_events_arrive_in_order_with_their_numbers_exactly_once(any_store: Store) -> None:
    writer, reader = EventLogWriter(any_store, PREFIX), EventLogReader(any_store, PREFIX)
    assert reader.read() == []
    assert (reader.state, reader.heartbeat) == (RunState.PENDING, None)
    appended = writer.append([log("a"), state("running")])
    assert [event.seq for event in appended] == [0, 1]
    assert reader.read() == appended
    assert reader.read() == []
    assert reader.state == writer.state == RunState.RUNNING
    later = writer.append([log("b")])
    assert reader.read() == later
    assert later[0].seq == 2
    assert writer.seq == 3


def test_the_objects_are_numbered_segments_and_one_small_latest(any_store: Store) -> None:
    writer = EventLogWriter(any_store, PREFIX)
    writer.append([log("a"), log("b")])
    writer.append([state("running")])
    assert [info.key for info in any_store.list(PREFIX)] == [
        f"{PREFIX}/files_out/events/00000000.ndjson",
        f"{PREFIX}/files_out/events/00000001.ndjson",
        f"{PREFIX}/files_out/latest.json",
    ]
    segment = [json.loads(line) for line in any_store.get(segment_key(PREFIX, 0)).splitlines()]
    assert [(line["seq"], line["type"]) for line in segment] == [(0, "log"), (1, "log")]
    latest = json.loads(any_store.get(latest_key(PREFIX)))
    assert (latest["state"], latest["seq"], latest["segments"]) == ("running", 3, 2)
    assert [event["seq"] for event in latest["tail"]] == [0, 1, 2]
    assert abs(latest["time"] - time.time()) < 60


def test_a_reader_that_joins_late_gets_everything_from_the_first_event(any_store: Store) -> None:
    writer = EventLogWriter(any_store, PREFIX)
    for number in range(30):
        writer.append([log(f"{number}-{place}") for place in range(3)])
    events = EventLogReader(any_store, PREFIX).read()
    assert [event.seq for event in events] == list(range(90))
    assert texts(events) == [f"{number}-{place}" for number in range(30) for place in range(3)]


def test_a_reader_that_falls_behind_fills_the_gap(any_store: Store) -> None:
    writer, reader = EventLogWriter(any_store, PREFIX), EventLogReader(any_store, PREFIX)
    writer.append([log("0")])
    reader.read()
    for number in range(1, 10):
        writer.append([log(str(number))])
    assert texts(reader.read()) == [str(number) for number in range(1, 10)]


def test_a_reader_that_keeps_up_makes_one_request_a_poll(store: DirectoryStore) -> None:
    counting = Counting(store)
    writer, reader = EventLogWriter(store, PREFIX), EventLogReader(counting, PREFIX)  # type: ignore[arg-type]
    for number in range(20):
        writer.append([log(str(number))])
        assert texts(reader.read()) == [str(number)]
        assert reader.read() == []
    assert counting.calls == [("get_if_changed", latest_key(PREFIX))] * 40


def test_a_reader_that_fell_behind_asks_for_the_new_segments_only(store: DirectoryStore) -> None:
    counting = Counting(store)
    writer, reader = EventLogWriter(store, PREFIX), EventLogReader(counting, PREFIX)  # type: ignore[arg-type]
    writer.append([log("before")])
    reader.read()
    counting.calls.clear()
    for _ in range(3):
        writer.append([log("x" * LATEST_BYTES)])
    assert len(reader.read()) == 3
    assert sorted(counting.calls[1:]) == [("get", segment_key(PREFIX, number)) for number in (1, 2, 3)]
    assert counting.calls[0] == ("get_if_changed", latest_key(PREFIX))


def test_what_is_not_plain_text_or_numbers_of_json_arrives_as_it_was(any_store: Store) -> None:
    writer = EventLogWriter(any_store, PREFIX)
    awkward = "a\nb\r\u2028\u2029\x85 é 手 😀 \x00 \x1b[2J"
    values = {"loss": math.nan, "best": math.inf, "worst": -math.inf, "tiny": 5e-324, "none": None}
    event = Event(time=1.0, type=EventType.METRICS, site=awkward, round=0, data={"step": None, "values": values})
    writer.append([event, log("after")])
    from_the_tail = EventLogReader(any_store, PREFIX).read()[0]
    for _ in range(3):
        writer.append([log("more")])
    from_its_segment = EventLogReader(any_store, PREFIX).read()[0]
    for found in (from_the_tail, from_its_segment):
        assert (found.site, found.round) == (awkward, 0)
        assert repr(found.data) == repr(event.data)


def test_text_that_is_no_unicode_does_not_stop_the_log(store: DirectoryStore) -> None:
    writer = EventLogWriter(store, PREFIX)
    writer.append([log("file caf\udce9.py")])
    assert texts(EventLogReader(store, PREFIX).read()) == ["file caf?.py"]


def test_an_event_larger_than_the_tail_is_read_from_its_segment(store: DirectoryStore) -> None:
    writer, reader = EventLogWriter(store, PREFIX), EventLogReader(store, PREFIX)
    writer.append([log("x" * (LATEST_BYTES + 1))])
    assert len(store.get(latest_key(PREFIX))) < 200
    assert len(texts(reader.read())[0]) == LATEST_BYTES + 1
    for _ in range(5):
        writer.append([log("y" * 9_000)] * 3)
        assert len(store.get(latest_key(PREFIX))) <= LATEST_BYTES
        assert len(reader.read()) == 3


def test_latest_does_not_grow_with_the_run(store: DirectoryStore) -> None:
    writer = EventLogWriter(store, PREFIX)
    sizes = []
    for number in range(300):
        writer.append([log(f"{number:05d}")] * 5)
        sizes.append(len(store.get(latest_key(PREFIX))))
    assert max(sizes) <= LATEST_BYTES


def test_the_rounds_that_are_over_are_told_without_the_events(store: DirectoryStore) -> None:
    writer = EventLogWriter(store, PREFIX)
    for number in (0, 1):
        writer.append([Event(time=1.0, type=EventType.AGGREGATED, round=number, data={"sites": ["site-1"]})])
    EventLogWriter(store, PREFIX).append([log("x" * LATEST_BYTES)])
    latest = peek(store, PREFIX)
    assert latest is not None and (latest.rounds, latest.tail) == (2, [])


def test_a_touch_is_a_sign_of_life_and_no_event(store: DirectoryStore) -> None:
    writer, reader = EventLogWriter(store, PREFIX), EventLogReader(store, PREFIX)
    writer.append([log()])
    reader.read()
    first = reader.heartbeat
    time.sleep(0.01)
    writer.touch()
    assert reader.read() == []
    assert first is not None and reader.heartbeat is not None and reader.heartbeat > first


def test_a_second_writer_continues_where_the_first_stopped(any_store: Store) -> None:
    EventLogWriter(any_store, PREFIX).append([log("a"), state("uploading")])
    reader = EventLogReader(any_store, PREFIX)
    reader.read()
    second = EventLogWriter(any_store, PREFIX)
    assert (second.seq, second.state) == (2, RunState.UPLOADING)
    second.append([log("b")])
    assert texts(reader.read()) == ["b"]
    assert [event.seq for event in EventLogReader(any_store, PREFIX).read()] == [0, 1, 2]


@pytest.mark.parametrize("segments_before", [0, 1, 3])
def test_a_writer_that_died_between_segment_and_latest_loses_nothing(any_store: Store, segments_before: int) -> None:
    writer = EventLogWriter(any_store, PREFIX)
    for number in range(segments_before):
        writer.append([log(str(number))])
    reader = EventLogReader(any_store, PREFIX)
    reader.read()
    dying = EventLogWriter(Failing(any_store, "put", lambda key, _: key.endswith("latest.json")), PREFIX)  # type: ignore[arg-type]
    with pytest.raises(StoreError):
        dying.append([log("last words"), state("running")])
    assert reader.read() == []
    EventLogWriter(any_store, PREFIX)
    assert [event.type for event in reader.read()] == [EventType.LOG, EventType.STATE]
    assert reader.state is RunState.RUNNING
    assert len(EventLogReader(any_store, PREFIX).read()) == segments_before + 2


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("name", ["latest.json", ".ndjson"])
def test_events_that_failed_to_go_out_are_appended_again_and_arrive_once(store: DirectoryStore, name: str, after: bool) -> None:
    down = [False]
    failing = Failing(store, "put", lambda key, _: down[0] and key.endswith(name), after=after)
    writer, reader = EventLogWriter(failing, PREFIX), EventLogReader(store, PREFIX)  # type: ignore[arg-type]
    seen: list[str] = []
    waiting: list[Event] = []
    rng = random.Random(1)
    for number in range(60):
        down[0] = rng.random() < 0.5 and number < 59
        waiting.append(log(f"{number}" + "x" * rng.choice([0, LATEST_BYTES])))
        try:
            writer.append(waiting)
            waiting = []
        except StoreError:
            pass
        if rng.random() < 0.5:
            seen += texts(reader.read())
    seen += texts(reader.read())
    assert [text.rstrip("x") for text in seen] == [str(number) for number in range(60)]
    assert len(EventLogReader(store, PREFIX).read()) == 60


def test_a_reader_that_could_not_fetch_a_segment_brings_it_the_next_time(store: DirectoryStore) -> None:
    writer = EventLogWriter(store, PREFIX)
    for number in range(10):
        writer.append([log(f"{number}" + "x" * LATEST_BYTES)])
    down = [True]
    reader = EventLogReader(Failing(store, "get", lambda key: down[0] and "00000004" in key), PREFIX)  # type: ignore[arg-type]
    with pytest.raises(StoreError, match="line is down"):
        reader.read()
    down[0] = False
    assert [text.rstrip("x") for text in texts(reader.read())] == [str(number) for number in range(10)]


def test_an_older_answer_of_the_store_is_passed_over(store: DirectoryStore) -> None:
    writer, reader = EventLogWriter(store, PREFIX), EventLogReader(store, PREFIX)
    writer.append([log("a")])
    older = store.get(latest_key(PREFIX))
    writer.append([log("b")])
    newer = store.get(latest_key(PREFIX))
    assert texts(reader.read()) == ["a", "b"]
    store.put(latest_key(PREFIX), older)
    assert reader.read() == []
    store.put(latest_key(PREFIX), newer)
    assert reader.read() == []
    writer.append([log("c")])
    assert texts(reader.read()) == ["c"]


def test_an_event_that_cannot_be_written_leaves_the_log_as_it_was(store: DirectoryStore) -> None:
    writer, reader = EventLogWriter(store, PREFIX), EventLogReader(store, PREFIX)
    with pytest.raises(ValueError, match="napping"):
        writer.append([log("a"), state("napping")])
    with pytest.raises(TypeError):
        writer.append([Event(time=1.0, type=EventType.LOG, data={"message": object()})])
    writer.append([])
    assert reader.read() == []
    writer.append([log("b")])
    assert texts(reader.read()) == ["b"]


def test_readers_following_a_busy_writer_see_every_event_once_and_in_order(any_store: Store) -> None:
    total = 60
    writer = EventLogWriter(any_store, PREFIX)
    found: list[list[int]] = [[] for _ in range(3)]
    over = threading.Event()

    def follow(seqs: list[int], pause: float) -> None:
        reader = EventLogReader(any_store, PREFIX)
        while len(seqs) < total and not over.is_set():
            seqs += [event.seq for event in reader.read()]
            time.sleep(pause)

    threads = [threading.Thread(target=follow, args=(seqs, pause)) for seqs, pause in zip(found, (0, 0.02, 0.2), strict=True)]
    for thread in threads:
        thread.start()
    for number in range(total):
        writer.append([log(f"{number}" + "x" * 3_000)])
        if number % 7 == 0:
            writer.touch()
    timer = threading.Timer(120, over.set)
    timer.start()
    for thread in threads:
        thread.join()
    timer.cancel()
    assert found == [list(range(total))] * 3
