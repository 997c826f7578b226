"""Who hears of the runs and the rehearsals of this process: the notebook shows its live views so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from ..errors import RehearsalFailed
from .job import Job
from .rehearsal import Rehearsal, rehearse
from .run.handle import Run

RunObserver = Callable[[Run], None]


class RehearsalObserver(Protocol):
    """Hears of rehearsals while they go on."""

    def step(self, name: str) -> None:
        """A step begins."""

    def over(self, rehearsal: Rehearsal) -> None:
        """It is over; if it failed, the error is raised after this."""


_OWN_TRAINING = "The default image classification trained; for other data, capture a train function with %%reson_train."
_run_observers: list[RunObserver] = []
_rehearsal_observers: list[RehearsalObserver] = []


def on_run(observer: RunObserver) -> None:
    """Has `observer(run)` called for every run that this process submits or attaches to."""
    if observer not in _run_observers:
        _run_observers.append(observer)


def on_rehearsal(observer: RehearsalObserver) -> None:
    """Has the observer told of every rehearsal of this process."""
    if observer not in _rehearsal_observers:
        _rehearsal_observers.append(observer)


def announce(run: Run) -> Run:
    """Tells the observers of a run, and returns it."""
    for observer in _run_observers:
        observer(run)
    return run


def rehearse_told(job: Job, shard: Path | None, *, default_training: bool, hint: str, without_shard: bool = False) -> Rehearsal:
    """Rehearses a job with the observers told of every step.

    Args:
        job: The job.
        shard: The shard on whose first samples it is tried, see `rehearse`.
        default_training: Whether the default image classification trains.
        hint: What to do about a failure of which nothing is known.
        without_shard: See `rehearse`.

    Raises:
        RehearsalFailed: it failed.
        ResonError: it could not be tried.
    """

    def tell(step: str) -> None:
        for observer in _rehearsal_observers:
            observer.step(step)

    rehearsal = rehearse(job, shard, without_shard=without_shard, on_step=tell)
    for observer in _rehearsal_observers:
        observer.over(rehearsal)
    if not rehearsal.ok:
        advice = rehearsal.explained.advice if rehearsal.explained else ""
        if default_training and rehearsal.failure and rehearsal.failure.step in ("validate", "train"):
            advice = f"{advice} {_OWN_TRAINING}".strip()
        raise RehearsalFailed(rehearsal.sentence, advice or hint, rehearsal)
    return rehearsal
