"""How far an upload is: counted by the threads that send, told in the thread that waits for them."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .base import Progress
from .plan import Plan, Upload

# The rate is that of the last seconds, so that a line that becomes slower, or parts that were there already, soon show.
_WINDOW_SECONDS = 10.0
# Before that, socket buffers that fill make any line look fast.
_SETTLED_SECONDS = 1.0


@dataclass(frozen=True)
class Sent:
    """How far an upload is.

    Attributes:
        done: Bytes that are in the store or on their way, parts of an earlier attempt included.
        total: Bytes to be sent in all.
        items: Of each object that is sent, by key: its bytes done and in all.
        seconds_left: How long the rest will take; None: not known yet.
    """

    done: int
    total: int
    items: Mapping[str, tuple[int, int]]
    seconds_left: float | None


UploadProgress = Callable[[Sent], None]
"""Called several times a second in the thread that called `upload`; once at the begin, and at the end with everything done."""


class Meter:
    """Counts a plan's bytes.

    Args:
        plan: What is sent.
        progress: Who is told; None: nobody.
    """

    def __init__(self, plan: Plan, progress: UploadProgress | None) -> None:
        self._plan = plan
        self._progress = progress
        self._lock = threading.Lock()
        self._done = {item.key: 0 for item in plan.new}
        self._total = {item.key: plan.to_send(item) for item in plan.new}
        self._window: deque[tuple[float, int]] = deque()
        self._told: Mapping[str, tuple[int, int]] | None = None

    def of(self, item: Upload) -> Progress:
        """Returns what counts an item's bytes."""

        def moved(count: int) -> None:
            with self._lock:
                self._done[item.key] += count

        return moved

    def again(self, item: Upload) -> None:
        """An item has to be sent anew."""
        with self._lock:
            self._done[item.key] = 0
            self._total[item.key] = self._plan.to_send(item)

    def tell(self) -> None:
        """Tells how far it is, if that has changed."""
        if self._progress is None:
            return
        with self._lock:
            items = {key: (done, self._total[key]) for key, done in self._done.items()}
        if items == self._told:
            return
        self._told = items
        done, total = (sum(counts) for counts in zip(*items.values(), strict=True)) if items else (0, 0)
        self._progress(Sent(done, total, items, self._seconds_left(done, total)))

    def _seconds_left(self, done: int, total: int) -> float | None:
        now = time.monotonic()
        self._window.append((now, done))
        while now - self._window[0][0] > _WINDOW_SECONDS:
            self._window.popleft()
        since, before = self._window[0]
        if done == total:
            return 0.0
        if now - since >= _SETTLED_SECONDS and done > before:
            return (total - done) * (now - since) / (done - before)
        return self._plan.rate and (total - done) / self._plan.rate
