"""The newest runs: those of this process as they go on, the others as somebody saw them last."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from ...backend.history import history
from ...backend.history.history import RunSummary
from ...backend.history.runs import is_unseen, known_runs, load_with_strays
from ...backend.run.handle import Run
from ...backend.store import open_store
from ...config import ResonTechConfig
from ...errors import ResonError
from ...session import Session
from .jsonable import shown

Row = dict[str, Any]

_SHOWN = 50
_NAME = 100  # characters
_EVERY = 4.0
# Where a look takes long, as a store is away, most of the time is without one.
_TIMES_AS_LONG = 4
_log = logging.getLogger(__name__)
EMPTY: dict[str, Any] = {"rows": [], "more": 0, "error": ""}


@dataclass(frozen=True)
class _Own:
    """A run of this process, as it is now, and when it came (monotonic)."""

    run: Run
    row: Row
    since: float


class RunsPart:
    """Knows the runs, and looks after those that others carry, as long as any page looks.

    Args:
        session: Gives the keys to the stores.
        is_watched: Whether any page looks.
        changed: Called when a run is otherwise.
    """

    def __init__(self, session: Session, is_watched: Callable[[], bool], changed: Callable[[], None]) -> None:
        self._session = session
        self._is_watched = is_watched
        self._changed = changed
        self._lock = threading.Lock()
        self._looking = threading.Lock()
        self._own: dict[str, _Own] = {}
        self._asked_to_stop: set[str] = set()
        self._loaded = 0.0
        self._known: Sequence[RunSummary] = ()
        self._error = ""
        self._looker: threading.Thread | None = None
        self._connection: ResonTechConfig | None = None
        self._open: Callable[[str], Any] | None = None

    def follow(self, run: Run) -> None:
        """Takes a run that this process submitted or attached to, which it follows anyway."""
        run.observe(self._take)

    def find(self, run_id: str) -> Run | None:
        """Returns the handle of a run that this process follows."""
        with self._lock:
            found = self._own.get(run_id)
        return found.run if found else None

    def mark_stopping(self, run_id: str) -> None:
        """Has the row of a run say that it was asked to stop: its sites take their time."""
        with self._lock:
            self._asked_to_stop.add(run_id)
        self._changed()

    def part(self) -> dict[str, Any]:
        """The newest runs."""
        with self._lock:
            rows = {summary.id: _row_of(summary) for summary in self._known}
            rows |= {key: own.row for key, own in self._own.items() if key in rows or not self._is_deleted(own)}
            error, asked = self._error, frozenset(self._asked_to_stop)
        newest = sorted(rows.values(), key=lambda row: -row["started"])
        rows_now = [row | {"stopping": not row["done"] and (row["stopping"] or row["id"] in asked)} for row in newest[:_SHOWN]]
        return {"rows": rows_now, "more": max(0, len(newest) - _SHOWN), "error": error}

    def watch(self) -> None:
        """Looks after the runs from now on, until no page looks."""
        with self._lock:
            if self._looker is None:
                self._looker = threading.Thread(target=self._watch, name="reson runs", daemon=True)
                self._looker.start()

    def look(self, *, lost: bool = True) -> None:
        """Looks at the runs that others carry; may take as long as their stores.

        Args:
            lost: Whether to look at those, too, that seem to be lost.
        """
        with self._looking:
            known: Sequence[RunSummary] = ()
            error = ""
            try:
                began = time.monotonic()
                known = load_with_strays() if lost else history.load()
                with self._lock:
                    self._loaded = began
                self._set(known)
                with self._lock:
                    own = {key for key, own in self._own.items() if not own.row["done"]}
                if unsure := {run.id for run in known if run.is_unsure and run.id not in own and (lost or not run.state.done)}:
                    known = known_runs(self._opener(), unsure)
            except ResonError as problem:
                error = shown(str(problem))
            self._set(known, error)

    def _watch(self) -> None:
        lost = True
        while True:
            began = time.monotonic()
            try:
                self.look(lost=lost)
            except Exception:
                _log.exception("the runs could not be looked at")
            lost = False
            time.sleep(max(_EVERY, _TIMES_AS_LONG * (time.monotonic() - began)))
            with self._lock:
                if not self._is_watched():
                    self._looker = None
                    return

    def _opener(self) -> Callable[[str], Any]:
        """Opens each store once, as long as the keys are the same."""
        connection = self._session.connection
        if self._open is None or connection != self._connection:
            self._connection, self._open = connection, cache(partial(open_store, connection=connection))
        return self._open

    def _set(self, known: Sequence[RunSummary], error: str = "") -> None:
        with self._lock:
            self._known, self._error = known, error
        self._changed()

    def _take(self, run: Run) -> None:
        """Runs on the thread that follows the run."""
        row = _row_of_own(run)
        with self._lock:
            known = self._own.get(run.id)
            self._own[run.id] = _Own(run, row, known.since if known else time.monotonic())
        self._changed()

    def _is_deleted(self, own: _Own) -> bool:
        """Whether a run that the history does not have is over, and the history was read since it came."""
        return bool(own.row["done"]) and own.since < self._loaded


def _row_of(run: RunSummary) -> Row:
    return {
        "id": run.id,
        "name": shown(run.name[:_NAME]),
        "state": run.state.value,
        "done": run.state.done,
        "round": run.rounds_done,
        "rounds": run.num_rounds,
        "started": run.created,
        "ended": run.ended,
        "target": shown(run.target),
        "reason": shown(run.reason),
        "stopping": False,
        "unseen": is_unseen(run),
    }


def _row_of_own(run: Run) -> Row:
    progress = run.progress
    return {
        "id": run.id,
        "name": shown(progress.name[:_NAME]),
        "state": progress.state.value,
        "done": progress.state.done,
        "round": progress.rounds_done,
        "rounds": progress.num_rounds,
        "started": progress.submitted or 0.0,
        "ended": progress.ended,
        "target": shown(progress.target),
        "reason": shown(progress.reason or run.note),
        "stopping": progress.stopping_until is not None,
        "unseen": False,
    }
