"""Folders for work that is soon done, in the system's temporary folder; those of killed processes are removed by a later one."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# Whoever works in a folder holds the lock of this file in it, which the system takes back from a process that ends in any way.
_LOCK = ".lock"


@contextmanager
def scratch_folder(prefix: str) -> Iterator[Path]:
    """Makes a folder, and removes it at the end; before, it removes those of processes that ended without doing so.

    Args:
        prefix: What the folder's name begins with, such as "reson-seed-".
    """
    _sweep(prefix)
    with tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        unlocked = folder / f"{_LOCK}.new"
        with unlocked.open("wb") as file:
            with suppress(OSError):  # a file system without locks: nobody will sweep this one
                fcntl.flock(file, fcntl.LOCK_EX)
                unlocked.rename(folder / _LOCK)  # locked under this name from the first moment
            yield folder


def _sweep(prefix: str) -> None:
    for lock in Path(tempfile.gettempdir()).glob(f"{prefix}*/{_LOCK}"):
        with suppress(OSError):
            if lock.parent.lstat().st_uid == os.getuid():  # nobody else can have written into it
                _remove_unless_used(lock)


def _remove_unless_used(lock: Path) -> None:
    """Raises `OSError`: somebody works there, or has removed it meanwhile."""
    with lock.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(lock.parent, ignore_errors=True)
