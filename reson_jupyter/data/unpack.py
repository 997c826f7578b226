"""Unpacking a shard whose zip nobody vouches for: every name, size and place is checked before anything is written."""

from __future__ import annotations

import io
import shutil
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import ShardError
from .problems import Problems
from .zip_problems import find_problems, is_of_macos

# zipfile takes the whole directory into memory before anything of it can be looked at.
_MAX_DIRECTORY_BYTES = 256 << 20
_CHUNK = 1 << 20
# What zipfile raises for bytes that are not what the zip's directory says.
ZIP_ERRORS = (zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, EOFError, NotImplementedError, ValueError)
_HINT = "Make the shard again, with a tool that writes plain zips."


def unpack_shard(zip_path: Path, dest: Path) -> None:
    """Unpacks a shard into `dest`, which must not exist or be empty. On any failure nothing is left there.

    Raises:
        ShardError: the zip is damaged or not safe to unpack, or the disk is too small.
    """
    with checked_zip(zip_path) as archive:
        if dest.exists() and any(dest.iterdir()):
            raise ShardError(f"{dest} is not empty, so {zip_path.name} cannot be unpacked there.", "Choose an empty folder.")
        _check_room(archive, dest, zip_path.name)
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
    try:
        with open_zip(path) as archive:
            problems = Problems()
            find_problems(archive, problems)
            problems.raise_if_any(f"{path.name} is not safe to unpack", _HINT)
            yield archive
    except ZIP_ERRORS as error:
        raise ShardError(f"{path.name} cannot be unpacked: {error}.", _HINT) from None
    except OSError as error:
        reason = error.strerror or error
        raise ShardError(f"{path.name} cannot be unpacked: {reason}.", "Check the disk and permissions.") from None


@contextmanager
def open_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    """Opens a zip; `find_problems` then tells whether it is safe to read.

    Raises:
        ShardError: it is no zip, or cannot be read.
    """
    try:
        file = _Bounded(io.FileIO(str(path)))
    except OSError as error:
        raise ShardError(f"{path} cannot be read: {error.strerror or error}.", "Check the path and its permissions.") from None
    with file:
        try:
            archive = zipfile.ZipFile(file)
        except ZIP_ERRORS as error:
            reason = error if path.stat().st_size else "it is empty"
            raise ShardError(f"{path.name} is not a zip file: {reason}.", _HINT) from None
        with archive:
            yield archive


class _Bounded(io.BufferedReader):
    """A file of which no more is read at once than a directory may have."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _MAX_DIRECTORY_BYTES:
            raise zipfile.BadZipFile(f"its directory has {size:,} bytes; at most {_MAX_DIRECTORY_BYTES:,} are read")
        return super().read(size)


def read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """Returns the content of a member; ZipFile.read would take as much memory as the member unpacks to, whatever size it claims.

    Raises:
        zipfile.BadZipFile: it is damaged or has another size; or another of `ZIP_ERRORS`.
    """
    with archive.open(member) as source:
        data = source.read(member.file_size)
    _check_length(member, len(data))
    return data


def write_members(archive: zipfile.ZipFile, members: Iterable[zipfile.ZipInfo], dest: Path) -> None:
    """Writes these members of a checked zip below `dest`, but what macOS adds.

    Raises:
        zipfile.BadZipFile: one is damaged or has another size than it claims; or another of `ZIP_ERRORS`.
        OSError: the disk fails.
    """
    for member in members:
        if is_of_macos(member.orig_filename):
            continue
        target = dest / member.orig_filename
        if member.is_dir():
            target.mkdir(parents=True, exist_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        # "x": a file that is already there, on a file system with rules of its own, is never written through.
        with archive.open(member) as source, target.open("xb") as file:
            while chunk := source.read(_CHUNK):
                file.write(chunk)
            _check_length(member, file.tell())


def _check_room(archive: zipfile.ZipFile, dest: Path, name: str) -> None:
    existing = next(folder for folder in (dest, *dest.absolute().parents) if folder.exists())
    total, free = sum(member.file_size for member in archive.infolist()), shutil.disk_usage(existing).free
    if total > free:
        raise ShardError(f"{name} unpacks to {total:,} bytes, and {existing} has room for {free:,}.", "Make room on the disk.")


def _check_length(member: zipfile.ZipInfo, length: int) -> None:
    if length != member.file_size:
        raise zipfile.BadZipFile(f"member {member.orig_filename[:200]!r} has {length:,} bytes, not {member.file_size:,}")
