"""A run's server may report what its type allows, and whatever else it sends is shown and changes nothing."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reson_jupyter.backend.carrying.channel import Channel, StoreChannel
from reson_jupyter.backend.carrying.journal import Journal
from reson_jupyter.backend.carrying.relay import Relay
from reson_jupyter.backend.carrying.tail import EventFile, parse_line
from reson_jupyter.backend.event_log import EventLogReader, EventLogWriter
from reson_jupyter.backend.event_log.format import event_line, parse_lines
from reson_jupyter.backend.progress import RunProgress
from reson_jupyter.backend.store import Store
from reson_jupyter.events import Event, EventType, RunState
from tests.backend.test_verdict import good_run

from .test_channel import PREFIX, REPORTS

SITE = "site-1"
GOOD: dict[str, dict[str, Any]] = {
    "run_started": {"data": {"num_rounds": 2, "min_clients": 1, "nvflare": "2.9.0"}},
    "prepared": {
        "site": SITE,
        "data": {
            "python": "3.11", "torch": "2", "nvflare": "2.9.0", "packages": {"torch": "2"}, "device": "cpu", "disk": 1 << 30,
            "data": "shard", "samples": 10, "classes": None, "problems": [], "notes": ["slow"],
        },
    },
    "round_started": {"round": 0, "data": {}},
    "site": {"site": SITE, "round": 0, "data": {"phase": "training"}},
    "metrics": {"site": SITE, "round": 0, "data": {"step": 3, "values": {"loss": 0.5, "lost": None}, "stage": "train"}},
    "attributes": {"site": SITE, "round": 0, "data": {"values": {"optimizer": "adam", "rate": 0.1, "on": True}}},
    "log": {"data": {"level": "warning", "message": "look", "note": True}},
    "error": {"site": SITE, "round": 0, "data": {"message": "ValueError: bad", "traceback": "Traceback ..."}},
    "contribution": {"site": SITE, "round": 0, "data": {"accepted": True, "samples": 10.0}},
    "aggregated": {"round": 0, "data": {"sites": [SITE]}},
    "model": {"round": None, "data": {"digest": "abc", "finite": True}},
    "saved": {"round": 0, "data": {"file": "GLOBAL_MODEL.pt", "bytes": 10, "final": True}},
    "lost": {"site": SITE, "data": {"batches": 2}},
    "validated": {"round": 2, "data": {"sites": [SITE]}},
    "answer": {"site": SITE, "data": {"request": "a", "ok": True, "value": {"x": [1]}, "error": "", "traceback": ""}},
    "run_ended": {"data": {}},
}  # fmt: skip


def line(kind: str, **changes: Any) -> bytes:
    return json.dumps({"time": 5.0, "type": kind, "site": None, "round": None, **GOOD.get(kind, {}), **changes}).encode()


class Book:
    """A run's log in memory, as strict as the one in the store: what it takes can be written and read again."""

    def __init__(self) -> None:
        self.progress = RunProgress()
        self.progress.apply(good_run()[:1])
        self.states: list[RunState] = []

    def add(self, event: Event) -> None:
        self.progress.apply([event])
        (again,) = parse_lines(event_line(event).encode(), "key")
        assert again == event

    def say_state(self, state: RunState) -> None:
        self.states.append(state)


def hear(*lines: bytes) -> Book:
    book = Book()
    relay = Relay(cast(Channel, None), cast(Journal, book))
    relay.add(map(parse_line, lines))
    assert relay.add(map(parse_line, lines)) == [], "what was heard before is known, also what could not be read"
    return book


def known(book: Book) -> dict[str, Any]:
    """What a run's progress tells but for its events."""
    return {name: value for name, value in vars(book.progress).items() if name != "events"}


@pytest.mark.parametrize("kind", GOOD)
def test_what_our_code_reports_is_taken_as_it_is(kind: str) -> None:
    (event,) = hear(line(kind)).progress.events[1:]
    assert event == Event.model_validate_json(line(kind))


def test_every_type_is_either_the_servers_to_say_or_refused() -> None:
    refused = {kind.value for kind in EventType} - set(GOOD)
    assert refused == {"submitted", "state", "stopping", "stalled", "errors_reset", "result"}


FORGED: list[tuple[str, dict[str, Any]]] = [
    ("state", {"data": {"state": "finished", "reason": "all fine"}}),
    ("state", {"data": {"state": "zzz"}}),
    ("result", {"data": {"files": {"x": {"bytes": 1, "sha256": "0"}}}}),
    ("stopping", {"data": {"grace": 5}}),
    ("errors_reset", {}),
    ("stalled", {"site": SITE, "round": 0, "data": {"seconds": "x", "traceback": 3}}),
]


@pytest.mark.parametrize(("kind", "event"), FORGED)
def test_what_only_the_carrier_may_say_becomes_a_warning(kind: str, event: dict[str, Any]) -> None:
    book = hear(line(kind, **event))
    (told,) = book.progress.events[1:]
    message = f'the server reported "{kind}", which only whoever carries the run may say'
    assert (told.type, told.time, told.site) == (EventType.LOG, 5.0, None)
    assert told.data == {"level": "warning", "message": message}
    assert known(book).items() >= {"state": RunState.PENDING, "result": {}, "stopping_until": None, "errors_from": 0}.items()
    assert book.states == []


def test_a_second_submission_becomes_a_warning() -> None:
    (told,) = hear(line("submitted", data={})).progress.events[1:]
    assert told.data["message"] == 'the server reported "submitted", which only the submitter may say'


def log_with(value: str) -> bytes:
    return line("log", data={"level": "info", "message": "m", "x": 0}).replace(b'"x": 0', f'"x": {value}'.encode())


