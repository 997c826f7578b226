"""What the kernel does for the sidebar that takes its time: one thing at a time, on a thread of its own."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..backend.rehearsal import Rehearsal
from ..backend.starting import Start, current_start, stoppable
from ..errors import ResonError, RunError
from .away import away_from_cells, is_away

_log = logging.getLogger(__name__)

_BEGINS = {
    "check": "building the job",
    "preview": "building the job",
    "submit": "building the job",
    "check_shards": "reading the shards",
}
_GOES_ON = {
    "check": "A check goes on",
    "preview": "A preview is being made",
    "submit": "A submit goes on",
    "check_shards": "The shards are being read",
}
_STOPPED = {
    "check": ("The check was stopped.", None),
    "preview": ("The preview was stopped.", None),
    "submit": ("The submit was stopped.", "No run was started."),
    "check_shards": ("The reading of the shards was stopped.", None),
}


@dataclass(frozen=True)
class _Now:
    """What goes on: what pages are told of it, what stops it, and who waits for it."""

    told: dict[str, Any]
    start: Start
    refused: Callable[[ResonError], None]


class Activity:
    """Does one thing at a time and says what."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._observers: list[Callable[[], None]] = []
        self._now: _Now | None = None

    @property
    def now(self) -> dict[str, Any] | None:
        """What goes on: {"action", "note", "since"}; None if nothing does."""
        with self._lock:
            return dict(self._now.told) if self._now else None

    def observe(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Has `changed()` called whenever `now` is otherwise, on any thread; returns the call that ends this."""
        with self._lock:
            self._observers.append(changed)

        def stop() -> None:
            with self._lock:
                if changed in self._observers:
                    self._observers.remove(changed)

        return stop

    def start(
        self, action: str, work: Callable[[], Callable[[], None]], refused: Callable[[ResonError], None] = lambda _: None
    ) -> None:
        """Begins to do something, away from cells.

        Args:
            action: What it is.
            work: Does it; what it returns is called when that is over, unless it was stopped.
            refused: Told, once, that it was stopped.

        Raises:
            ResonError: something else goes on.
        """
        with self._lock:
            if self._now:
                raise ResonError(f"{_GOES_ON[self._now.told['action']]}.", "Wait until it is over, or stop it.")
            told = {"action": action, "note": _BEGINS[action], "since": time.time()}
            self._now = now = _Now(told, Start(), refused)
        threading.Thread(target=self._work, args=(now, work), name=f"reson {action}", daemon=True).start()
        self._changed()

    def stop(self) -> None:
        """Stops what goes on, if anything does: nobody waits for it any more, and no run comes of it.

        What it is at just now, such as a step of a rehearsal, may end in the background.

        Raises:
            RunError: a run has begun already.
        """
        with self._lock:
            now = self._now
            if now is None:
                return
            if not now.start.stop():
                raise RunError("It is too late to stop the submit: its run has begun.", "Abort the run in the list of runs.")
            self._now = None
        self._changed()
        now.refused(RunError(*_STOPPED[now.told["action"]]))

    def step(self, name: str) -> None:
        """A step of a rehearsal begins."""
        self._note(f"rehearsing: {name}")

    def over(self, rehearsal: Rehearsal) -> None:
        """A rehearsal is over."""
        self._note("")

    def _note(self, text: str) -> None:
        if not is_away():
            return
        with self._lock:
            if self._now is None or self._now.start is not current_start():
                return
            self._now.told["note"] = text
        self._changed()

    def _work(self, now: _Now, work: Callable[[], Callable[[], None]]) -> None:
        try:
            with away_from_cells(), stoppable(now.start):
                tell = work()
        finally:
            with self._lock:
                if is_awaited := self._now is now:
                    self._now = None
            if is_awaited:
                self._changed()
        if is_awaited:
            tell()

    def _changed(self) -> None:
        with self._lock:
            observers = tuple(self._observers)
        for observer in observers:
            try:
                observer()
            except Exception:
                _log.exception("somebody was not told of what goes on")


activity = Activity()
"""That of this kernel, whoever asks for something: one thing at a time."""
