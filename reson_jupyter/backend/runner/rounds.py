"""Keeps the model of every round in the store while the run goes on."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path

from ...errors import StoreError
from ..carrying.aside import aside
from ..interruptible import done_unless
from ..store import Store

BUDGET = 2 * 1024**3  # bytes that the kept rounds of a run may take in all
_RETRY = 1.0


def round_name(number: int) -> str:
    """Returns the name of a round's file: where it is kept in the store, and where the persistor leaves it."""
    return f"round_{number:05d}.pt"


def round_key(prefix: str, number: int) -> str:
    """Returns the key of a round's model."""
    return f"{prefix}/files_out/rounds/{round_name(number)}"


class RoundKeeper:
    """Stores round files on a thread of its own; the oldest go when they get too many, the newest never.

    Args:
        folder: Where the persistor leaves them; each is removed once it is stored.
        store: Where the run's files lie.
        prefix: The run's key prefix.
        budget: Bytes that may be kept.
    """

    def __init__(self, folder: Path, store: Store, prefix: str, budget: int = BUDGET) -> None:
        self._folder = folder
        self._store = store
        self._prefix = prefix
        self._budget = budget
        self._saved: queue.Queue[int | None] = queue.Queue()
        self._kept: dict[int, int] = {}
        self._until: float | None = None
        self._thread = threading.Thread(target=self._carry, name="keep rounds", daemon=True)
        self._thread.start()

    def keep(self, number: int) -> None:
        """Takes note that a round's file is there; returns at once."""
        self._saved.put(number)

    def finish(self, patience: float, hurry: Callable[[], bool] = lambda: False) -> bool:
        """Stores what is left, for so many seconds at most, or until somebody is in a hurry; returns whether all is stored."""
        self._until = time.monotonic() + patience
        self._saved.put(None)
        if not done_unless(hurry, self._thread.join):
            self._until = 0.0
        return not any((self._folder).glob("round_*.pt"))

    def _carry(self) -> None:
        while (number := self._saved.get()) is not None:
            path = self._folder / round_name(number)
            # While the store was away more may have gathered than may be kept.
            if path.is_file() and not self._crowded(number) and self._stored(number, path):
                self._kept[number] = path.stat().st_size
                self._thin()
                path.unlink()

    def _crowded(self, number: int) -> bool:
        """Drops a file that newer ones leave no room for."""
        newer = [path.stat().st_size for path in self._folder.glob("round_*.pt") if path.name > round_name(number)]
        path = self._folder / round_name(number)
        if newer and sum(newer) + path.stat().st_size > self._budget:
            path.unlink()
            return True
        return False

    def _stored(self, number: int, path: Path) -> bool:
        while True:
            try:
                self._store.put_file(round_key(self._prefix, number), path)
            except StoreError as error:
                if self._until is not None and time.monotonic() > self._until:
                    aside(f"round {number + 1} was not kept: {error}")
                    return False
                time.sleep(_RETRY)
            else:
                return True

    def _thin(self) -> None:
        """Removes the oldest rounds until the others fit."""
        while len(self._kept) > 1 and sum(self._kept.values()) > self._budget:
            oldest = min(self._kept)
            try:
                self._store.delete(round_key(self._prefix, oldest))
            except StoreError:
                return  # with the next one
            del self._kept[oldest]
