"""Which run of this machine is meant by its name, or by an id with a slip."""

from __future__ import annotations

import difflib
from datetime import datetime

from ...errors import RunNotFound
from ...names import printable
from ..record import RunRecord
from .history import RunSummary, load

_SHOWN = 5


def told(run: RunSummary) -> str:
    """Returns a run's id, name, state and start in a line."""
    started = datetime.fromtimestamp(run.created).strftime("%Y-%m-%d %H:%M")
    return f"{run.id}  {printable(run.name[:40])}, {run.state.value}, started {started}"


def find_named(name: str) -> RunRecord | None:
    """Returns the record of the one run that has a name; None if no run has it.

    Raises:
        RunNotFound: several runs have it; none of them is guessed.
        ResonError: the history of runs cannot be read.
    """
    named = [run for run in load() if run.name == name]
    if len(named) > 1:
        raise RunNotFound(f"{len(named)} runs have the name {name!r}", _listed("Say which by its id:", named))
    return named[0].record if named else None


def nearest(run_id: str) -> str:
    """Returns the runs whose ids or names are like `run_id`, as a hint; "" if there is none.

    Raises:
        ResonError: the history of runs cannot be read.
    """
    runs = load()
    word = run_id.lower()
    like = {*difflib.get_close_matches(word, [text for run in runs for text in (run.id, run.name)], n=_SHOWN)}
    near = [run for run in runs if like & {run.id, run.name} or run.id.startswith(word)]
    return _listed("The nearest that it knows:", near) if near else ""


def _listed(head: str, runs: list[RunSummary]) -> str:
    more = [f"  and {len(runs) - _SHOWN} more: %reson runs"] if len(runs) > _SHOWN else []
    return "\n".join([head, *(f"  {told(run)}" for run in runs[:_SHOWN]), *more])
