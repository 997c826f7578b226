"""Hears what a run's server reports: through the store where the server reaches it, else through the federation."""

from __future__ import annotations

import time

from ...errors import ResonError
from ...events import Event, EventType
from ..carrying.channel import Channel, StoreChannel
from ..carrying.journal import Journal
from ..carrying.relay import Relay
from .channel import CommandChannel

# A server reports at least every two seconds. So long it may say nothing by the store while it runs, then it is asked.
_STORE_SILENCE = 12.0
# Seconds without an answer after which the user is told.
_WORTH_SAYING = 15.0
# Requests to a store cost money, and its server waits for them; an own server answers in milliseconds.
_STORE_INTERVAL = 0.4
_COMMAND_INTERVAL = 0.2
_STARTING_INTERVAL = 1.0


class Listener:
    """Takes the server's reports into the run's log.

    Args:
        journal: The log.
        store: The way through the store; None if the server cannot reach it.
        command: The way through the federation.
    """

    def __init__(self, journal: Journal, store: StoreChannel | None, command: CommandChannel) -> None:
        self._journal = journal
        self._command = command
        self._relay = Relay(store or command, journal)
        self._heard: float | None = None  # when a sign of life last came, or might first have come
        self._beat = -1
        self._due = 0.0
        self._failing: float | None = None
        self._told = False

    @property
    def channel(self) -> Channel:
        """The way that is in use."""
        return self._relay.channel

    @property
    def silence(self) -> float:
        """Seconds since the server last gave a sign of life, while it should have."""
        return 0.0 if self._heard is None else time.monotonic() - self._heard

    def take(self, running: bool) -> list[Event]:
        """Relays what is new, if it is time to look; `running` is whether the server should be there.

        Returns:
            What is new.
        """
        now = time.monotonic()
        if now < self._due:
            return []
        self._heard = (self._heard or now) if running else None
        by_store = self.channel is not self._command
        self._due = now + (_STORE_INTERVAL if by_store else _COMMAND_INTERVAL)
        if not by_store and not running:
            return []
        events = self._ask()
        if by_store and self.silence > _STORE_SILENCE:
            self._change("The server does not report into the store, so it is asked through the federation.")
        return events

    def add(self, events: list[Event]) -> None:
        """Relays events that came by another way."""
        self._relay.add(events)

    def _ask(self) -> list[Event]:
        now = time.monotonic()
        try:
            events = self._relay.take()
        except ResonError as error:
            self._failing = self._failing or now
            self._due = now + _STARTING_INTERVAL
            if self._journal.progress.started and now - self._failing > _WORTH_SAYING and not self._told:
                self._told = True
                self._say(f"What the run says cannot be read now, and will be when it can: {error.message}")
            return []
        self._failing, self._told = None, False
        beat = self.channel.telemetry.beat
        if events or beat != self._beat:
            self._heard, self._beat = now, beat
        return events

    def _change(self, why: str) -> None:
        self._relay = Relay(self._command, self._journal)
        self._heard, self._beat = time.monotonic(), -1
        self._say(why)

    def _say(self, message: str) -> None:
        self._journal.say(EventType.LOG, level="info", message=message, note=True)
