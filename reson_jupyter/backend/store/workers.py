"""A few threads that do what they are given, and waiting for them without losing sight of anything else."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any, TypeVar

T = TypeVar("T")

# Work that has not ended so long after it was given up ends in the background.
GRACE_SECONDS = 0.5
POLL_SECONDS = 0.1


class Workers:
    """Up to `count` threads, which end when there is nothing to do.

    Unlike those of a ThreadPoolExecutor they are daemons, so a server that hangs does not keep the interpreter from ending, and
    they take work while it ends: an upload may outlast the main program.
    """

    def __init__(self, count: int, name: str) -> None:
        self._count = count
        self._name = name
        self._lock = threading.Lock()
        self._queue: deque[Callable[[], None]] = deque()
        self._running = 0

    def submit(self, work: Callable[[], T], *, first: bool = False) -> Future[T]:
        """Has `work` done by the next free thread: in the order of the calls, or before all that waits."""
        future: Future[T] = Future()
        with self._lock:
            (self._queue.appendleft if first else self._queue.append)(lambda: _do(future, work))
            if self._running == self._count:
                return future
            self._running += 1
        threading.Thread(target=self._work, name=self._name, daemon=True).start()
        return future

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._queue:
                    self._running -= 1
                    return
                work = self._queue.popleft()
            work()


def _do(future: Future[T], work: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = work()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)


def finish(futures: Iterable[Future[T]], look: Callable[[], None], give_up: Callable[[], None]) -> list[T]:
    """Waits for all work and returns the results in order.

    Args:
        futures: What is waited for.
        look: Called in this thread many times a second, and after the end.
        give_up: Called when a work or `look` raises or this thread is interrupted; work under way is to end soon then. What
            has not begun never begins.

    Raises:
        BaseException: what the first work that failed, or `look`, raised.
    """
    every = list(futures)
    waiting: set[Future[Any]] = set(every)
    try:
        while waiting:
            ended, waiting = wait(waiting, POLL_SECONDS, FIRST_COMPLETED)
            look()
            for future in ended:
                future.result()
        return [future.result() for future in every]
    except BaseException:
        give_up()
        for future in every:
            future.cancel()
        wait(every, GRACE_SECONDS)
        raise
