"""What it means that a site, or the server, hangs, stalls or takes too long.

Whoever gives no sign of life and does not compute hangs. Who computes, or gives signs of life, may only stall: nobody can tell
slow code from code that never ends. Time counts as far as it was watched, by the monotonic clock, so that neither a clock that is
set nor a machine that slept makes anybody look dead.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

STALLED_AFTER = 10.0
_SOON = 5.0  # seconds; what will be told as a hang by then is not told as a stall before
_LONGEST_PAUSE = 2.0  # between two looks; nobody was watched in the rest of a longer one


class Change(enum.Enum):
    """What a look has shown to have begun or ended."""

    NOTHING = enum.auto()
    HANGS = enum.auto()
    TOO_LONG = enum.auto()
    STALLS = enum.auto()
    GOES_ON = enum.auto()


@dataclass(frozen=True)
class Look:
    """What one look at a site, or at the server, has shown.

    Attributes:
        beat: Anything that changes with every sign of life.
        busy: Whether its processes compute, or want to.
        task: The task and round that it is in; None if it is in none.
        works: Whether it computed between its last two signs of life.
        mark: Anything that changes with its progress, such as the place in its code.
    """

    beat: Any = None
    busy: bool = False
    task: Any = None
    works: bool = False
    mark: Any = None


class Vigil:
    """Watches one site, or the server, look by look.

    Args:
        patience: Seconds of silence and idleness that are a hang.
        limit: Seconds that a task may take; 0: as long as it takes.
    """

    def __init__(self, patience: float, limit: float = 0.0) -> None:
        self._patience = patience
        self._limit = limit
        self._last = Look()
        self._idle = self._still = self._in_task = 0.0
        self._stalled = self._given_up = False
        self.silent = 0.0

    def take(self, look: Look, seconds: float) -> Change:
        """Takes a look, so many seconds after the last; a hang, or a task that takes too long, is told once."""
        seconds, last, self._last = min(seconds, _LONGEST_PAUSE), self._last, look
        heard = look.beat != last.beat
        # Between two tasks nobody has to make progress, but whoever has begun to give signs of life has to go on with that.
        at_rest = look.task is None and (heard or look.beat is None)
        moved = at_rest or look.task != last.task or look.mark != last.mark or (heard and look.works)
        self.silent = 0.0 if heard else self.silent + seconds
        self._idle = 0.0 if look.busy else self._idle + seconds
        self._still = 0.0 if moved else self._still + seconds
        self._in_task = self._in_task + seconds if look.task is not None and look.task == last.task else 0.0
        return Change.NOTHING if self._given_up else self._change()

    def _change(self) -> Change:
        if min(self.silent, self._idle) >= self._patience:
            self._given_up = True
            return Change.HANGS
        if self._limit and self._in_task > self._limit:
            self._given_up = True
            return Change.TOO_LONG
        hangs_soon = self._patience - min(self.silent, self._idle) <= _SOON
        if self._stalled != (self._still >= STALLED_AFTER and not hangs_soon):
            self._stalled = not self._stalled
            return Change.STALLS if self._stalled else Change.GOES_ON
        return Change.NOTHING
