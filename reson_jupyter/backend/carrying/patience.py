"""A file that must not be lost, on its way into a store that may be away for a while."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

from ...errors import StoreError
from ..interruptible import done_unless
from ..store import Store


def put_patiently(store: Store, key: str, path: Path, *, patience: float, hurry: Callable[[], bool], keep: Path) -> None:
    """Stores a file; a store that is away is waited for, and at last the file is kept on this machine.

    Args:
        store: Where to.
        key: Its key.
        path: The file.
        patience: Seconds that the store may be away.
        hurry: Whether somebody asked for the end meanwhile.
        keep: The folder that the file is copied to if the store does not take it.

    Raises:
        StoreError: the store did not take it; it says where the file is.
    """
    until = time.monotonic() + patience
    while True:
        try:
            if done_unless(hurry, lambda: store.put_file(key, path)):
                return
            problem = StoreError("The store did not answer until the end was asked for.")
        except StoreError as error:
            problem = error
        if time.monotonic() > until or hurry():
            raise _kept_here(path, keep, problem)
        time.sleep(1)


def _kept_here(path: Path, keep: Path, problem: StoreError) -> StoreError:
    """Keeps a model that the store does not take in a folder, and returns the error that says so."""
    try:
        return StoreError(f"{problem.message} The model was kept in {shutil.copy(path, keep)}", problem.hint)
    except OSError:  # the folder is gone, or the disk full
        return problem
