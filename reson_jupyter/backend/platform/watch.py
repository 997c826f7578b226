"""Keeps asking the platform how a job is, on a thread of its own, so that its slowness holds nothing up."""

from __future__ import annotations

import threading
import time
import traceback
from contextlib import suppress

from ...errors import PlatformError
from .api import Platform, Task
from .states import over

_HURRIED, _FASTEST, _SLOWEST = 1.0, 2.0, 30.0
_GROWTH = 1.3
# A job that was just submitted may not be listed yet.
_MISSING = 3


class Watch:
    """Watches one job.

    Args:
        platform: Where it runs.
        task_id: The job.

    Attributes:
        task: The job as it was last seen; None before that.
        round: The present round, from 0, and how many there are; asked for only while `wants_round`.
        problem: Why the platform cannot be asked just now; None while it answers.
        problem_since: When that began, by the monotonic clock.
        gone: Whether the platform no longer knows the job.
    """

    def __init__(self, platform: Platform, task_id: str) -> None:
        self.task: Task | None = None
        self.round: tuple[int, int] | None = None
        self.wants_round = False
        self.problem: PlatformError | None = None
        self.problem_since = 0.0
        self.gone = False
        self._platform = platform
        self._task_id = task_id
        self._hurried = False
        self._closed = threading.Event()
        self._missing = 0
        threading.Thread(target=self._watch, name="watch the platform", daemon=True).start()

    @property
    def over(self) -> str | None:
        """FINISHED, FAILED or CANCELLED once the job is over."""
        return over(self.task.state) if self.task else None

    def hurry(self) -> None:
        """Has the platform asked every second from now on: the job is about to end."""
        self._hurried = True

    def close(self) -> None:
        """Asks no more."""
        self._closed.set()

    def _watch(self) -> None:
        pause = _FASTEST
        while not self.over and not self.gone:
            before = (self.task, self.round)
            self._look()
            pause = _FASTEST if (self.task, self.round) != before else min(_SLOWEST, pause * _GROWTH)
            asked_at = time.monotonic()
            while time.monotonic() - asked_at < (_HURRIED if self._hurried else pause):
                if self._closed.wait(_HURRIED / 4):
                    return

    def _look(self) -> None:
        try:
            task = self._platform.task(self._task_id)
            self._missing = 0 if task else self._missing + 1
            self.gone = self._missing >= _MISSING
            self.task = task or self.task
            self.problem = None
            if self.wants_round and task and not over(task.state):
                with suppress(PlatformError):  # it only makes the wait less dull
                    self.round = self._platform.round_of(self._task_id) or self.round
        except PlatformError as error:
            self._note(error)
        except Exception as error:  # a run must not stay open for ever because nobody looks any more
            unexpected = PlatformError(f"its answer could not be dealt with ({type(error).__name__})")
            if self.problem is None or self.problem.message != unexpected.message:
                traceback.print_exc()
            self._note(unexpected)

    def _note(self, problem: PlatformError) -> None:
        if self.problem is None:
            self.problem_since = time.monotonic()
        self.problem = problem
