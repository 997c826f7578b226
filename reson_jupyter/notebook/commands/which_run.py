"""Which run a line means: the one it names, or where it names none the newest."""

from __future__ import annotations

import argparse

from ...backend.history import history
from ...backend.history.naming import told
from ...backend.run.handle import Run
from ...errors import RunNotFound

RUN = "the run, as %%reson runs lists it; without it the newest are named"  # the help of a verb that takes no run by itself
_SHOWN = 5
_seen: list[str] = []


def remember(run: Run) -> None:
    """Takes note of a run that this kernel submitted or attached to."""
    _seen.append(run.id)


def runs_seen() -> list[str]:
    """Returns the ids of the runs that this kernel submitted or attached to, the last first."""
    return list(dict.fromkeys(reversed(_seen)))


def newest_run() -> str:
    """Returns the id of the run that this kernel submitted or attached to last, else of the newest that this machine knows.

    Raises:
        RunNotFound: there is none.
        ResonError: the history of runs cannot be read.
    """
    known = [summary.id for summary in history.load()]
    if not known:
        raise RunNotFound("this machine knows no runs", "Submit one: %reson submit --name NAME --shards DIR.")
    return next((run for run in reversed(_seen) if run in known), known[0])


def required_run(named: str | None, arguments: argparse.Namespace) -> str:
    """Returns the run that a line names. Raises `UsageError`, with the newest runs, if it names none."""
    if named and "=" not in named:
        return named
    runs = history.load()
    newest = [f"  {told(summary)}" for summary in runs[:_SHOWN]]
    known = ["its id is missing; the newest runs are:", *newest] if newest else ["its id is missing; this machine knows no runs"]
    more = [f"  and {len(runs) - _SHOWN} older ones: %reson runs"] if len(runs) > _SHOWN else []
    arguments.refuse("\n".join([*known, *more]))
    raise AssertionError("refuse raises")
