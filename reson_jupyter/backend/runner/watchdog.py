"""Finds what has stopped in a run, says it, and gives up what will not go on: dead and hanging sites, the server, a full disk."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time

from pydantic import ValidationError

from ...events import Event, EventType
from ..carrying.channel import Telemetry
from ..carrying.journal import Journal
from ..carrying.vigil import STALLED_AFTER, Change, Look, Vigil
from ..progress import AT_A_TASK
from .processes import Load, is_stopped, kill, times_out_of_memory
from .remains import WorkFolder
from .simulator import Simulator
from .stacks import Place, as_traceback, take_stack, traceback_of

INTERVAL = 1.0  # seconds between two looks
_WORKS = 5.0  # percent of a core that are more than waiting
_HEARD = 3.0  # seconds since the last sign of life, more than are between two
_FULL = 1_000_000  # bytes
_SPARE = 4_000_000  # bytes, which are given back when the disk is full, so that what is known can still be said
_FULL_LOOKS = 5
_KILL_WAIT = 2.0
_EXCEPTION = re.compile(r"^[\w.]*(?:Error|Exception|Exit): .+", re.MULTILINE)


class Watchdog:
    """Watches one run; `look` is to be called all the time.

    Args:
        simulator: The run's processes.
        work: The run's work folder.
        journal: Where findings are said.
        site_timeout: Seconds without a sign of life and without computing after which one is given up.
        round_timeout: Seconds that a site's task may take; 0: as long as it takes.
    """

    def __init__(
        self, simulator: Simulator, work: WorkFolder, journal: Journal, *, site_timeout: float, round_timeout: float
    ) -> None:
        self._simulator = simulator
        self._work = work
        self._journal = journal
        self._timeouts = (site_timeout, round_timeout)
        self._telemetry = Telemetry()
        self._server = Vigil(site_timeout)
        self._sites: dict[str, Vigil] = {}
        self._loads: dict[str | None, Load] = {}
        self._reports: dict[str, int] = {}
        self._looked = time.monotonic()
        self._memory_kills = times_out_of_memory()
        self._full = 0
        self._spare = work.path / "spare"
        with contextlib.suppress(OSError):
            self._spare.write_bytes(bytes(_SPARE))
        self.dead: set[str] = set()

    def note(self, event: Event) -> None:
        """Takes note of an event that came from the run: its site goes on."""
        if event.site and event.type is not EventType.ANSWER:
            self._reports[event.site] = self._reports.get(event.site, 0) + 1

    def look(self) -> str:
        """Looks after everybody once a second; returns why the run has to be ended now, or ""."""
        now = time.monotonic()
        seconds = now - self._looked
        if seconds < INTERVAL:
            return ""
        self._looked = now
        self.read_telemetry()
        self._simulator.processes.look()
        self._report_dead_sites()
        reason = self._full_disk() or self._look_at_server(seconds)
        # Without the server nobody hears the sites.
        if not reason and self._telemetry.beat >= 0 and self._server.silent < _HEARD:
            for site in self._simulator.processes.sites - self.dead:
                self._look_at_site(site, seconds)
        return reason

    def read_telemetry(self) -> None:
        """Takes the newest telemetry into the journal."""
        with contextlib.suppress(OSError, ValidationError):
            self._telemetry = Telemetry.model_validate_json((self._work.server / "telemetry.json").read_bytes())
            self._journal.set_sites(self._telemetry.sites)

    def _look_at_server(self, seconds: float) -> str:
        if self._server.take(Look(self._telemetry.beat, self._busy(None, seconds)), seconds) is not Change.HANGS:
            return ""
        stopped = any(map(is_stopped, self._simulator.processes.of(None)))
        how = "its process is stopped" if stopped else self._hangs(self._telemetry.beat < 0)
        self._journal.say(EventType.ERROR, message=f"the server hangs: {how}", traceback="")
        return f"The server hangs: {how}"

    def _look_at_site(self, site: str, seconds: float) -> None:
        told = self._telemetry.sites.get(site)
        look = Look(busy=self._busy(site, seconds))
        if told:
            task = (told.task, told.round) if told.task else None
            mark = (told.place, self._reports.get(site, 0))
            look = Look((told.pid, told.beat), look.busy, task, told.cpu >= _WORKS, mark)
        vigil = self._sites.setdefault(site, Vigil(*self._timeouts))
        change = vigil.take(look, seconds)
        if change is Change.STALLS:
            message = f"no progress for {STALLED_AFTER:.0f} s"
            # Whoever gives signs of life says where it is; the signal would cut short a sleep in C.
            place = told.place if told and vigil.silent < _HEARD else None
            self._say_stalled(site, STALLED_AFTER, self._told_place(site, place, message) or self._traceback(site, message))
        elif change is Change.GOES_ON:
            self._say_stalled(site, 0, "")
        elif change is Change.HANGS:
            stopped = is_stopped(self._simulator.processes.of(site)[0])
            self._give_up(site, "hangs: its process is stopped" if stopped else f"hangs: {self._hangs(told is None)}")
        elif change is Change.TOO_LONG:
            self._give_up(site, f"has not finished its part of {self._part(site)} within {self._timeouts[1]:.0f} s")

    def _busy(self, site: str | None, seconds: float) -> bool:
        return self._loads.setdefault(site, Load()).busy(self._simulator.processes.of(site), seconds)

    def _hangs(self, starting: bool) -> str:
        when = " while it starts" if starting else ""
        return f"no sign of life and no computing for {self._timeouts[0]:.0f} s{when}"

    def _part(self, site: str) -> str:
        number = self._telemetry.sites[site].round or 0
        return "the final validation" if number >= self._journal.progress.num_rounds else f"round {number + 1}"

    def _say_stalled(self, site: str, seconds: float, traceback: str) -> None:
        self._journal.say(EventType.STALLED, site, self._round_of(site), seconds=seconds, traceback=traceback)

    def _give_up(self, site: str, message: str) -> None:
        """Ends a site that will not go on; the round decides whether it can do without."""
        traceback = self._traceback(site, message)
        kill(self._simulator.processes.of(site), _KILL_WAIT)
        self._say_dead(site, message, traceback)

    def _traceback(self, site: str, message: str) -> str:
        process = self._simulator.processes.of(site)[0]
        if is_stopped(process):
            return ""
        return as_traceback(take_stack(process, self._work.run_of(site)), message)

    def _told_place(self, site: str, place: Place | None, message: str) -> str:
        if place is None:
            return ""
        file, line, function = place
        return traceback_of([(str(self._work.custom_of(site) / file), line, function)], message)

    def _report_dead_sites(self) -> None:
        for site in self._simulator.dead_sites():
            if site in self.dead or self._simulator.take_turns:
                continue
            said = self._work.errors_of(site)
            self._say_dead(site, cause(said) or self._without_a_word(), said)

    def _without_a_word(self) -> str:
        kills, self._memory_kills = self._memory_kills, times_out_of_memory()
        if self._memory_kills > kills:
            return "its process was killed by the system, because the memory was full"
        return "its process ended without a word: killed, out of memory, or ended by the code itself"

    def _say_dead(self, site: str, message: str, traceback: str) -> None:
        if not self._simulator.take_turns:
            self.dead.add(site)
        self._journal.say(EventType.ERROR, site, self._round_of(site), message=message, traceback=traceback)

    def _round_of(self, site: str) -> int | None:
        """The round whose task a site is at, which others may have left behind; the run's, if it is at none."""
        told, known = self._telemetry.sites.get(site), self._journal.progress.sites[site]
        own = [told.round] if told and told.task else []
        own += [known.round] if known.phase in AT_A_TASK else []
        numbers = [number for number in own if number is not None]
        return max(numbers or self._journal.progress.rounds, default=None)

    def _full_disk(self) -> str:
        """Says that the disk is full; the run gets a moment to end by itself, with a little room to write what is known."""
        usage = shutil.disk_usage(self._work.path)
        places = os.statvfs(self._work.path)
        self._full = self._full + 1 if self._full or usage.free < _FULL or (places.f_files and not places.f_favail) else 0
        reason = f"The disk of the work folder {self._work.path.parent} is full"
        if self._full == 1:
            self._spare.unlink(missing_ok=True)
            free = f"{usage.free / 1e6:.1f} of {usage.total / 1e6:.0f} MB are free"
            message = f"{reason[0].lower()}{reason[1:]}: {free}; TMPDIR names another place"
            self._journal.say(EventType.ERROR, message=message, traceback="")
            with contextlib.suppress(OSError):
                self._simulator.ask_to_stop()
        return reason if self._full > _FULL_LOOKS else ""


def cause(log: str) -> str:
    """The first exception in an error log, which is the root of those that follow from it; else the first line."""
    found = _EXCEPTION.search(log)
    return found[0] if found else next((line.strip() for line in log.splitlines() if line.strip()), "")
