"""The reading end of a run's log."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from ...errors import NotFound, StoreError
from ...events import Event, RunState, SiteTelemetry
from ..store.base import Store
from .format import DAMAGED, Latest, latest_key, parse_event, parse_latest, parse_lines, read_latest
from .packs import THREADS, parts_from

_LOOKS = 3


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
        # What was read of a long log before a part of it could not be read: nobody wants to begin anew then.
        self._known: dict[int, Event] = {}
        self._next = 0

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
        return self._take(read_latest(self._store, self._prefix, self._etag), _LOOKS)

    def _take(self, found: tuple[bytes, str] | None, looks: int) -> list[Event]:
        if found is None:
            return []
        latest = parse_latest(found[0])
        # A store of several machines may answer with an older state for a moment.
        if latest.seq < self._latest.seq:
            return []
        try:
            events = self._news(latest)
        except NotFound:
            # The writer may have packed what is missing; latest.json says so by now.
            newer = read_latest(self._store, self._prefix, found[1]) if looks > 1 else None
            if newer is None:
                raise
            return self._take(newer, looks - 1)
        self._etag, self._latest = found[1], latest
        self._known, self._next = {}, latest.segments
        return events

    def _news(self, latest: Latest) -> list[Event]:
        start = self._latest.seq
        first_in_tail = latest.seq - len(latest.tail)
        if start >= first_in_tail:
            key = latest_key(self._prefix)
            events = [parse_event(event, key) for event in latest.tail[start - first_in_tail :]]
            if [event.seq for event in events] == list(range(start, latest.seq)):
                return events
        else:
            # What was read last may have grown: a writer whose latest.json arrived without an answer wrote its segment again.
            for first in (self._next, max(0, self._latest.segments - 1)):
                self._read_parts(latest, first)
                if all(seq in self._known for seq in range(start, latest.seq)):
                    return [self._known[seq] for seq in range(start, latest.seq)]
        raise StoreError(f"The log of {self._prefix} has a gap.", DAMAGED)

    def _read_parts(self, latest: Latest, first: int) -> None:
        """Takes in the parts of the log from segment `first` on; an event that is there twice is what the later one says."""
        parts = list(parts_from(latest, self._prefix, first))
        with ThreadPoolExecutor(THREADS) as pool:
            for part, data in zip(parts, pool.map(self._store.get, [part.key for part in parts]), strict=True):
                self._known |= {event.seq: event for event in parse_lines(data, part.key)}
                self._next = part.end
