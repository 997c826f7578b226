"""Takes what a server reports into the run's log, and tells from it what state the run is in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from ...events import Event, EventType, RunState
from .channel import Channel
from .journal import Journal
from .tail import UNREADABLE


class Relay:
    """Relays the reports of one run.

    A carrier that takes a run over from one that died hears again what that one had heard; nothing gets into the log twice.

    Args:
        channel: The way to the server.
        journal: The run's log.
    """

    def __init__(self, channel: Channel, journal: Journal) -> None:
        self.channel = channel
        self._journal = journal
        # Counted, as a site may well say the same thing twice at once.
        self._logged = Counter(content_of(event) for event in journal.progress.events)
        self._heard = Counter[str]()

    def take(self) -> list[Event]:
        """Relays what is new and returns it. Raises `ResonError` if the server cannot be asked."""
        if self._journal.is_delivered:
            self.channel.forget()
        events = self._relay(self.channel.read(), self._heard)
        self._journal.set_sites(self.channel.telemetry.sites)
        return events

    def add(self, events: Iterable[Event]) -> list[Event]:
        """Relays what is not in the log yet of all that the server has reported, from the beginning; returns what that was."""
        return self._relay(events, Counter())

    def _relay(self, events: Iterable[Event], heard: Counter[str]) -> list[Event]:
        """Relays events of a stream in which all of `heard` came before."""
        new = []
        for event in events:
            content = content_of(event)
            heard[content] += 1
            if heard[content] <= self._logged[content]:
                continue
            self._logged[content] += 1
            new.append(event)
            self._journal.add(event)
            if event.type is EventType.RUN_STARTED:
                self._journal.say_state(RunState.RUNNING)
            elif event.type is EventType.RUN_ENDED and not self._journal.progress.stopping_until:
                self._journal.say_state(RunState.FINISHING)
        return new


def content_of(event: Event) -> str:
    """Returns what an event says, whatever its place in the log is."""
    # What could not be read has no time but that of its reading, which is another one each time.
    is_unreadable = event.type is EventType.LOG and str(event.data.get("message")).startswith(UNREADABLE)
    return event.model_copy(update={"seq": -1, **({"time": 0.0} if is_unreadable else {})}).model_dump_json()