UNREADABLE = {
    "nested 100,000 deep": log_with("[" * 100_000 + "]" * 100_000),
    "nested 900 deep": log_with("[" * 900 + "]" * 900),
    "half a character": log_with('"\\ud800"'),
    "not a number": log_with("NaN"),
    "no end": log_with("1e999"),
    "no UTF-8": line("log").replace(b"look", b"\xff"),
    "too long": line("log", data={"level": "info", "message": "x" * (3 << 20)}),
    "no object": b"[]",
    "unknown": line("zzz"),
    "no time": line("run_ended", time=None),
    "no such time": line("run_ended", time=1e300),
    "prepared by nobody": line("prepared", site=None),
    "prepared with nothing": line("prepared", data={"disk": "x", "problems": 3}),
    "no round": line("aggregated", round=None),
    "no such round": line("round_started", round=-1),
    "a round too far": line("round_started", round=10**30),
    "a list of values": line("metrics", data={"values": [1]}),
    "no values": line("metrics", data={"step": 1}),
    "a value that is a text": line("metrics", data={"values": {"a": "1"}}),
    "a value too long": line("metrics", data={"values": {"a": 10**400}}),
    "no phase": line("site", data={}),
    "no message of an error": line("error", data={"traceback": ""}),
    "no message of a note": line("log", data={"level": "info", "note": True}),
    "an answer to nothing": line("answer", data={"ok": True, "value": 1}),
    "an answer to a list": line("answer", data={"request": ["a"], "ok": True, "value": 1}),
    "samples of a text": line("contribution", data={"accepted": True, "samples": "10"}),
    "sites of a text": line("aggregated", data={"sites": "site-1"}),
    "no digest": line("model", data={"finite": True}),
}


@pytest.mark.parametrize("sent", UNREADABLE.values(), ids=UNREADABLE)
def test_a_line_that_does_not_fit_is_shown_and_changes_nothing(sent: bytes) -> None:
    book = hear(sent)
    (told,) = book.progress.events[1:]
    assert told.type is EventType.LOG and told.data["level"] == "warning"
    assert told.data["message"] == "unreadable report: " + sent[:800].decode(errors="replace")[:200]
    assert known(book).items() >= {key: value for key, value in known(Book()).items() if key != "sites"}.items()
    assert book.progress.sites == Book().progress.sites


@pytest.fixture
def journal(store: Store) -> Iterator[Journal]:
    EventLogWriter(store, PREFIX).append(good_run()[:1])
    made = Journal(store, PREFIX)
    yield made
    made.close(5)


def test_what_comes_after_such_lines_is_heard_and_all_of_it_is_stored(store: Store, journal: Journal) -> None:
    lines = [*UNREADABLE.values(), line("state", data={"state": "finished"}), line("round_started")]
    store.put(f"{REPORTS}{0:010d}.ndjson", b"\n".join(lines) + b"\n")
    relay = Relay(StoreChannel(store, PREFIX), journal)
    relay.take()
    assert list(journal.progress.rounds) == [0] and journal.progress.state is RunState.PENDING
    assert journal.close(10)
    stored = EventLogReader(store, PREFIX).read()
    assert [event.type for event in stored[1:]] == [EventType.LOG] * (len(lines) - 1) + [EventType.ROUND_STARTED]
    other = Journal(store, PREFIX)
    assert Relay(StoreChannel(store, PREFIX), other).take() == [], "a carrier that takes over says none of it again"
    assert other.close(5)


def test_the_file_of_a_run_on_this_machine_is_read_the_same_way(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    path.write_bytes(b"\n".join([UNREADABLE["nested 100,000 deep"], line(*["state"]), line("run_ended")]) + b"\n")
    assert [event.type.value for event in EventFile(path).read()] == ["log", "log", "run_ended"]


# Anything at all

TEXT = st.text(st.characters(), max_size=8)  # with halves of characters
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | TEXT | st.sampled_from([SITE, "finished"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of everything in a JSON value."""
    inner = list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    return [found for key, item in inner for found in [(*path, key), *places(item, (*path, key))]]


@st.composite
def mutations(draw: st.DrawFn) -> bytes:
    """A good line of which something was taken away, replaced or added."""
    event = copy.deepcopy(json.loads(line(draw(st.sampled_from(sorted(GOOD))))))
    for _ in range(draw(st.integers(1, 3))):
        *way, last = draw(st.sampled_from(places(event) or [("type",)]))
        holder: Any = event
        for key in way:
            holder = holder[key]
        match draw(st.sampled_from(["remove", "replace", "add"])):
            case "remove":
                del holder[last]
            case "replace":
                holder[last] = draw(JSON)
            case _ if isinstance(holder, dict):
                holder[draw(TEXT)] = draw(JSON)
    return json.dumps(event).encode()


def of_any_type(kind: str, data: Any, site: Any, number: Any) -> bytes:
    return json.dumps({"time": 1.0, "type": kind, "site": site, "round": number, "data": data}).encode()


LINES = (
    mutations()
    | JSON.map(lambda value: json.dumps(value).encode())
    | st.builds(of_any_type, st.sampled_from(sorted(EventType)), JSON, JSON, JSON)
    | st.binary(max_size=30)
)


@given(st.lists(LINES | st.sampled_from(sorted(GOOD)).map(line), max_size=8))
def test_whatever_is_said_nothing_is_raised_and_the_run_does_not_end_by_it(lines: list[bytes]) -> None:
    book = hear(*lines)
    assert book.progress.state is RunState.PENDING and set(book.states) <= {RunState.RUNNING, RunState.FINISHING}
    assert book.progress.result == {} and book.progress.stopping_until is None and book.progress.submitted is not None
    assert len(book.progress.events) == 1 + len(lines)
    book.progress.means(), book.progress.remaining(), book.progress.first_failure
