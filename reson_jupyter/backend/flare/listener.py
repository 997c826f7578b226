"""Hears what a run's server reports: through the store where the server reaches it, else through the federation."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ...errors import ResonError
from ...events import Event, EventType
from ..carrying.aside import aside
from ..carrying.channel import Channel, StoreChannel
from ..carrying.journal import Journal
from ..carrying.relay import Relay
from .session import JobGone, NotAllowed, Unreachable

# A server reports at least every two seconds. So long it may say nothing by one way while it runs, then the next is tried.
_SILENCE = 12.0
_STARTING_SILENCE = 25.0  # for one that may not be there yet
# Requests to a store cost money, and its server waits for them; a federation's answers in milliseconds.
_STORE_INTERVAL = 0.4
_INTERVAL = 0.25
_STARTING_INTERVAL = 1.0


class Listener:
    """Takes the server's reports into the run's log.

    Args:
        journal: The log.
        ways: The ways to the server, the best first; where one brings nothing, the next is taken.
    """

    def __init__(self, journal: Journal, ways: Sequence[Channel]) -> None:
        self._journal = journal
        self._others = list(ways[1:])
        self._relay = Relay(ways[0], journal)
        self._heard: float | None = None  # when a sign of life last came, or might first have come
        self._beat = -1
        self._due = 0.0
        self._told: set[str] = set()

    @property
    def channel(self) -> Channel:
        """The way that is in use."""
        return self._relay.channel

    @property
    def silence(self) -> float:
        """Seconds since the server last gave a sign of life, while it should have."""
        return 0.0 if self._heard is None else time.monotonic() - self._heard

    def take(self, running: bool) -> list[Event]:
        """Relays what is new, if it is time to look, and returns it; `running` is whether the server should be there."""
        now = time.monotonic()
        if now < self._due:
            return []
        by_store = isinstance(self.channel, StoreChannel)
        self._heard = (self._heard or now) if running else None
        self._due = now + (_STORE_INTERVAL if by_store else _INTERVAL)
        return self._ask() if running or by_store else []

    def add(self, events: list[Event]) -> None:
        """Relays events that came by another way."""
        self._relay.add(events)

    def _ask(self) -> list[Event]:
        try:
            events = self._relay.take()
        except NotAllowed as error:
            self._change(error.message, for_good=True)
            return []
        except ResonError as error:
            self._due = time.monotonic() + _STARTING_INTERVAL
            if not isinstance(error, Unreachable | JobGone):  # which is said by who asks after the job
                aside(error)
            events = []
        if events or self.channel.telemetry.beat != self._beat:
            self._heard, self._beat = time.monotonic(), self.channel.telemetry.beat
        elif self.silence > (_SILENCE if self._beat >= 0 else _STARTING_SILENCE):
            self._change("it does not answer")
        return events

    def _change(self, why: str, *, for_good: bool = False) -> None:
        """Takes the next way; after the last one comes the first again, unless that is barred."""
        self._heard, self._beat = time.monotonic(), -1
        old = self.channel
        if not self._others:
            return
        if isinstance(old, StoreChannel):
            self._say("The run's server does not report into the store, so it is asked through the federation.")
        elif for_good:
            self._say(f"The running job can be watched and ended, but not asked for anything: {why}.")
        self._relay = Relay(self._others.pop(0), self._journal)
        if not for_good:
            self._others.append(old)

    def _say(self, message: str) -> None:
        if message not in self._told:
            self._told.add(message)
            self._journal.say(EventType.LOG, level="warning", message=message, note=True)
