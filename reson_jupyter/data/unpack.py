"""Unpacking a shard whose zip nobody vouches for, as the sites do it, with words for people."""

from __future__ import annotations

import io
import shutil
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from ..errors import ShardError
from ..names import printable
from ..worker.unpack import (
    _reson_check_length,
    _reson_NotOpened,
    _reson_open_zip,
    _reson_TooLarge,
    _reson_write_members,
    _reson_ZIP_ERRORS,
)  # fmt: skip
from .problems import Problems
from .zip_problems import find_problems

_BUFFER = 1 << 16
# What zipfile raises for bytes that are not what the zip's directory says.
ZIP_ERRORS = _reson_ZIP_ERRORS
_HINT = "Make the shard again, with a tool that writes plain zips."
_HINT_TOO_LARGE = "Make smaller shards, or put many small files into few large ones."


def unpack_shard(zip_path: Path, dest: Path) -> None:
    """Unpacks a shard into `dest`, which must not exist or be empty. On any failure nothing is left there.

    Raises:
        ShardError: the zip is damaged or not safe to unpack, or the disk is too small.
    """
    name = printable(zip_path.name)
    with checked_zip(zip_path) as archive:
        if dest.exists() and any(dest.iterdir()):
            raise ShardError(f"{dest} is not empty, so {name} cannot be unpacked there.", "Choose an empty folder.")
        _check_room(archive, dest, name)
        try:
            dest.mkdir(parents=True, exist_ok=True)
            write_members(archive, archive.infolist(), dest)
        except BaseException:
            shutil.rmtree(dest, ignore_errors=True)
            raise


@contextmanager
def checked_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    """Opens a zip that is to be unpacked.

    Raises:
        ShardError: it is no zip or not safe to unpack; or it proves to be damaged, or the disk fails, inside the with block.
    """
    name = printable(path.name)
    try:
        with open_zip(path) as archive:
            problems = Problems()
            find_problems(archive, problems)
            problems.raise_if_any(f"{name} is not safe to unpack", _HINT)
            yield archive
    except ZIP_ERRORS as error:
        raise ShardError(f"{name} cannot be unpacked: {error}.", _HINT) from None
    except OSError as error:
        reason = error.strerror or error
        raise ShardError(f"{name} cannot be unpacked: {reason}.", "Check the disk and permissions.") from None


@contextmanager
def open_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    """Opens a zip; `find_problems` then tells whether it is safe to read.

    Raises:
        ShardError: it is no zip, or cannot be read, or its directory is too large.
    """
    with ExitStack() as opened:
        try:
            archive = opened.enter_context(_reson_open_zip(str(path)))
        except _reson_NotOpened as error:
            hint = _HINT_TOO_LARGE if isinstance(error, _reson_TooLarge) else _HINT
            raise ShardError(f"{printable(path.name)} {error}.", hint) from None
        except OSError as error:
            why = error.strerror or error
            raise ShardError(f"{printable(str(path))} cannot be read: {why}.", "Check the path and its permissions.") from None
        yield archive


@contextmanager
def open_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[BinaryIO]:
    """Opens a member to be read in pieces; read whole it would take as much memory as it unpacks to, whatever size it claims.

    Raises:
        zipfile.BadZipFile: it is damaged, or was read to its end and has another size; or another of `ZIP_ERRORS`.
    """
    with archive.open(member) as source, io.BufferedReader(cast(io.RawIOBase, source), _BUFFER) as file:
        yield file
        if not file.peek(1):
            _reson_check_length(member, file.tell())


def write_members(archive: zipfile.ZipFile, members: Iterable[zipfile.ZipInfo], dest: Path) -> None:
    """Writes these members of a checked zip below `dest`, but what macOS adds.

    Raises:
        zipfile.BadZipFile: one is damaged or has another size than it claims; or another of `ZIP_ERRORS`.
        OSError: the disk fails.
    """
    _reson_write_members(archive, members, str(dest), lambda: None)


def _check_room(archive: zipfile.ZipFile, dest: Path, name: str) -> None:
    existing = next(folder for folder in (dest, *dest.absolute().parents) if folder.exists())
    total, free = sum(member.file_size for member in archive.infolist()), shutil.disk_usage(existing).free
    if total > free:
        raise ShardError(f"{name} unpacks to {total:,} bytes, and {existing} has room for {free:,}.", "Make room on the disk.")
