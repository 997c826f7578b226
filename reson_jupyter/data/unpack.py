"""Unpacking a shard whose zip nobody vouches for: every name, size and place is checked before anything is written."""

from __future__ import annotations

import io
import shutil
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from ..errors import ShardError
from ..names import printable
from .problems import Problems
from .zip_problems import MAX_MEMBERS, find_problems, is_of_macos

# zipfile takes the whole directory into memory before anything of it can be looked at; honest ones have some 120 bytes a member.
_MAX_DIRECTORY_BYTES = 128 << 20
_ENTRY = b"PK\1\2"
_CHUNK = 1 << 20
_BUFFER = 1 << 16
# What zipfile raises for bytes that are not what the zip's directory says.
ZIP_ERRORS = (zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, EOFError, NotImplementedError, ValueError)
_HINT = "Make the shard again, with a tool that writes plain zips."


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
    try:
        file = _Bounded(io.FileIO(str(path)))
    except OSError as error:
        why = error.strerror or error
        raise ShardError(f"{printable(str(path))} cannot be read: {why}.", "Check the path and its permissions.") from None
    with file:
        try:
            archive = zipfile.ZipFile(file)
        except ZIP_ERRORS as error:
            reason = error if path.stat().st_size else "it is empty"
            raise ShardError(f"{printable(path.name)} is not a zip file: {reason}.", _HINT) from None
        file.opened = True
        with archive:
            yield archive


class _Bounded(io.BufferedReader):
    """A zip whose directory is looked at before zipfile makes objects of it, some 500 bytes for each member."""

    opened = False

    def read(self, size: int | None = -1, /) -> bytes:
        # Of what zipfile reads to open a zip, only the directory can be as large.
        if size is not None and size > _CHUNK and not self.opened:
            self._check_directory(size)
        return super().read(size)

    def _check_directory(self, size: int) -> None:
        if size > _MAX_DIRECTORY_BYTES:
            self._refuse(f"its directory has {size:,} bytes; at most {_MAX_DIRECTORY_BYTES:,} are read")
        # Counted, for the number in the zip's end record may be a lie, which zipfile does not notice.
        start, count, tail = self.tell(), 0, b""
        for place in range(0, size, _CHUNK):
            chunk = super().read(min(_CHUNK, size - place))
            count += (tail + chunk).count(_ENTRY)
            tail = chunk[1 - len(_ENTRY) :]
            if count > MAX_MEMBERS:
                self._refuse(f"it has more than {MAX_MEMBERS:,} members, which is the most that are unpacked")
        self.seek(start)

    def _refuse(self, why: str) -> None:
        name = printable(Path(self.name).name)
        raise ShardError(f"{name} is not opened: {why}.", "Make smaller shards, or put many small files into few large ones.")


@contextmanager
def open_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[BinaryIO]:
    """Opens a member to be read in pieces; read whole it would take as much memory as it unpacks to, whatever size it claims.

    Raises:
        zipfile.BadZipFile: it is damaged, or was read to its end and has another size; or another of `ZIP_ERRORS`.
    """
    with archive.open(member) as source, io.BufferedReader(cast(io.RawIOBase, source), _BUFFER) as file:
        yield file
        if not file.peek(1):
            _check_length(member, file.tell())


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
