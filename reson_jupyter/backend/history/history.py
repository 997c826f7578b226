"""What this machine remembers of its runs.

The history only remembers; the truth about a run is in its store. So nothing that happens to its file harms a run: while it
cannot be written, runs go on without it.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from pydantic import TypeAdapter

from ...errors import ResonError
from ...events import RunState
from ..progress import RunProgress
from ..record import RunRecord
from . import file

T = TypeVar("T")

_DONE = ", ".join(f"'{state}'" for state in RunState if state.done)
_ADD = """
INSERT OR IGNORE INTO runs
VALUES (:id, :name, :target, :store, :created, :state, :reason, :ended, :rounds_done, :num_rounds, :sites)
"""
# Two kernels may follow a run, one of them late: what is over stays over. Only "lost" may prove wrong.
_UPDATE = f"""
UPDATE runs SET state = :state, reason = :reason, ended = :ended, rounds_done = :rounds_done, num_rounds = :num_rounds,
    sites = :sites
WHERE id = :id AND (state NOT IN ({_DONE}) OR (state = 'lost' AND :state IN ({_DONE})))
"""
_ADDED = 1.0  # seconds that a submit waits for others who write
_NO_DATE = 250_000_000_000  # seconds since the epoch, shortly before the year 10000
_log = logging.getLogger(__name__)
_missing: set[str] = set()  # runs that could not be added yet


@dataclass(frozen=True)
class RunSummary:
    """What is remembered of a run. `created` and `ended` are seconds since the epoch; `num_rounds` and `sites` 0 if unknown."""

    id: str
    name: str
    target: str
    store: str
    created: float
    state: RunState = RunState.PENDING
    reason: str = ""
    ended: float | None = None
    rounds_done: int = 0
    num_rounds: int = 0
    sites: int = 0

    @classmethod
    def of(cls, record: RunRecord, progress: RunProgress) -> RunSummary:
        """Sums a run up."""
        return cls(
            **record.model_dump(),
            state=progress.state,
            reason=progress.reason,
            ended=progress.ended,
            rounds_done=progress.rounds_done,
            num_rounds=progress.num_rounds,
            sites=len(progress.sites),
        )

    @property
    def is_unsure(self) -> bool:
        """Whether it may be otherwise by now; one that seemed lost may have been carried on where nobody could see it."""
        return not self.state.done or self.state is RunState.LOST

    @property
    def record(self) -> RunRecord:
        """Where the run is."""
        return RunRecord(id=self.id, name=self.name, target=self.target, store=self.store, created=self.created)


_SUMMARY = TypeAdapter(RunSummary)


def add(record: RunRecord, progress: RunProgress) -> None:
    """Remembers a run from now on. Never fails and waits little: a run goes on without its history, which gets it later."""
    _add(record, progress, _ADDED)


def update(record: RunRecord, progress: RunProgress) -> None:
    """Remembers how far a run is, unless it was deleted meanwhile. Never fails."""
    if record.id in _missing:
        _add(record, progress, file.WAIT)
    else:
        remember([RunSummary.of(record, progress)])


def _add(record: RunRecord, progress: RunProgress, wait: float) -> None:
    if _write([RunSummary.of(record, progress)], _ADD, _UPDATE, wait=wait):
        _missing.discard(record.id)
    else:
        _missing.add(record.id)


def remember(summaries: Sequence[RunSummary]) -> None:
    """Remembers what became known of runs that were not deleted meanwhile. Never fails."""
    _write(summaries, _UPDATE)


def _write(summaries: Sequence[RunSummary], *statements: str, wait: float = file.WAIT) -> bool:
    """Whether it could be written."""

    def write(connection: sqlite3.Connection) -> None:
        for statement in statements:
            connection.executemany(statement, [vars(summary) for summary in summaries])

    try:
        file.use(write, wait)
        return True
    except (ResonError, OSError, sqlite3.Error) as error:
        _log.warning("the history misses the newest of %s: %s", ", ".join(summary.id for summary in summaries), error)
        return False


def load(wait: float = file.WAIT) -> list[RunSummary]:
    """Returns the runs that this machine knows, the newest first, as they were when somebody last looked.

    Args:
        wait: Seconds that others who use the file are waited for.

    Raises:
        ResonError: the file cannot be read, or a newer version wrote it.
    """

    def read(connection: sqlite3.Connection) -> list[RunSummary]:
        rows = connection.execute("SELECT * FROM runs ORDER BY created DESC, id")
        if {column[0] for column in rows.description} != {field.name for field in fields(RunSummary)}:
            raise sqlite3.DatabaseError("its table has other columns than this version's")
        return [summary for row in rows if (summary := _summary(dict(row)))]

    return _told(lambda: file.use(read, wait, reads=True))


def _summary(row: dict[str, Any]) -> RunSummary | None:
    """A row as a summary; one that somebody else wrote must not hide the others."""
    try:
        summary = _SUMMARY.validate_python(row)
        if not all(0 <= time < _NO_DATE for time in (summary.created, summary.ended or 0)):
            raise ValueError("its time is no date")
        RunRecord.model_validate(summary.record.model_dump())
        return summary
    except ValueError as error:
        reason = str(error).replace("\n", " ")
        _log.warning("the history has a run %a that cannot be read, which is left out: %s", row["id"], reason)
        return None


def find(run_id: str) -> RunRecord | None:
    """Returns the record of a run that this machine knows. Raises `ResonError` as `load` does."""
    return next((summary.record for summary in load() if summary.id == run_id), None)


def forget(run_id: str) -> None:
    """Drops a run from the history. Raises `ResonError` as `load` does."""
    _missing.discard(run_id)
    _told(lambda: file.use(lambda connection: connection.execute("DELETE FROM runs WHERE id = ?", (run_id,))))


def _told(action: Callable[[], T]) -> T:
    """Carries out what a user asked for; what goes wrong is told in a user's words."""
    try:
        return action()
    except (OSError, sqlite3.Error) as error:
        hint = "Is its disk full, or its folder read-only? Runs are not harmed: reson.attach('an id') finds them."
        raise ResonError(f"the history {file.path()} cannot be used: {error}", hint) from None
