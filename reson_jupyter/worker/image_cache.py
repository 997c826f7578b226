"""Keeps the decoded images of a shard in a file that is mapped into memory, for all epochs, rounds, processes and runs.

The file holds a uint8 (3, size, size) for each sample, then a CRC-32 for each, then a SHA-256 of these. A process that makes it
writes under a name of its own, which ends in .part, and renames it when it is complete: another that needs the same images at
the same time makes them itself, and the last to rename wins. A process that finds it complete trusts an image once its CRC-32 was
right, and decodes an image anew that is damaged. Images are written by calls and not through the mapping: on a full disk a call
fails, and a mapping ends the process.

All files of a folder together stay below a limit; the least recently used go first. Every process locks the files that it has
open, so that those in use are left alone and what a killed process left behind is known. (Were a file in use deleted, Linux would
keep what is mapped until the last process ends.)

This file travels to the sites, as adapter.py does; its names follow the same rules.
"""

import builtins as _rt_py
import contextlib as _rt_contextlib
import fcntl as _rt_fcntl
import hashlib as _rt_hashlib
import mmap as _rt_mmap
import os as _rt_os
import re as _rt_re
import shutil as _rt_shutil
import tempfile as _rt_tempfile
import threading as _rt_threading
import weakref as _rt_weakref
import zlib as _rt_zlib
from typing import Any as _rt_Any

import numpy as _rt_numpy

_rt_CACHE_BYTES = 10 << 30  # of a folder, unless RESON_CACHE_BYTES says otherwise
_rt_CACHE_MARGIN = 256 << 20  # bytes of the disk that are left to others
_rt_CACHE_PART = ".part"  # how the name of a file ends that is being made
_rt_CACHE_NAME = _rt_re.compile(r"[0-9a-f]{64}-[0-9]+(-exact)?-[0-9a-f]{12}\.u8(\.\w+\.part)?")


class _rt_NoCache(Exception):
    """There can be no cache; the message says why."""


