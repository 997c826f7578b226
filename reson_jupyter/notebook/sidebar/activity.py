"""What the kernel does for the sidebar that takes its time: one thing at a time, on a thread of its own."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from ...backend.rehearsal import Rehearsal
from ...errors import ResonError
from ..away import away_from_cells, is_away

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


class Activity:
    """Does one thing at a time and says what."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._observers: list[Callable[[], None]] = []
        self._now: dict[str, Any] | None = None

    @property
    def now(self) -> dict[str, Any] | None:
        """What goes on: {"action", "note", "since"}; None if nothing does."""
        with self._lock:
            return self._now and dict(self._now)

    def observe(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Has `changed()` called whenever `now` is otherwise, on any thread; returns the call that ends this."""
        with self._lock:
            self._observers.append(changed)

        def stop() -> None:
            with self._lock:
                if changed in self._observers:
                    self._observers.remove(changed)

        return stop

    def start(self, action: str, work: Callable[[], Callable[[], None]]) -> None:
        """Begins to do something, away from cells; what it returns is called when that is over.

        Raises:
            ResonError: something else goes on.
        """
        with self._lock:
            if self._now:
                raise ResonError(f"{_GOES_ON[self._now['action']]}.", "Wait until it is over.")
            self._now = {"action": action, "note": _BEGINS[action], "since": time.time()}
        threading.Thread(target=self._work, args=(work,), name=f"reson {action}", daemon=True).start()
        self._changed()

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
            if self._now:
                self._now["note"] = text
        self._changed()

    def _work(self, work: Callable[[], Callable[[], None]]) -> None:
        try:
            with away_from_cells():
                tell = work()
        finally:
            with self._lock:
                self._now = None
            self._changed()
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
