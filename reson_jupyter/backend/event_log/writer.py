"""The writing end of a run's log."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from threading import Lock

from ...errors import NotFound, StoreError
from ...events import Event, EventType, RunState, SiteTelemetry
from ..store.base import Store
from . import packs
from .format import DAMAGED, NDJSON, Latest, event_line, json_line, latest_key, parse_lines, peek, segment_key

# With the headers of its answer, some 550 bytes, a poll stays below 2 kB.
LATEST_BYTES = 1_400
# Where the telemetry of many sites takes all of that, a tail is still less than what segments would cost.
LEAST_TAIL_BYTES = 600


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
        self._tail = [json_line(event) for event in self._latest.tail]
        self._tidied_from = 0
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
                self._store.put(segment_key(self._prefix, self._latest.segments), data, content_type=NDJSON)
                self._announce(latest, lines)
                self._tidy()
            return numbered

    def touch(self) -> None:
        """Renews latest.json's time, the sign that the writer lives. Raises `StoreError`."""
        with self._lock:
            self._announce(self._latest, [])

    def _adopt(self) -> bool:
        """Takes in segments that an earlier writer wrote but did not live to announce."""
        found = False
        while True:
            key = segment_key(self._prefix, self._latest.segments)
            try:
                events = list(parse_lines(self._store.get(key), key))
            except NotFound:
                return found
            if [event.seq for event in events] != list(range(self._latest.seq, self._latest.seq + len(events))):
                raise StoreError(f"{key} does not continue the run's log.", DAMAGED)
            self._latest, lines = self._with_segment(events)
            self._tail += lines
            found = True

    def _with_segment(self, events: Sequence[Event]) -> tuple[Latest, list[str]]:
        """Returns what latest.json will say once `events` are a segment, and the segment's lines."""
        latest = self._latest.model_copy(update={"seq": self._latest.seq + len(events), "segments": self._latest.segments + 1})
        states = [RunState(event.data["state"]) for event in events if event.type is EventType.STATE]
        if states:
            latest.state = states[-1]
        over = [event.round + 1 for event in events if event.type is EventType.AGGREGATED and event.round is not None]
        latest.rounds = max([latest.rounds, *over])
        return latest, [event_line(event) for event in events]

    def _announce(self, latest: Latest, lines: Sequence[str]) -> None:
        """Writes latest.json. When that fails the writer stays as it was, so that the segment is written once more."""
        head = latest.model_dump(mode="json", include={"state", "seq", "segments", "rounds"})
        head |= {name: counts for name in ("packs", "swept") if (counts := getattr(latest, name))}
        if self.sites:
            sites = {name: told.model_dump(mode="json", exclude_defaults=True) for name, told in self.sites.items()}
            head["sites"] = sites
        before, after = json_line({**head, "time": time.time(), "tail": []})[:-2], "]}"
        room = LATEST_BYTES - len(f"{before}{after}".encode())
        tail = _newest([*self._tail, *lines], max(LEAST_TAIL_BYTES, room))
        data = f"{before}{','.join(tail)}{after}".encode()
        self._store.put(latest_key(self._prefix), data, content_type="application/json")
        self._latest, self._tail = latest, tail

    def _tidy(self) -> None:
        """Packs what is due. The events are stored and announced: whatever becomes of this, nobody must append them again."""
        if self._latest.segments < self._tidied_from:
            return
        try:
            self._latest = packs.tidy(self._store, self._prefix, self._latest)
        except StoreError:
            self._tidied_from = self._latest.segments + packs.PACK


def _newest(lines: Sequence[str], room: int) -> list[str]:
    """The newest lines that fit into `room` bytes."""
    kept: list[str] = []
    for line in reversed(lines):
        room -= len(line.encode()) + 1
        if room < 0:
            break
        kept.append(line)
    return kept[::-1]
