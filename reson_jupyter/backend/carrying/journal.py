"""What is known of a run by the process that carries it, and how it gets into the run's log, also when the store is away."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

from ...errors import StoreError
from ...events import Event, EventType, RunState, SiteTelemetry
from ..event_log import EventLogReader, EventLogWriter
from ..progress import RunProgress
from ..store import Store
from .aside import aside

_BETWEEN = 0.1  # seconds between two deliveries
_HEARTBEAT = 2.5
_RETRY = 1.0


class Journal:
    """Appends to a run's log on a thread of its own, so that a store that does not answer holds nobody up.

    Args:
        store: Where the run's files lie.
        prefix: The run's key prefix.

    Attributes:
        progress: What is known of the run.

    Raises:
        StoreError: the log cannot be read.
    """

    def __init__(self, store: Store, prefix: str) -> None:
        self.progress = RunProgress()
        self.progress.apply(EventLogReader(store, prefix).read())
        self._log = EventLogWriter(store, prefix)
        self._unsent: list[Event] = []
        self._delivered = threading.Condition()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._deliver, name="journal", daemon=True)
        self._thread.start()

    def say(self, kind: EventType, site: str | None = None, number: int | None = None, **data: Any) -> None:
        """Adds an event of now."""
        self.add(Event(time=time.time(), type=kind, site=site, round=number, data=data))

    def say_state(self, state: RunState, reason: str = "") -> None:
        """Adds the run's new state."""
        self.say(EventType.STATE, state=state.value, reason=reason)

    def add(self, event: Event) -> None:
        """Adds an event that somebody else reported."""
        self.progress.apply([event])
        with self._delivered:
            self._unsent.append(event)

    @property
    def is_delivered(self) -> bool:
        """Whether everything that was added is in the log."""
        return not self._unsent

    def set_sites(self, telemetry: Mapping[str, SiteTelemetry]) -> None:
        """Takes the sites' newest telemetry, which goes out with whatever is delivered next."""
        self._log.sites = telemetry

    def close(self, patience: float) -> bool:
        """Waits until everything is in the log, as long as that; returns whether it is."""
        with self._delivered:
            done = self._delivered.wait_for(lambda: not self._unsent, patience)
        self._closing.set()
        self._thread.join(_RETRY)
        return done

    def _deliver(self) -> None:
        """Appends what is new, and shows a sign of life every few seconds; an unreachable store is tried again."""
        beat, pause = 0.0, _BETWEEN
        while not self._closing.wait(pause):
            with self._delivered:
                events = list(self._unsent)
            try:
                if events:
                    self._log.append(events)
                elif time.monotonic() - beat > _HEARTBEAT:
                    self._log.touch()
                else:
                    continue
                beat, pause = time.monotonic(), _BETWEEN
            except StoreError as error:
                aside(f"the store did not take {len(events)} events: {error}")
                pause = _RETRY
                continue
            with self._delivered:
                del self._unsent[: len(events)]
                self._delivered.notify_all()
