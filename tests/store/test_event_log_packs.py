"""A long log is packed: few objects, few requests for a reader that joins late, and nobody loses an event over it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reson_jupyter.backend.event_log import EventLogReader, EventLogWriter, Latest, packs, peek, segment_key, writer
from reson_jupyter.backend.store import ObjectInfo, Store
from reson_jupyter.errors import NotFound, StoreError
from tests.store.test_event_log import PREFIX, Counting, Failing, log, texts


class Memory:
    """As much of a store as a log needs, in memory."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def put(self, key: str, data: bytes, *, content_type: str = "") -> None:
        self.objects[key] = data

    def get(self, key: str) -> bytes:
        try:
            return self.objects[key]
        except KeyError:
            raise NotFound(f"There is no {key}.") from None

    def get_if_changed(self, key: str, etag: str | None) -> tuple[bytes, str] | None:
        data = self.get(key)
        tag = hashlib.sha256(data).hexdigest()
        return None if tag == etag else (data, tag)

    def delete(self, key: str) -> None:
        self.objects.pop(key, None)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        return (ObjectInfo(key, len(data), "") for key, data in sorted(self.objects.items()) if key.startswith(prefix))


@pytest.fixture
def small_packs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packs, "PACK", 5)
    # Without a tail, all that a reader gets comes from segments and packs.
    monkeypatch.setattr(writer, "LATEST_BYTES", 0)
    monkeypatch.setattr(writer, "LEAST_TAIL_BYTES", 0)


def filled(store: Any, segments: int, prefix: str = PREFIX) -> EventLogWriter:
    writing = EventLogWriter(store, prefix)
    for number in range(segments):
        writing.append([log(f"{number}-a"), log(f"{number}-b")])
    return writing


def numbered(segments: int) -> list[str]:
    return [f"{number}-{half}" for number in range(segments) for half in "ab"]


def requests_of_a_late_reader(store: Any) -> int:
    counting = Counting(store)
    EventLogReader(counting, PREFIX).read()  # type: ignore[arg-type]
    return len(counting.calls)


@pytest.mark.usefixtures("small_packs")
def test_late_readers_get_everything_of_a_packed_log(any_store: Store) -> None:
    filled(any_store, 32)
    assert texts(EventLogReader(any_store, PREFIX).read()) == numbered(32)
    segments = [f"{number:08d}.ndjson" for number in (0, *range(25, 32))]
    packed = [f"pack-1-{number:08d}.ndjson" for number in range(6)]
    names = [info.name for info in any_store.list(f"{PREFIX}/files_out/events/")]
    assert names == [*segments, *packed, "pack-2-00000000.ndjson"]


def test_a_long_run_leaves_few_objects_and_a_late_reader_makes_few_requests() -> None:
    store = Memory()
    filled(store, 12_345)
    assert len(store.objects) < 4 * packs.PACK
    assert requests_of_a_late_reader(store) == 1 + 1 + 23 + 45  # latest.json, a pack of packs, packs, segments
    assert texts(EventLogReader(store, PREFIX).read()) == numbered(12_345)  # type: ignore[arg-type]
    assert len(store.objects[f"{PREFIX}/files_out/latest.json"]) <= writer.LATEST_BYTES


@pytest.mark.usefixtures("small_packs")
def test_the_first_segment_stays_for_whoever_has_nothing_but_the_store() -> None:
    store = Memory()
    filled(store, 100)
    left = [key for key in store.objects if "/0000" in key]
    assert min(left) == segment_key(PREFIX, 0) and sorted(left)[1] >= segment_key(PREFIX, 90)


@pytest.mark.usefixtures("small_packs")
def test_the_parts_of_the_newest_pack_are_still_there_for_readers_that_do_not_know_of_it() -> None:
    store = Memory()
    writing = filled(store, 16)
    for _ in range(30):
        latest = peek(store, PREFIX)  # type: ignore[arg-type]
        assert latest is not None and latest.packs
        newest = (latest.packs[0] - 1) * packs.PACK
        assert all(segment_key(PREFIX, number) in store.objects for number in range(newest, latest.segments))
        writing.append([log()])


