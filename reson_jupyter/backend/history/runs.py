"""The runs that this machine knows, as they are now, in a table."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import datetime

from ...card import html_root
from ...errors import NotFound, ResonError, TargetError
from ...events import RunState
from ...names import printable
from ...table import html_table, text_table
from ..carrying.lost import CUT_OFF, NOT_SENT, lost_reason, was_cut_off
from ..event_log import EventLogReader, peek
from ..progress import RunProgress
from ..record import LOCK_FILE, RunRecord, is_carried, known_records
from ..store import Store
from ..targets import open_target
from . import history
from .history import RunSummary

_LOOKERS = 16
# A store that is away must not keep the others' runs from being shown.
_PATIENCE = 8.0
# Nobody can tell from here whether another machine still carries a run; after such a silence it is taken for lost.
_SILENCE = 300.0
_SHOWN = 50
_TITLES = ("run", "name", "state", "rounds", "sites", "started", "took", "target")
_NUMBERS = ("rounds", "sites", "took")
# Of a target on other machines, whose run goes on without whoever carries its reports.
_UNWATCHED = "Nobody on this machine follows it."
_NO_ANSWER = "Its store does not answer: this is how it was when somebody last looked."
_NO_LOG = "Its store has no log of it: this is how it was when somebody last looked."
_NONE = "This machine knows no runs."


def is_unseen(run: RunSummary) -> bool:
    """Whether nobody could look at a run that may go on, so that its state may be long past."""
    return not run.state.done and run.reason in (_NO_ANSWER, _NO_LOG)


class Runs(list[RunSummary]):
    """The runs that this machine knows, the newest first; `reson.attach(runs[0].id)` gives the run itself."""

    def __repr__(self) -> str:
        return "\n".join([text_table(_TITLES, list(self._rows()), _NUMBERS), *self._rest()]) if self else _NONE

    def _repr_html_(self) -> str:
        table = html_table(_TITLES, list(self._rows()), _NUMBERS) if self else f"<p>{_NONE}</p>"
        rest = "".join(f"<p>{line}</p>" for line in self._rest())
        return html_root(f"{table}{rest}", "reson-runs", "overflow-x:auto")

    def _rows(self) -> Iterator[tuple[str, ...]]:
        for run in self[:_SHOWN]:
            rounds = f"{run.rounds_done} of {run.num_rounds or '?'}"
            started = datetime.fromtimestamp(run.created).strftime("%Y-%m-%d %H:%M")
            took = "" if run.ended is None else _duration(run.ended - run.created)
            target = printable(run.target)
            where = target if (run.record.folder / LOCK_FILE).exists() else f"{target}, from another machine"
            # A name is any text; one that breaks the line, or hides what follows, would break the table.
            state = f"{run.state.value}?" if is_unseen(run) else run.state.value
            yield run.id, printable(run.name[:40]), state, rounds, str(run.sites or "?"), started, took, where

    def _rest(self) -> list[str]:
        unwatched = [run.id for run in self[:_SHOWN] if run.reason == _UNWATCHED]
        older = [f"and {len(self) - _SHOWN} older ones"] if len(self) > _SHOWN else []
        unseen = [f"{run.id}: {run.reason}" for run in self[:_SHOWN] if is_unseen(run)]
        return [
            *older,
            *(f"{run_id} may go on, and nobody follows it: reson.attach({run_id!r})" for run_id in unwatched),
            *unseen,
        ]


def known_runs(open_store: Callable[[str], Store], only: Collection[str] | None = None) -> Runs:
    """Returns the runs of the history; those that were not over when somebody last looked are looked at now, in their stores.

    Args:
        open_store: Opens a store by its URL. Runs of a store that does not answer soon stay as they are known, and say so.
        only: Ids of the runs to look at; None for all.

    Raises:
        ResonError: the history cannot be read.
    """
    known = history.load() if only is not None else load_with_strays()
    unsure = [summary for summary in known if summary.is_unsure and (only is None or summary.id in only)]
    pool = ThreadPoolExecutor(_LOOKERS)
    looks = [pool.submit(_looked_at, summary, open_store) for summary in unsure]
    wait(looks, _PATIENCE)
    pool.shutdown(wait=False, cancel_futures=True)
    new = {summary.id: _unseen(summary, _NO_ANSWER) for summary in unsure}
    new |= {look.result().id: look.result() for look in looks if look.done() and not look.cancelled()}
    if changed := [summary for summary in new.values() if summary not in unsure]:
        history.remember(changed)
    return Runs(new.get(summary.id, summary) for summary in known)


def _looked_at(summary: RunSummary, open_store: Callable[[str], Store]) -> RunSummary:
    try:
        store = open_store(summary.store)
        # Asked before the log: a carrier that ends between the two has said how before it went.
        carried = _is_carried(summary)
        latest = peek(store, summary.record.prefix)
        if latest is None:
            return _cut_off(summary) if was_cut_off(summary.record, carried) else _unseen(summary, _NO_LOG)
        if latest.state.done and latest.state is summary.state:
            return summary
        if latest.state.done or not summary.num_rounds:
            summary = _read(summary.record, store)
        else:
            summary = replace(
                summary, state=latest.state, rounds_done=max(summary.rounds_done, latest.rounds), reason="", ended=None
            )
    except NotFound:
        return _unseen(summary, _NO_LOG)
    except ResonError:
        return _unseen(summary, _NO_ANSWER)
    if carried is False and summary.target != "local" and summary.state not in NOT_SENT and not summary.state.done:
        return replace(summary, reason=_UNWATCHED)
    lost = carried is False or (carried is None and time.time() - latest.time > _SILENCE)
    if lost and not summary.state.done:
        return replace(summary, state=RunState.LOST, reason=lost_reason(summary.state), ended=latest.time)
    return summary


def load_with_strays() -> list[RunSummary]:
    """Returns what `history.load` does, with the runs of kernels that ended before they could add them. Raises as it does."""
    known = history.load()
    strays = [record for record in known_records({run.id for run in known}) if is_carried(record.folder) is False]
    for record in strays:
        history.add(record, RunProgress())
    return history.load() if strays else known


def _cut_off(summary: RunSummary) -> RunSummary:
    return replace(summary, state=RunState.LOST, reason=CUT_OFF, ended=summary.created)


def _unseen(summary: RunSummary, reason: str) -> RunSummary:
    return summary if summary.state.done else replace(summary, reason=reason)


def _is_carried(summary: RunSummary) -> bool | None:
    try:
        return open_target(summary.target).is_carried(summary.record)
    except TargetError:
        return None


def _read(record: RunRecord, store: Store) -> RunSummary:
    """All that the log says: of a run that has ended, and of one whose first event nobody here has read."""
    progress = RunProgress()
    progress.apply(EventLogReader(store, record.prefix).read())
    return RunSummary.of(record, progress)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
