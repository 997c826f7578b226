"""A run's events in a store: one writer appends, any number of readers follow, each with one request per poll.

Under the run's prefix lie

    files_out/events/00000000.ndjson ...   segments: what one `append` brought, a line per event; never changed once announced
    files_out/latest.json                  {"state", "seq": events so far, "segments", "time", "tail": [the newest events],
                                            "sites": {site: its newest telemetry}}

A reader asks for latest.json if it changed. Its tail holds about the last two segments, so a reader that keeps up needs nothing
else; one that joins late, or fell behind, reads the segments it has not seen. NaN and infinities are written as Python's json
does: a loss that became NaN must not arrive as null.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from ..errors import NotFound, StoreError
from ..events import Event, EventType, RunState, SiteTelemetry
from .store.base import Store

TAIL_BYTES = 32_000
_FETCHERS = 8
_DAMAGED = "The run's log is damaged; start a new run."


class Latest(BaseModel):
    """The content of latest.json."""

    state: RunState = RunState.PENDING
    seq: int = Field(default=0, ge=0, description="Number of events so far.")
    segments: int = Field(default=0, ge=0)
    time: float = Field(default=0.0, description="When it was written, seconds since the epoch.")
    tail: list[dict[str, Any]] = Field(default_factory=list)
    sites: dict[str, SiteTelemetry] = Field(default_factory=dict, description="Each site's newest sign of life.")


def latest_key(prefix: str) -> str:
    """Returns the key of the run's latest.json."""
    return f"{prefix.rstrip('/')}/files_out/latest.json"


def segment_key(prefix: str, number: int) -> str:
    """Returns the key of segment `number`, from 0."""
    return f"{prefix.rstrip('/')}/files_out/events/{number:08d}.ndjson"


def peek(store: Store, prefix: str) -> Latest | None:
    """Returns what the run's latest.json says now, None if there is none. Raises `StoreError`."""
    found = _read_latest(store, prefix)
    return _parse_latest(found[0]) if found else None


class EventLogWriter:
    """Appends events to a run's log; continues where an earlier writer stopped. One writer at a time; any of its threads.

    Args:
        store: Where the run's files lie.
        prefix: The run's prefix, such as "jobs/digits-1a2b".

    Attributes:
        sites: The sites' newest telemetry, which the next `append` or `touch` takes along.

    Raises:
        StoreError: the store cannot be reached, or what an earlier writer left cannot be read.
    """

    def __init__(self, store: Store, prefix: str) -> None:
        self._store = store
        self._prefix = prefix
        self._lock = Lock()
        self.sites: Mapping[str, SiteTelemetry] = {}
        self._latest = peek(store, prefix) or Latest()
        self._recent: list[list[str]] = [[_line(event) for event in self._latest.tail]]
        if self._adopt():
            self.touch()

    @property
    def state(self) -> RunState:
        """The state that the newest state event gave."""
        return self._latest.state

    @property
    def seq(self) -> int:
        """Number of events in the log."""
        return self._latest.seq

    def append(self, events: Iterable[Event]) -> list[Event]:
        """Appends events in order and returns them with their `seq`.

        Raises:
            ValueError, KeyError, TypeError: a state event gives no known state, or data is not JSON; nothing is appended.
            StoreError: the store cannot be reached; append the same events again later, with more if there are.
        """
        with self._lock:
            start = self._latest.seq
            numbered = [event.model_copy(update={"seq": seq}) for seq, event in enumerate(events, start)]
            if numbered:
                latest, lines = self._with_segment(numbered)
                data = "".join(f"{line}\n" for line in lines).encode()
                self._store.put(segment_key(self._prefix, self._latest.segments), data, content_type="application/x-ndjson")
                self._announce(latest, [*self._recent[-1:], lines])
            return numbered

    def touch(self) -> None:
        """Renews latest.json's time, the sign that the writer lives. Raises `StoreError`."""
        with self._lock:
            self._announce(self._latest, self._recent)

    def _adopt(self) -> bool:
        """Takes in segments that an earlier writer wrote but did not live to announce."""
        found = False
        while True:
            key = segment_key(self._prefix, self._latest.segments)
            try:
                events = list(_parse_segment(self._store.get(key), key))
            except NotFound:
                return found
            if [event.seq for event in events] != list(range(self._latest.seq, self._latest.seq + len(events))):
                raise StoreError(f"{key} does not continue the run's log.", _DAMAGED)
            self._latest, lines = self._with_segment(events)
            self._recent = [*self._recent[-1:], lines]
            found = True

    def _with_segment(self, events: Sequence[Event]) -> tuple[Latest, list[str]]:
        """Returns what latest.json will say once `events` are a segment, and the segment's lines."""
        latest = self._latest.model_copy(update={"seq": self._latest.seq + len(events), "segments": self._latest.segments + 1})
        states = [RunState(event.data["state"]) for event in events if event.type is EventType.STATE]
        if states:
            latest.state = states[-1]
        return latest, [_line(_as_dict(event)) for event in events]

    def _announce(self, latest: Latest, recent: list[list[str]]) -> None:
        """Writes latest.json. When that fails the writer stays as it was, so that the segment is written once more."""
        head = {"state": latest.state, "seq": latest.seq, "segments": latest.segments, "time": time.time()}
        if self.sites:
            head["sites"] = {name: telemetry.model_dump(mode="json") for name, telemetry in self.sites.items()}
        text = f'{_line(head)[:-1]},"tail":[{",".join(_capped(recent))}]}}'
        self._store.put(latest_key(self._prefix), text.encode(), content_type="application/json")
        self._latest, self._recent = latest, recent


