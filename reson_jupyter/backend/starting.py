"""The start of a run: a store must not hold it up for minutes, and whoever asked for it may stop it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, InvalidStateError, wait
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TypeVar

from ..config.urls import without_user
from ..errors import RunError, StoreError

T = TypeVar("T")

_PATIENCE = 30.0  # seconds
_BETWEEN_LOOKS = 0.1
_HINT = (
    "No run was started. Check that the store is right (store, or RESON_S3_ENDPOINT of a bucket), that it runs, "
    "and that this computer reaches it."
)


class Start:
    """What somebody waits for, and may stop; for a submit until its run has begun. Any thread may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stopped = False
        self._begun = False

    @property
    def stopped(self) -> bool:
        """Whether somebody stopped it."""
        return self._stopped

    def stop(self) -> bool:
        """Stops it, unless its run has begun; returns whether it is stopped."""
        with self._lock:
            self._stopped = not self._begun
            return self._stopped

    def check(self) -> None:
        """Raises `RunError` if it was stopped."""
        if self._stopped:
            raise RunError("The submit was stopped.", "No run was started.")

    def begin(self) -> None:
        """The run begins, and nothing stops this any more. Raises `RunError` if it was stopped before."""
        with self._lock:
            self.check()
            self._begun = True


_current: ContextVar[Start | None] = ContextVar("start of a run", default=None)


@contextmanager
def stoppable(start: Start) -> Iterator[None]:
    """What is submitted in here, on this thread, is stopped with `start`."""
    token = _current.set(start)
    try:
        yield
    finally:
        _current.reset(token)


def current_start() -> Start:
    """Returns what stops the work of this thread; one that nobody stops if it was given none."""
    return _current.get() or Start()


def answer_of(store: str, ask: Callable[[], T], too_late: Callable[[T], object] = lambda _: None) -> T:
    """Asks a store something on a daemon thread, which is left behind where it hangs.

    Args:
        store: The store's URL.
        ask: What is asked. What it raises is raised here.
        too_late: Told, on any thread, an answer that came when nobody waited for it any more.

    Raises:
        StoreError: there is no answer within half a minute.
        RunError: the start of the run was stopped meanwhile.
    """
    start = current_start()
    answer: Future[T] = Future()

    def carry() -> None:
        try:
            found = ask()
        except BaseException as error:
            with suppress(InvalidStateError):
                answer.set_exception(error)
            return
        try:
            answer.set_result(found)
        except InvalidStateError:
            too_late(found)

    threading.Thread(target=carry, name="start of a run", daemon=True).start()
    until = time.monotonic() + _PATIENCE
    try:
        while not wait([answer], _BETWEEN_LOOKS).done:
            start.check()
            if time.monotonic() > until:
                raise StoreError(f"The store {without_user(store)} did not answer within {_PATIENCE:.0f} s.", _HINT)
    except BaseException:
        if not answer.cancel() and answer.exception() is None:  # it came at this very moment
            threading.Thread(target=too_late, args=(answer.result(),), name="too late", daemon=True).start()
        raise
    return answer.result()
