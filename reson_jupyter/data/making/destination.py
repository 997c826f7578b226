"""The folder where shards are to lie: what may be replaced in it, and that it never seems to hold what is half-written.

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
import tempfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from ...errors import ShardError
from ..folder import REPLACED, TEST
from .items import CHUNK
from .pack import is_made_here

_LOCK = ".making.lock"


def old_shards(folder: Path, sources: Collection[Path], with_test: bool) -> list[Path]:
    """Returns the zips in a folder that new shards replace: all of them, for every zip there would be a site's.

    Args:
        folder: The folder; it need not exist.
        sources: Zips that the new shards are made of.
        with_test: Whether there is to be a test set.

    Raises:
        ShardError: somebody else put them there, or the new ones are made of them.
    """
    if "\0" in str(folder):
        raise ShardError(f"{str(folder)!r} is no name of a folder.", "Choose a folder for the shards.")
    try:
        if not folder.exists():
            return []
        if not folder.is_dir():
            raise ShardError(f"{folder} is a file.", "Choose a folder for the shards.")
        shards, test = _shards_in(folder), _test_in(folder)
        foreign = sorted(path.name for path in shards if not is_made_here(path))
        foreign_test = [str(TEST) for path in test if not is_made_here(path)]
    except OSError as error:
        raise ShardError(f"{error.filename or folder} cannot be read: {error.strerror}.", "Check its permissions.") from None
    if with_test:
        foreign += foreign_test
        _refuse_in_the_way(folder / TEST.parent, not (folder / TEST.parent).is_dir())
    if foreign:
        more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
        raise ShardError(
            f"There are zips in {folder} that make_shards did not make: {foreign[0]}{more}. Each would be the shard of a site.",
            "Choose another folder, or move them away. What was changed since it was made is not replaced either.",
        )
    if {path.resolve() for path in (*shards, *test)} & {path.resolve() for path in sources}:
        raise ShardError(f"The new shards would replace those in {folder} that they are made of.", "Choose another folder.")
    return [*shards, *(test if not foreign_test else [])]


def check_room(folder: Path, needed: int) -> None:
    """Refuses what the disk has no room for.

    Raises:
        ShardError: see there.
    """
    with _disk_errors(folder):
        free = shutil.disk_usage(existing_part(folder)).free
    if needed > free:
        raise ShardError(f"The shards need {needed:,} bytes, and {folder} has room for {free:,}.", "Make room on the disk.")


def existing_part(folder: Path) -> Path:
    """Returns the folder, or the nearest above it that exists."""
    return next(one for one in (folder, *folder.absolute().parents) if one.is_dir())


@contextmanager
def new_spool(folder: Path) -> Iterator[IO[bytes]]:
    """Yields a file for images in memory: on the disk that the shards are to lie on, for where temporary files lie may be memory.

    There is nothing on the disk before there is more of them than one piece.
    """
    spool = tempfile.SpooledTemporaryFile(max_size=CHUNK, dir=str(existing_part(folder)))  # noqa: SIM115 - it may fail as it is closed
    try:
        yield spool
    finally:
        with suppress(OSError):  # that the disk is full has been said by then
            spool.close()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Makes a folder if there is none, and keeps every other make out of it. If it was not there and stays empty, it is removed.

    Raises:
        ShardError: another make has it, or it cannot be written to.
    """
    was_there = folder.exists()
    try:
        with _disk_errors(folder):
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
def replacing(folder: Path, sources: Collection[Path], with_test: bool) -> Iterator[Path]:
    """Yields an empty folder for new shards; when it is full, they take the place of the old ones. Else all is as it was.

    The folder must be locked. The other arguments are those of `old_shards`.

    Raises:
        ShardError: as for `old_shards`, or the disk fails.
    """
    new = folder / REPLACED.parent / "new"
    with _disk_errors(folder):
        _roll_back(folder)  # of a make that was killed
        old = old_shards(folder, sources, with_test)
        try:
            new.mkdir(parents=True)
            yield new
            _replace(folder, old)
        except BaseException:
            _roll_back(folder)
            raise


def _replace(folder: Path, old: Collection[Path]) -> None:
    making = folder / REPLACED.parent
    new, entering = making / "new", making / "entering"
    names = [path.relative_to(new) for path in sorted(new.rglob("*.zip"))]
    for name in names:
        _refuse_in_the_way(folder / name, folder / name not in old)
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
            for path in [path for path in (*_shards_in(folder), *_test_in(folder)) if is_made_here(path)]:
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


def _shards_in(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.suffix.lower() == ".zip" and not path.name.startswith(".")]


def _test_in(folder: Path) -> list[Path]:
    return [folder / TEST] if os.path.lexists(folder / TEST) else []


def _refuse_in_the_way(path: Path, strange: bool) -> None:
    if strange and os.path.lexists(path):
        raise ShardError(f"{path} is in the way of the new shards.", "Choose another folder, or move it away.")


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


@contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = f"{error.filename or folder}: {error.strerror or error}"
        raise ShardError(f"The shards cannot be written: {reason}.", "Check the disk and its permissions.") from None