@pytest.mark.usefixtures("small_packs")
def test_a_log_of_an_earlier_version_is_packed_by_whoever_continues_it(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Memory()
    with monkeypatch.context() as earlier:
        earlier.setattr(packs, "LEVELS", 0)
        filled(store, 60)
    assert len(store.objects) == 61
    writing = EventLogWriter(store, PREFIX)  # type: ignore[arg-type]
    reader = EventLogReader(store, PREFIX)  # type: ignore[arg-type]
    seen = texts(reader.read())
    for number in range(60, 120):
        writing.append([log(f"{number}-a"), log(f"{number}-b")])
        seen += texts(reader.read())
    assert seen == numbered(120)
    assert len(store.objects) < 40


@pytest.mark.usefixtures("small_packs")
@pytest.mark.parametrize(("name", "key"), [("get", "00000002.ndjson"), ("put", "pack-1-00000000"), ("delete", "00000003.ndjson")])
def test_a_pack_that_cannot_be_made_stops_no_event_and_is_not_tried_at_each(name: str, key: str) -> None:
    store, tried, down = Memory(), list[str](), [True]

    def fails(of: str, *_: Any) -> bool:
        concerned = down[0] and key in of and len(store.objects) > packs.PACK
        tried.extend([of] if concerned else [])
        return concerned

    writing = filled(Failing(store, name, fails), 40)
    assert 4 <= len(tried) <= 40 // packs.PACK
    down[0] = False
    for number in range(40, 80):
        writing.append([log(f"{number}-a"), log(f"{number}-b")])
    assert texts(EventLogReader(store, PREFIX).read()) == numbered(80)  # type: ignore[arg-type]
    assert len(store.objects) < 40, "it was made later"


@pytest.mark.usefixtures("small_packs")
def test_what_a_writer_said_whose_announcement_never_came_gives_way_to_what_the_next_one_says() -> None:
    store, announced = Memory(), list[str]()

    def lost(key: str, *_: Any) -> bool:
        announced.extend([key] if key.endswith("latest.json") else [])
        return key.endswith("latest.json")

    dying = EventLogWriter(Failing(store, "put", lost, after=True), PREFIX)  # type: ignore[arg-type]
    with pytest.raises(StoreError):
        dying.append([log("a")])
    follower = EventLogReader(store, PREFIX)  # type: ignore[arg-type]
    seen = texts(follower.read())
    dying._store = Failing(store, "put", lost)  # type: ignore[assignment]
    with pytest.raises(StoreError):
        dying.append([log("a"), log("never announced")])
    EventLogWriter(store, PREFIX).append([log("b"), log("c")])  # type: ignore[arg-type]
    assert len(announced) == 2
    assert seen + texts(follower.read()) == ["a", "b", "c"]
    assert texts(EventLogReader(store, PREFIX).read()) == ["a", "b", "c"]  # type: ignore[arg-type]


class Between:
    """A store that lets something happen after each time that latest.json was read."""

    def __init__(self, store: Any, happen: Callable[[], None]) -> None:
        self._store, self._happen = store, happen

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def get_if_changed(self, key: str, etag: str | None) -> tuple[bytes, str] | None:
        found: tuple[bytes, str] | None = self._store.get_if_changed(key, etag)
        self._happen()
        return found


@pytest.mark.usefixtures("small_packs")
@pytest.mark.parametrize("seen", [0, 1, 4, 7, 12])
def test_a_reader_whose_segments_were_packed_before_it_came_to_read_them_goes_on(seen: int) -> None:
    store = Memory()
    writing = filled(store, seen)
    meanwhile = iter([40])

    def happen() -> None:
        for number in range(seen + 3, seen + 3 + next(meanwhile, 0)):
            writing.append([log(f"{number}-a"), log(f"{number}-b")])

    reader = EventLogReader(Between(store, lambda: None), PREFIX)  # type: ignore[arg-type]
    before = texts(reader.read())
    for number in range(seen, seen + 3):
        writing.append([log(f"{number}-a"), log(f"{number}-b")])
    reader._store = Between(store, happen)  # type: ignore[assignment]
    assert before + texts(reader.read()) + texts(reader.read()) == numbered(seen + 43)


@pytest.mark.usefixtures("small_packs")
def test_a_reader_that_is_interrupted_all_the_time_begins_anew_never() -> None:
    store = Memory()
    writing = filled(store, 60)
    fetched: list[str] = []

    def third(key: str) -> bool:
        fetched.append(key)
        return len(fetched) % 3 == 0

    reader = EventLogReader(Failing(store, "get", third), PREFIX)  # type: ignore[arg-type]
    events: list[str] = []
    for _ in range(60):
        with suppress(StoreError):
            events += texts(reader.read())
        writing.append([log("more")])
    assert events[:120] == numbered(60) and set(events[120:]) == {"more"}
    first = f"{PREFIX}/files_out/events/pack-2-00000000.ndjson"
    assert fetched.count(first) == 1, "what was read is not read again"


def test_a_segment_that_is_gone_for_good_is_a_store_error() -> None:
    store = Memory()
    writing = filled(store, 30)
    del store.objects[segment_key(PREFIX, 7)]
    happening = Between(store, lambda: writing.touch())
    with pytest.raises(StoreError, match="00000007"):
        EventLogReader(happening, PREFIX).read()  # type: ignore[arg-type]


class Killed(BaseException):
    """The process ended here."""


class Mortal:
    """The store as a process sees it that is killed at its n-th request, before or after this has had its effect."""

    def __init__(self, store: Memory, lives: int, after: bool, lost: frozenset[int]) -> None:
        self._store, self._lives, self._after, self._lost = store, lives, after, lost
        self._calls = 0

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            self._calls += 1
            last = self._calls == self._lives
            if self._calls > self._lives or (last and not self._after):
                raise Killed
            result = method(*args, **kwargs)
            if last:
                raise Killed
            if self._calls in self._lost:
                raise StoreError("the answer got lost")
            return result

        return call


processes = st.lists(
    st.tuples(st.integers(1, 60), st.booleans(), st.frozensets(st.integers(1, 60), max_size=4), st.integers(0, 25)),
    min_size=1,
    max_size=5,
)


@settings(max_examples=150, deadline=None)
@given(processes, st.lists(st.integers(0, 6), min_size=1, max_size=6), st.integers(2, 3))
def test_whenever_a_writer_is_killed_every_reader_gets_each_event_once_and_in_order(
    processes: list[tuple[int, bool, frozenset[int], int]], pauses: list[int], pack: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packs, "PACK", pack)
        check_processes(processes, pauses)


def check_processes(processes: list[tuple[int, bool, frozenset[int], int]], pauses: list[int]) -> None:
    store = Memory()
    readers = [(EventLogReader(store, PREFIX), pause, list[str]()) for pause in pauses]  # type: ignore[arg-type]
    stored: list[str] = []
    number, turn = 0, 0
    # The last process lives for ever, so that what the others left is adopted.
    for lives, after, lost, appends in [*processes, (10_000, False, frozenset[int](), 4)]:
        mortal = Mortal(store, lives, after, lost)
        with suppress(Killed, StoreError):
            writing, waiting = EventLogWriter(mortal, PREFIX), []  # type: ignore[arg-type]
            for _ in range(appends):
                waiting.append(log(str(number) + "x" * (400 * (number % 4))))
                number, turn = number + 1, turn + 1
                with suppress(StoreError):
                    writing.append(waiting)
                    stored += texts(waiting)
                    waiting = []
                for reader, pause, seen in readers:
                    if pause and turn % pause == 0:
                        seen += texts(reader.read())
    everything = texts(EventLogReader(store, PREFIX).read())  # type: ignore[arg-type]
    assert [text for text in everything if text in set(stored)] == stored, "all that was taken, once"
    assert len(set(everything)) == len(everything)
    for reader, _, seen in readers:
        assert seen + texts(reader.read()) == everything
    assert Latest.model_validate_json(store.objects[f"{PREFIX}/files_out/latest.json"]).seq == len(everything)
