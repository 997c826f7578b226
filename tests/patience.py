"""How tests wait, and how they measure, so that it does not matter what else the machine has to do."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def wait_for(condition: Callable[[], Any], seconds: float = 120.0) -> None:
    """Returns once the condition holds; the limit is for what would else hang for ever, and is no claim."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it never happened"
        time.sleep(0.02)


def at_best(attempt: Callable[[], float], goal: float, times: int = 5) -> float:
    """The least of the seconds that several attempts say; no more are made once one is below the goal.

    For what a user waits for. A machine with too much to do lengthens some of the attempts, a mistake in the code all of them.
    """
    best = attempt()
    for _ in range(times - 1):
        if best < goal:
            break
        best = min(best, attempt())
    return best


def cpu_seconds(work: Callable[[], object], times: int = 3, clock: Callable[[], float] = time.process_time) -> float:
    """The processor time of the quickest of several attempts: others' work does not lengthen it, a cold cache does not count."""
    took = []
    for _ in range(times):
        began = clock()
        work()
        took.append(clock() - began)
    return min(took)
