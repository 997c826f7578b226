"""Shards take the place of older ones, all of them or none, whatever ends the process.

While shards are replaced, `.making` in it holds what tells the state, whatever ends the process:

    new/       the new shards, until all of the old ones are in old/; then it becomes
    entering/  those of the new shards that are not in their place yet
    old/       the old ones; while it is there, the folder is not to be used. When all is in place, it becomes
    done/      which only needs to be deleted
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from ...errors import ShardError
from ..folder import REPLACED
from .destination import disk_errors, made_among, old_shards, refuse_in_the_way, shards_in, test_in
from .pack import is_made_here

_LOCK = ".making.lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Makes a folder if there is none, and keeps every other make out of it. If it was not there and stays empty, it is removed.

    Raises:
        ShardError: another make has it, or it cannot be written to.
    """
    was_there = folder.exists()
    try:
        with disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            file = _lock(folder)
        with file:
            try:
                yield
            finally:
                with suppress(OSError):
                    (folder / _LOCK).unlink()
    finally:
        if not was_there:
            with suppress(OSError):
                folder.rmdir()


@contextmanager
def replacing(folder: Path, sources: Collection[Path], with_test: bool) -> Iterator[tuple[Path, Collection[Path]]]:
    """Yields an empty folder for new shards, which take the place of the old ones when it is full, and what these are.

    If there is an error inside the with block, all is as it was.

    The folder must be locked. The other arguments are those of `old_shards`.

    Raises:
        ShardError: as for `old_shards`, or the disk fails.
    """
    new = folder / REPLACED.parent / "new"
    with disk_errors(folder):
        _roll_back(folder)  # of a make that was killed
        old = old_shards(folder, sources, with_test)
        try:
            new.mkdir(parents=True)
            yield new, old
            _replace(folder, old)
        except BaseException:
            _roll_back(folder)
            raise


def _replace(folder: Path, old: Collection[Path]) -> None:
    making = folder / REPLACED.parent
    new, entering = making / "new", making / "entering"
    names = [path.relative_to(new) for path in sorted(new.rglob("*.zip"))]
    for name in names:
        refuse_in_the_way(folder / name, folder / name not in old)
    (folder / REPLACED).mkdir()
    _move([path.relative_to(folder) for path in old], folder, folder / REPLACED)
    new.rename(entering)
    _move(names, entering, folder)
    (folder / REPLACED).rename(making / "done")
    shutil.rmtree(making, ignore_errors=True)


def _roll_back(folder: Path) -> None:
    making, old = folder / REPLACED.parent, folder / REPLACED
    if old.exists():
        if not (making / "new").exists():
            for path in (*made_among(shards_in(folder)), *filter(is_made_here, test_in(folder))):
                path.unlink()
                _remove_if_empty(path.parent, folder)
            (making / "new").mkdir()  # else those that are about to come back would be taken for new ones
        _move([path.relative_to(old) for path in sorted(path for path in old.rglob("*") if not path.is_dir())], old, folder)
        shutil.rmtree(old)
    shutil.rmtree(making, ignore_errors=True)


def _move(names: Iterable[Path], source: Path, target: Path) -> None:
    for name in names:
        (target / name).parent.mkdir(exist_ok=True)
        (source / name).rename(target / name)
        _remove_if_empty((source / name).parent, source)


def _remove_if_empty(folder: Path, unless: Path) -> None:
    if folder != unless:
        with suppress(OSError):
            folder.rmdir()


def _lock(folder: Path) -> IO[bytes]:
    while True:
        file = (folder / _LOCK).open("ab")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Who had it may have deleted it since it was opened.
            if os.path.samestat(os.fstat(file.fileno()), (folder / _LOCK).stat()):
                return file
        except BlockingIOError:
            file.close()
            raise ShardError(f"Another make_shards is writing to {folder}.", "Wait for it, or choose another folder.") from None
        except FileNotFoundError:
            pass
        except BaseException:
            file.close()
            raise
        file.close()
