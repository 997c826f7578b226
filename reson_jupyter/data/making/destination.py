"""The folder where shards are to lie: what may be replaced in it, whether there is room, and what its disk says."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from ...errors import ShardError
from ..folder import TEST
from ..report import counted
from .items import CHUNK
from .pack import is_made_here, number_of


def old_shards(folder: Path, sources: Collection[Path], with_test: bool) -> list[Path]:
    """Returns the zips in a folder that new shards replace: all of them, for every zip there would be a site's.

    The test set of an earlier call is replaced by another one only: left alone it could hold what sites train on from now on, and
    somebody may want to try models on it again.

    Args:
        folder: The folder; it need not exist.
        sources: Zips that the new shards are made of.
        with_test: Whether there is to be a test set.

    Raises:
        ShardError: somebody else put them there, the new ones are made of them, or a test set would be left.
    """
    if "\0" in str(folder):
        raise ShardError(f"{str(folder)!r} is no name of a folder.", "Choose a folder for the shards.")
    try:
        if not folder.exists():
            return []
        if not folder.is_dir():
            raise ShardError(f"{folder} is a file.", "Choose a folder for the shards.")
        shards, test = shards_in(folder), test_in(folder)
        foreign = sorted({path.name for path in shards} - {path.name for path in made_among(shards)})
        foreign_test = [str(TEST) for path in test if not is_made_here(path)]
    except OSError as error:
        raise ShardError(f"{error.filename or folder} cannot be read: {error.strerror}.", "Check its permissions.") from None
    if with_test:
        foreign += foreign_test
        refuse_in_the_way(folder / TEST.parent, not (folder / TEST.parent).is_dir())
    if foreign:
        more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
        raise ShardError(
            f"There are zips in {folder} that make_shards did not make: {foreign[0]}{more}. Each would be the shard of a site.",
            "Choose another folder, or move them away. What was changed, renamed or copied is not replaced either.",
        )
    if {path.resolve() for path in (*shards, *test)} & {path.resolve() for path in sources}:
        raise ShardError(f"The new shards would replace those in {folder} that they are made of.", "Choose another folder.")
    own_test = test if not foreign_test else []
    if own_test and not with_test:
        raise ShardError(
            f"{folder / TEST} is the test set of an earlier call, and this call makes none: sites might train on its samples.",
            "Move it away or delete it, choose another folder, or have a new one made: test=0.2 (in a magic --test 0.2).",
        )
    return [*shards, *own_test]


def made_among(shards: Iterable[Path]) -> list[Path]:
    """Returns those of the zips that make_shards wrote itself under the names that they have.

    Of several with the same number all but one are copies: the one with the shortest name is not.

    Raises:
        OSError: one cannot be read.
    """
    by_number: dict[int, Path] = {}
    for path in sorted(shards, key=lambda path: (len(path.name), path.name)):
        number = number_of(path.name)
        if number is not None and is_made_here(path):
            by_number.setdefault(number, path)
    return list(by_number.values())


def replaced_note(old: Collection[Path]) -> list[str]:
    """Returns a line on what was replaced, if something was."""
    shards = sum(path.name != TEST.name for path in old)
    parts = [*([counted(shards, "shard")] if shards else []), *([str(TEST)] if len(old) > shards else [])]
    return [f"replaced {' and '.join(parts)}"] if parts else []


def check_writable(folder: Path) -> None:
    """Refuses a folder that nothing can be written to, or that cannot be made.

    Raises:
        ShardError: see there.
    """
    try:
        # The permissions alone do not tell: the disk may be read-only.
        tempfile.TemporaryFile(dir=existing_part(folder)).close()
    except OSError as error:
        if error.errno != errno.ENOSPC:  # `check_room` says how much is missing
            raise _cannot_write(folder, error) from None


def check_room(folder: Path, needed: int) -> None:
    """Refuses what the disk has no room for.

    Raises:
        ShardError: see there.
    """
    with disk_errors(folder):
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


def shards_in(folder: Path) -> list[Path]:
    """Returns what would be taken for the shards of a folder."""
    return [path for path in folder.iterdir() if path.suffix.lower() == ".zip" and not path.name.startswith(".")]


def test_in(folder: Path) -> list[Path]:
    """Returns the test set of a folder, if there is one."""
    return [folder / TEST] if os.path.lexists(folder / TEST) else []


def refuse_in_the_way(path: Path, strange: bool) -> None:
    """Raises `ShardError` if there is something at `path` that is `strange`."""
    if strange and os.path.lexists(path):
        raise ShardError(f"{path} is in the way of the new shards.", "Choose another folder, or move it away.")


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turns what the disk says into a `ShardError`."""
    try:
        yield
    except OSError as error:
        raise _cannot_write(error.filename or folder, error) from None


def _cannot_write(where: object, error: OSError) -> ShardError:
    reason = f"{where}: {error.strerror or error}"
    return ShardError(f"The shards cannot be written: {reason}.", "Check the disk and its permissions.")
