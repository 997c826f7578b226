"""The last submit, which a preview is compared with: found in this machine's history, read from its store."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from ..backend.federated import shown
from ..backend.history import history
from ..backend.history.origin import read_origin
from ..backend.record import RunRecord
from ..backend.store import open_store
from ..backend.submission import submitted_here
from ..config import ResonTechConfig
from ..errors import ResonError, StoreError
from ..names import printable
from .changes import Changes, Made, compare
from .soon import Soon

# What may go wrong in reading what somebody else may have written.
_UNREADABLE = (LookupError, ValueError, TypeError, AttributeError, StopIteration)


@dataclass(frozen=True)
class Since:
    """What a preview was compared with.

    Attributes:
        run: The last submit; None if there is none to compare with.
        changes: What is different; None if nobody could tell.
        sentence: Which run that is, or why nothing was compared.
    """

    run: RunRecord | None
    changes: Changes | None
    sentence: str


class LastSubmit:
    """The newest run of a name, or else the newest of this process; its store is read beside other work.

    Args:
        name: The name that the next run would have.
        connection: The keys to the store.
    """

    def __init__(self, name: str | None, connection: ResonTechConfig) -> None:
        self._name = name
        self._problem = ""
        self._run: RunRecord | None = None
        try:
            self._run = _newest(name)
        except ResonError as error:
            self._problem = error.message
        run = self._run
        self._made = Soon(lambda: _read(run, connection)) if run else None

    def compared_with(self, now: Made, seconds: float) -> Since:
        """Returns what is different now; the store has had, or gets, so many seconds to answer."""
        run = self._run
        if run is None or self._made is None:
            return Since(None, None, f"Nothing to compare with: {self._problem or self._none()}.")
        which = f"{printable(run.id)}, {datetime.fromtimestamp(run.created):%Y-%m-%d %H:%M}"
        of = f"of {printable(run.name)!r}" if run.name == self._name else f"of this kernel, {printable(run.name)!r}"
        sentence = f"Since the last submit {of} ({which})"
        try:
            return Since(run, compare(self._made.within(seconds), now), sentence)
        except ResonError as error:
            problem = error.message
        except _UNREADABLE:
            problem = "it is damaged, or of another version"
        return Since(run, None, f"{sentence}: it cannot be compared with, {problem}.")

    def _none(self) -> str:
        called = f"no run called {printable(self._name)!r}" if self._name else "of no name"
        return f"this machine knows {called}, and this kernel has submitted none" if self._name else "nothing was submitted here"


def _newest(name: str | None) -> RunRecord | None:
    known, here = history.load(), submitted_here()
    same = (summary for summary in known if summary.name == name)
    own = (summary for summary in known if summary.id in here)
    found = next(same, None) or next(own, None)
    return found.record if found else None


def _read(run: RunRecord, connection: ResonTechConfig) -> Made:
    store = open_store(run.store, connection)
    origin = read_origin(store, run.id)
    if not isinstance(origin.submitted.get("sites"), dict):
        raise StoreError("its log does not say which sites it had")
    weights = next(store.list(f"{run.prefix}/model/"), None)
    return Made(replace(origin, job=shown(origin.job)), (weights.name, weights.bytes) if weights else None)
