"""Looks after the sites of a run by what they say of themselves: nobody here sees their processes."""

from __future__ import annotations

import time
from collections.abc import Iterable

from ...events import Event, EventType, SiteTelemetry
from ..carrying.channel import Telemetry
from ..carrying.journal import Journal
from ..carrying.vigil import STALLED_AFTER, Change, Look, Vigil
from ..runner.stacks import traceback_of

_INTERVAL = 1.0
_WORKS = 5.0  # percent of a core that are more than waiting
_SERVER_HEARD = 5.0  # seconds; sites are silent for as long as their server is
# A network may be away for a while, and code that holds Python's lock lets a site say nothing though it computes.
_LEAST_PATIENCE = 60.0


class SiteWatch:
    """Finds sites that make no progress, or say nothing any more; a site that is heard again is there again.

    Args:
        journal: Where findings are said.
        site_timeout: Seconds of silence after which a site is given up; not fewer than a network may be away.
        round_timeout: Seconds that a site's task may take; 0: as long as it takes.

    Attributes:
        dead: The sites that were given up.
    """

    def __init__(self, journal: Journal, *, site_timeout: float, round_timeout: float) -> None:
        self.dead: set[str] = set()
        self._journal = journal
        self._timeouts = (max(site_timeout, _LEAST_PATIENCE), round_timeout)
        self._vigils: dict[str, Vigil] = {}
        self._beats: dict[str, tuple[int, int]] = {}
        self._reports: dict[str, int] = {}
        self._looked = time.monotonic()

    def note(self, events: Iterable[Event]) -> None:
        """Takes note of what came from the run: its sites go on."""
        for event in events:
            if event.site and event.type is not EventType.ANSWER:
                self._reports[event.site] = self._reports.get(event.site, 0) + 1

    def look(self, telemetry: Telemetry, silence: float) -> None:
        """Looks once a second.

        Args:
            telemetry: What the sites last said.
            silence: Seconds since the server was heard.
        """
        now = time.monotonic()
        seconds = now - self._looked
        if seconds < _INTERVAL:
            return
        self._looked = now
        if silence < _SERVER_HEARD:
            for site, told in telemetry.sites.items():
                self._look_at(site, told, seconds)

    def _look_at(self, site: str, told: SiteTelemetry, seconds: float) -> None:
        beat = (told.pid, told.beat)
        if site in self.dead and beat != self._beats.get(site):
            self.dead.discard(site)
            del self._vigils[site]
            self._say_stalled(site, told, 0)
        self._beats[site] = beat
        vigil = self._vigils.setdefault(site, Vigil(*self._timeouts))
        task = (told.task, told.round) if told.task else None
        works = told.cpu >= _WORKS
        change = vigil.take(Look(beat, False, task, works, (told.place, self._reports.get(site, 0))), seconds)
        if change is Change.STALLS:
            self._say_stalled(site, told, STALLED_AFTER)
        elif change is Change.GOES_ON:
            self._say_stalled(site, told, 0)
        elif change is Change.HANGS:
            self._give_up(site, told, f"no sign of life for {self._timeouts[0]:.0f} s: its process or its network is gone")
        elif change is Change.TOO_LONG:
            self._give_up(site, told, f"has not finished its part of the round within {self._timeouts[1]:.0f} s")

    def _say_stalled(self, site: str, told: SiteTelemetry, seconds: float) -> None:
        place = _place(told, f"no progress for {seconds:.0f} s") if seconds else ""
        self._journal.say(EventType.STALLED, site, told.round, seconds=seconds, traceback=place)

    def _give_up(self, site: str, told: SiteTelemetry, message: str) -> None:
        self.dead.add(site)
        self._journal.say(EventType.ERROR, site, told.round, message=message, traceback=_place(told, message))


def _place(told: SiteTelemetry, message: str) -> str:
    if told.place is None:
        return ""
    file, line, function = told.place
    return traceback_of([(f"/custom/{file}", line, function)], message)
