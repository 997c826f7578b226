"""Unpacking a zip that nobody vouches for: every name, size and place is checked before anything is written.

This file travels to the sites below the executor's module, as zip_rules.py does; its names follow the same rules.
"""

import builtins as _reson_py
import contextlib as _reson_contextlib
import io as _reson_io
import os as _reson_os
import shutil as _reson_shutil
import zipfile as _reson_zipfile
import zlib as _reson_zlib
from collections.abc import Callable as _reson_Callable
from collections.abc import Iterator as _reson_Iterator
from typing import Any as _reson_Any

from .zip_rules import _reson_find_problems, _reson_is_of_macos, _reson_MAX_MEMBERS

# zipfile takes the whole directory into memory before anything of it can be looked at; honest ones have some 120 bytes a member.
_reson_MAX_DIRECTORY_BYTES = 128 << 20
_reson_ENTRY = b"PK\1\2"
_reson_CHUNK = 1 << 20
# What zipfile raises for bytes that are not what the zip's directory says.
_reson_ZIP_ERRORS = (
    _reson_zipfile.BadZipFile, _reson_zipfile.LargeZipFile, _reson_zlib.error, EOFError, NotImplementedError, ValueError
)  # fmt: skip


class _reson_NotOpened(Exception):
    """What should be a zip cannot be opened as one; the message says why."""


class _reson_TooLarge(_reson_NotOpened):
    """Its directory alone would fill the memory."""


class _reson_Unsafe(Exception):
    """A zip is not safe to unpack; every argument is a sentence that says why."""


def _reson_unpack(path: str, dest: str, check: _reson_Callable[[], None], make_room: "_reson_Callable[[int], None]") -> None:
    """Unpacks a zip into a new folder. On any failure nothing is left there.

    Args:
        path: The zip.
        dest: The folder.
        check: Called time and again; raises where the unpacking is to stop.
        make_room: Told how many bytes there will be; raises if the disk is too small for them.

    Raises:
        _reson_NotOpened: it is no zip.
        _reson_Unsafe: it is not safe to unpack.
        OSError: the disk fails.
        Exception: one of `_reson_ZIP_ERRORS`, where it is damaged; or what `check` and `make_room` raise.
    """
    problems: list[str] = []
    with _reson_open_zip(path) as archive:
        _reson_find_problems(archive, problems.append)
        if problems:
            raise _reson_Unsafe(*problems)
        make_room(_reson_py.sum(member.file_size for member in archive.infolist()))
        _reson_os.makedirs(dest)
        try:
            _reson_write_members(archive, archive.infolist(), dest, check)
        except BaseException:
            _reson_shutil.rmtree(dest, ignore_errors=True)
            raise


@_reson_contextlib.contextmanager
def _reson_open_zip(path: str) -> _reson_Iterator[_reson_zipfile.ZipFile]:
    """Opens a zip, of which nothing is known then.

    Raises:
        _reson_NotOpened: it is no zip; or `_reson_TooLarge`.
        OSError: it cannot be read.
    """
    with _reson_Bounded(_reson_io.FileIO(path)) as file:
        try:
            archive = _reson_zipfile.ZipFile(file)
        except _reson_ZIP_ERRORS as error:
            reason = error if _reson_os.path.getsize(path) else "it is empty"
            raise _reson_NotOpened(f"is not a zip file: {reason}") from None
        file.opened = True
        with archive:
            yield archive


class _reson_Bounded(_reson_io.BufferedReader):
    """A zip whose directory is looked at before zipfile makes objects of it, some 500 bytes for each member."""

    opened = False

    def read(self, size: _reson_Any = -1, /) -> bytes:
        # Of what zipfile reads to open a zip, only the directory can be as large.
        if size is not None and size > _reson_CHUNK and not self.opened:
            self._check_directory(size)
        return super().read(size)

    def _check_directory(self, size: "int") -> None:
        if size > _reson_MAX_DIRECTORY_BYTES:
            self._refuse(f"its directory has {size:,} bytes; at most {_reson_MAX_DIRECTORY_BYTES:,} are read")
        # Counted, for the number in the zip's end record may be a lie, which zipfile does not notice.
        start, count, tail = self.tell(), 0, b""
        for place in _reson_py.range(0, size, _reson_CHUNK):
            chunk = super().read(_reson_py.min(_reson_CHUNK, size - place))
            count += (tail + chunk).count(_reson_ENTRY)
            tail = chunk[1 - len(_reson_ENTRY) :]
            if count > _reson_MAX_MEMBERS:
                self._refuse(f"it has more than {_reson_MAX_MEMBERS:,} members, which is the most that are unpacked")
        self.seek(start)

    def _refuse(self, why: str) -> None:
        raise _reson_TooLarge(f"is not opened: {why}")


def _reson_write_members(
    archive: _reson_zipfile.ZipFile, members: _reson_Any, dest: _reson_Any, check: _reson_Callable[[], None]
) -> None:
    """Writes these members of a checked zip below `dest`, but what macOS adds; raises as `_reson_unpack` does."""
    for member in members:
        check()
        if _reson_is_of_macos(member.orig_filename):
            continue
        target = _reson_os.path.join(dest, member.orig_filename)
        if member.is_dir():
            _reson_os.makedirs(target, exist_ok=True)
            continue
        _reson_os.makedirs(_reson_os.path.dirname(target), exist_ok=True)
        # "x": a file that is already there, on a file system with rules of its own, is never written through.
        with archive.open(member) as source, open(target, "xb") as file:
            while chunk := source.read(_reson_CHUNK):
                check()
                file.write(chunk)
            _reson_check_length(member, file.tell())


def _reson_check_length(member: _reson_zipfile.ZipInfo, length: "int") -> None:
    if length != member.file_size:
        raise _reson_zipfile.BadZipFile(f"member {member.orig_filename[:200]!r} has {length:,} bytes, not {member.file_size:,}")