class EventLogReader:
    """Follows a run's log from its first event; each event is returned exactly once. For one thread.

    Args:
        store: Where the run's files lie.
        prefix: The run's prefix, such as "jobs/digits-1a2b".
    """

    def __init__(self, store: Store, prefix: str) -> None:
        self._store = store
        self._prefix = prefix
        self._etag: str | None = None
        self._latest = Latest()

    @property
    def state(self) -> RunState:
        """The run's state at the last `read`; pending while there is no log."""
        return self._latest.state

    @property
    def heartbeat(self) -> float | None:
        """When the writer last gave a sign, in seconds since the epoch by its clock; None while there is no log."""
        return self._latest.time or None

    @property
    def sites(self) -> dict[str, SiteTelemetry]:
        """Each site's newest sign of life, as of the last `read`."""
        return self._latest.sites

    def read(self) -> list[Event]:
        """Returns the events since the last `read`, in order. After an error the next `read` brings them.

        Raises:
            StoreError: the store cannot be reached, or the log cannot be read.
        """
        found = _read_latest(self._store, self._prefix, self._etag)
        if found is None:
            return []
        latest = _parse_latest(found[0])
        # A store of several machines may answer with an older state for a moment.
        if latest.seq < self._latest.seq:
            return []
        events = self._news(latest)
        self._etag, self._latest = found[1], latest
        return events

    def _news(self, latest: Latest) -> list[Event]:
        start = self._latest.seq
        first_in_tail = latest.seq - len(latest.tail)
        if start >= first_in_tail:
            key = latest_key(self._prefix)
            events = [_parse_event(event, key) for event in latest.tail[start - first_in_tail :]]
        else:
            events = [event for event in self._from_segments(latest.segments) if start <= event.seq < latest.seq]
        if [event.seq for event in events] != list(range(start, latest.seq)):
            raise StoreError(f"The log of {self._prefix} has a gap.", _DAMAGED)
        return events

    def _from_segments(self, until: int) -> Iterator[Event]:
        # The last segment seen is read again: a writer whose latest.json arrived without an answer wrote it again, with more.
        keys = [segment_key(self._prefix, number) for number in range(max(0, self._latest.segments - 1), until)]
        with ThreadPoolExecutor(_FETCHERS) as pool:
            for key, data in zip(keys, pool.map(self._store.get, keys), strict=True):
                yield from _parse_segment(data, key)


def _read_latest(store: Store, prefix: str, etag: str | None = None) -> tuple[bytes, str] | None:
    try:
        return store.get_if_changed(latest_key(prefix), etag)
    except NotFound:
        return None


def _parse_latest(data: bytes) -> Latest:
    try:
        return Latest.model_validate(json.loads(data))
    except (ValueError, RecursionError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise StoreError(
            f"The run's latest.json cannot be read: {reason}.",
            "It is damaged, or a newer version of reson_jupyter wrote it; update and attach again.",
        ) from None


def _parse_segment(data: bytes, key: str) -> Iterator[Event]:
    try:
        events = [json.loads(line) for line in data.splitlines()]
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{key} has a line that is not JSON: {error}.", _DAMAGED) from None
    for event in events:
        yield _parse_event(event, key)


def _parse_event(event: Any, key: str) -> Event:
    try:
        return Event.model_validate(event)
    except ValidationError as error:
        if all(problem["loc"] == ("type",) for problem in error.errors()):
            return _of_unknown_type(event)
        raise StoreError(f"{key} has a line that is no event: {error.errors()[0]['msg']}.", _DAMAGED) from None


def _of_unknown_type(event: dict[str, Any]) -> Event:
    """A newer version's event keeps its place in the log and is shown as a log line, so that no reader has to know it."""
    note = {"level": "info", "message": f"An event of the type {event.get('type')!r}, which this version does not know."}
    return Event.model_validate({**event, "type": EventType.LOG, "data": {**event.get("data", {}), **note}})


def _as_dict(event: Event) -> dict[str, Any]:
    # Without nulls a metrics event is a fifth smaller, and polls are paid per byte.
    return {name: value for name, value in event.model_dump().items() if value is not None}


def _line(value: dict[str, Any]) -> str:
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    # File names in tracebacks may hold bytes that are no UTF-8; they arrive as "?" rather than stop the log.
    return text.encode(errors="replace").decode()


def _capped(recent: list[list[str]]) -> list[str]:
    """The newest lines of the last segments that fit into TAIL_BYTES."""
    kept: list[str] = []
    room = TAIL_BYTES
    for line in reversed([line for lines in recent for line in lines]):
        room -= len(line.encode()) + 1
        if room < 0:
            break
        kept.append(line)
    return kept[::-1]