class _rt_ImageCache:
    """The images of one shard. Safe on any thread, and beside other processes.

    Args:
        folder: Where the file lies; None for the system's temporary folder.
        name: The file's name, which must say all that the pixels depend on; "" for a file without a name, which is gone when
            this process ends.
        count: How many images there are.
        size: Pixels of each side.

    Attributes:
        bytes: The size of the file.
        rows: All images, uint8 (count, 3, size, size); a row means something only if `holds` says so.
        trusted: One flag a row: this process wrote it or has checked it.
        reused: Whether the file was there already.
        complete: Whether it has every image.
        trouble: What went wrong with the file meanwhile; "" if nothing did.

    Raises:
        _rt_NoCache: the disk or the limit is too small, or the folder cannot be written.
    """

    def __init__(self, folder: _rt_Any, name: str, count: "int", size: "int") -> None:
        self._row = 3 * size * size
        self._pixels = count * self._row
        self.bytes = self._pixels + 4 * count + 32
        self.trusted = bytearray(count)
        self.trouble = ""
        self._sums = _rt_numpy.zeros(count, "uint32")
        self._missing = count
        self._lock = _rt_threading.Lock()
        self._final = self._part = ""
        try:
            self._open(folder, name)
            mapped = _rt_mmap.mmap(self._file, self.bytes)
        except OSError as exc:
            raise _rt_NoCache(f"there is no writing to {folder or _rt_tempfile.gettempdir()} ({exc})") from exc
        self.rows = _rt_numpy.frombuffer(mapped, "uint8", self._pixels).reshape(count, 3, size, size)

    def holds(self, row: "int") -> _rt_Any:
        """Whether an image is there, undamaged."""
        if not self.trusted[row] and self.reused:
            if _rt_zlib.crc32(self.rows[row]) == self._sums[row]:
                self.trusted[row] = True
            else:
                self.trouble = "some images in the file were damaged and are decoded anew"
        return self.trusted[row]

    def put(self, row: "int", pixels: _rt_Any) -> None:
        """Keeps an image, uint8 (3, size, size), contiguous. Of the disk's failures there is only `trouble`."""
        try:
            _rt_write(self._file, pixels, row * self._row)
            self._sums[row] = _rt_zlib.crc32(pixels)
            with self._lock:
                self._missing -= not self.trusted[row]
                self.trusted[row] = True
                if self._missing == 0 and not self.reused:
                    self._complete()
        except OSError as exc:
            self.trouble = f"what could not be written is decoded again each time ({exc})"

    def _open(self, folder: _rt_Any, name: str) -> None:
        if folder:
            _rt_os.makedirs(folder, 0o700, exist_ok=True)
            _rt_sweep(folder)
        if name:
            self._final = _rt_os.path.join(folder, name)
        self.complete = self.reused = _rt_py.bool(name) and self._find()
        if not self.reused:
            _rt_make_room(folder, self.bytes)
            self._create(folder, name)
            if hasattr(_rt_os, "posix_fallocate"):  # not on macOS
                _rt_os.posix_fallocate(self._file, 0, self.bytes)  # a disk too small says so now, and writing is twice as fast
            else:
                _rt_os.ftruncate(self._file, self.bytes)

    def _find(self) -> "bool":
        """Opens the complete file, if there is one that is whole."""
        try:
            file = _rt_os.open(self._final, _rt_os.O_RDWR | _rt_os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        _rt_fcntl.flock(file, _rt_fcntl.LOCK_SH)
        foot = _rt_os.pread(file, self.bytes, self._pixels)
        whole = _rt_os.fstat(file).st_size == self.bytes and _rt_hashlib.sha256(foot[:-32]).digest() == foot[-32:]
        if not whole:
            _rt_os.close(file)
            with _rt_contextlib.suppress(FileNotFoundError):
                _rt_os.unlink(self._final)  # others that have it open keep it
            return False
        _rt_os.utime(file)  # it is used now
        self._own(file)
        self._sums = _rt_numpy.frombuffer(foot[:-32], "uint32").copy()
        return True

    def _create(self, folder: _rt_Any, name: str) -> None:
        """Makes a file of our own, locked; what another process sweeps away before the lock is there is made again."""
        while not self._part or not _rt_os.path.exists(self._part):
            file, self._part = _rt_tempfile.mkstemp(_rt_CACHE_PART, f"{name or 'images'}.", folder)
            _rt_fcntl.flock(file, _rt_fcntl.LOCK_SH)
            self._own(file)
            if not name:
                return _rt_os.unlink(self._part)

    def _own(self, file: "int") -> None:
        self._file = file
        _rt_weakref.finalize(self, _rt_discard, file, self._part)

    def _complete(self) -> None:
        if self._final:
            sums = self._sums.tobytes()
            try:
                _rt_write(self._file, sums + _rt_hashlib.sha256(sums).digest(), self._pixels)
                _rt_os.replace(self._part, self._final)
            except OSError as exc:
                self.trouble = f"the decoded images cannot be kept for other runs ({exc})"
                return
        self.complete = True


def _rt_write(file: "int", data: _rt_Any, place: "int") -> None:
    rest = memoryview(data).cast("B")
    while rest:
        count = _rt_os.pwrite(file, rest, place)
        rest, place = rest[count:], place + count


def _rt_discard(file: "int", part: str) -> None:
    """Closes a cache's file, whose mapping stays until the last array is gone; removes it if it was not completed."""
    _rt_os.close(file)
    with _rt_contextlib.suppress(OSError):
        _rt_os.unlink(part)


def _rt_sweep(folder: str) -> None:
    """Removes what killed processes have left behind."""
    for path in _rt_cache_files(folder):
        if path.endswith(_rt_CACHE_PART):
            _rt_remove(path)


def _rt_make_room(folder: _rt_Any, need: "int") -> None:
    """Removes the least recently used caches until so many bytes fit; _rt_NoCache if they do not even then."""
    found = []
    for path in _rt_cache_files(folder) if folder else []:
        with _rt_contextlib.suppress(FileNotFoundError):
            stat = _rt_os.stat(path)
            found.append((stat.st_mtime_ns, stat.st_size, path))
    limit = _rt_cache_limit()
    left = limit - _rt_py.sum(size for _, size, _ in found)
    free = _rt_shutil.disk_usage(folder or _rt_tempfile.gettempdir()).free - _rt_CACHE_MARGIN
    for _, size, path in sorted(found) if need <= limit else []:
        if _rt_py.min(left, free) < need and not path.endswith(_rt_CACHE_PART) and _rt_remove(path):
            left, free = left + size, free + size
    if left < need:
        raise _rt_NoCache(f"it takes {_rt_megabytes(need)} of {_rt_megabytes(limit)} for all caches (RESON_CACHE_BYTES)")
    if free < need:
        raise _rt_NoCache(f"it takes {_rt_megabytes(need)}, and the disk has no more than {_rt_megabytes(free)} to spare")


def _rt_cache_limit() -> "int":
    text = _rt_os.environ.get("RESON_CACHE_BYTES", "").strip()
    if text and not text.isdecimal():
        raise _rt_NoCache(f"RESON_CACHE_BYTES is {text!r}, which is no number of bytes such as {_rt_CACHE_BYTES}")
    return _rt_py.int(text) if text else _rt_CACHE_BYTES


def _rt_cache_files(folder: str) -> list[str]:
    """The files of caches; whatever else lies there is not ours to touch."""
    return [_rt_os.path.join(folder, name) for name in _rt_os.listdir(folder) if _rt_CACHE_NAME.fullmatch(name)]


def _rt_remove(path: str) -> "bool":
    """Removes a file unless a live process has it open as its cache; says whether it did."""
    try:
        file = _rt_os.open(path, _rt_os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        _rt_fcntl.flock(file, _rt_fcntl.LOCK_EX | _rt_fcntl.LOCK_NB)
        _rt_os.unlink(path)
    except (BlockingIOError, FileNotFoundError):
        return False
    finally:
        _rt_os.close(file)
    return True


def _rt_megabytes(count: "int") -> str:
    return f"{_rt_py.max(count, 0) / 1e6:,.1f} MB"
