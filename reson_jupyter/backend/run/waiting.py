"""Waiting for the end of a run: the progress bar, the deadline, and what is said of a run that ended without a model."""

from __future__ import annotations

import math
import time
from typing import Any, SupportsFloat

from tqdm import tqdm

from ...errors import RunError, RunFailed, RunTimeout, detachable
from ...events import RunState
from ..progress import RunProgress
from .follow import Follower

WITH_MODEL = (RunState.FINISHED, RunState.DEGRADED)
_BETWEEN_LOOKS = 0.2


def wait(run_id: str, follower: Follower, timeout: float | None) -> None:
    """Returns when a run is over and has a trained model; see `Run.wait`."""
    progress = follower.progress
    deadline = None if timeout is None else time.monotonic() + _seconds(timeout)
    with detachable(run_id), _Bar(progress, disable=follower.observed) as bar:
        while not follower.over.wait(_BETWEEN_LOOKS):
            bar.show(follower.note)
            if deadline is not None and time.monotonic() > deadline:
                raise RunTimeout(
                    f"run {run_id} was not over after {timeout:g} seconds; it is {progress.state.value} and goes on",
                    "Wait again with run.wait(), or stop it with run.abort().",
                )
        bar.show(follower.note)
    if follower.broken:
        raise RunError(f"run {run_id} cannot be followed any more: {follower.broken!r}", f"Try again: reson.attach({run_id!r})")
    if progress.state not in WITH_MODEL:
        raise RunFailed(f"run {run_id} {progress.state.value}: {progress.reason}", _advice(run_id, progress) or None)


def check_over(run_id: str, state: RunState) -> None:
    """Raises `RunError` if a run is not over, so that its final model cannot be there."""
    if not state.done:
        raise RunError(
            f"run {run_id} is {state.value}; its model is there when it is over",
            "Call run.wait() first, or name a round that is done: round=0.",
        )


def _seconds(timeout: object) -> float:
    if isinstance(timeout, SupportsFloat):
        try:
            seconds = float(timeout)
        except OverflowError:
            return math.inf
        if not math.isnan(seconds):
            return seconds
    raise RunError(f"timeout is {timeout!r:.40}, not a number of seconds", "Wait to the end: run.wait(); or: run.wait(60).")


def _advice(run_id: str, progress: RunProgress) -> str:
    """What to do about a failed run: what is known of its first error, where its traceback is, and what there is of a model."""
    errors = progress.failures[progress.errors_from :]
    first = progress.first_failure
    parts = [first.explained.advice] if first else []
    if first in errors and first.traceback:
        parts.append(f"reson.attach({run_id!r}).errors()[{errors.index(first)}].traceback shows all of it.")
    if progress.result:
        parts.append("run.model() has the weights of the last round that was done.")
    return "\n  ".join(filter(None, parts))


class _Bar:
    """A text progress bar over rounds, for places without the live view."""

    def __init__(self, progress: RunProgress, *, disable: bool) -> None:
        self._progress = progress
        self._bar: tqdm[Any] = tqdm(total=progress.num_rounds or None, unit="round", disable=disable)
        self._shown: tuple[object, ...] = ()

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def show(self, note: str) -> None:
        run = self._progress
        last = {record["name"]: f"{record['value']:.4g}" for record in run.means()}
        now = (note or run.state.value, run.num_rounds, run.rounds_done, last)
        if now == self._shown:
            return
        self._shown = now
        self._bar.total = run.num_rounds or None
        self._bar.set_description_str(note or run.state.value, refresh=False)
        self._bar.set_postfix(last, refresh=False)
        self._bar.n = run.rounds_done
        self._bar.refresh()
