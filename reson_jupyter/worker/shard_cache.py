"""A site's shards, each fetched once by a signed address, checked, unpacked, and kept for the runs to come.

The folder has, for each shard by its SHA-256:

    <sha256>/           what was in the zip
    <sha256>.sha256     the digest; by it the cache of decoded images knows the shard again
    <sha256>.files      a digest of all names, sizes and times of change, by which it shows if somebody changed them
    <sha256>.lock       locked by every process that uses the shard; its time says when that was last
    <sha256>.zip        while it is fetched

Where the disk is too small, the shards that were not used for longest go first. No address stands in any message, as whoever has
it has the data.

This file travels to the sites below the executor's module, as zip_rules.py does; its names follow the same rules.
"""

import builtins as _reson_py
import fcntl as _reson_fcntl
import hashlib as _reson_hashlib
import os as _reson_os
import re as _reson_re
import shutil as _reson_shutil
import time as _reson_time
from collections.abc import Callable as _reson_Callable
from typing import Any as _reson_Any

from .shard_fetch import _reson_Download, _reson_NoShard, _reson_TELL_SECONDS
from .unpack import _reson_CHUNK, _reson_NotOpened, _reson_unpack, _reson_Unsafe, _reson_ZIP_ERRORS

_reson_LOOK_SECONDS = 0.2
_reson_DISK_MARGIN = 64 << 20  # bytes that are left to others


class _reson_ShardCache:
    """The shards of a site.

    Args:
        folder: Where they are kept.
        check: Called several times a second; raises where the site is to stop.
        tell: Told in a sentence how far it is.
    """

    def __init__(self, folder: str, check: _reson_Callable[[], None], tell: _reson_Callable[[str], None]) -> None:
        self._folder = folder
        self._check = check
        self._tell = tell

    def fetch(self, shard: dict[str, _reson_Any]) -> str:
        """The folder of an unpacked shard, {"name", "url", "sha256", "bytes"}; it stays until this process ends.

        Raises:
            _reson_NoShard: it cannot be fetched, or is not what it should be.
        """
        digest = shard["sha256"]
        if not _reson_re.fullmatch("[0-9a-f]{64}", digest):
            raise _reson_NoShard(f"the shard {shard['name']} has no proper digest")
        place = _reson_os.path.join(self._folder, digest)
        try:
            return self._keep(shard, place)
        except OSError as exc:
            why = exc.strerror or type(exc).__name__
            raise _reson_NoShard(f"the shard {shard['name']} cannot be kept in {self._folder}: {why}") from None

    def _keep(self, shard: dict[str, _reson_Any], place: str) -> str:
        _reson_os.makedirs(self._folder, 0o700, exist_ok=True)
        self._lock(place)
        try:
            if not _reson_is_kept(place):
                _reson_remove_shard(place)
                self._fetch(shard, f"{place}.zip")
                self._unpack(shard, place)
            _reson_fcntl.flock(self._file, _reson_fcntl.LOCK_SH)
            _reson_os.utime(self._file)
        except BaseException:
            self.release()
            raise
        return place

    def release(self) -> None:
        """Lets go of the shard before the process ends."""
        _reson_os.close(self._file)

    def _lock(self, place: str) -> None:
        """Takes the shard's lock: alone, or beside others that use a shard which is there."""
        # A descriptor, so that it stays locked until the process ends, whatever becomes of this object.
        self._file = _reson_os.open(f"{place}.lock", _reson_os.O_RDWR | _reson_os.O_CREAT | _reson_os.O_CLOEXEC, 0o600)
        told = 0.0
        while not _reson_locks(self._file, _reson_fcntl.LOCK_EX):
            if _reson_locks(self._file, _reson_fcntl.LOCK_SH):
                if _reson_is_kept(place):
                    return
                _reson_fcntl.flock(self._file, _reson_fcntl.LOCK_UN)
            if _reson_time.monotonic() - told > _reson_TELL_SECONDS:
                told = _reson_time.monotonic()
                self._tell("the shard is waited for: another run of this site fetches it, or uses what somebody changed")
            self._check()
            _reson_time.sleep(_reson_LOOK_SECONDS)

    def _fetch(self, shard: dict[str, _reson_Any], path: str) -> None:
        """Fetches the zip, or the rest of it, and checks it; what is damaged is fetched once more."""
        for last in (False, True):
            have = _reson_os.path.getsize(path) if _reson_os.path.exists(path) else 0
            self._make_room(shard["bytes"] - have, f"{shard['name']} has {shard['bytes']:,} bytes")
            _reson_Download(shard, path, self._check, self._tell).run()
            if _reson_digest_of(path, self._check) == shard["sha256"]:
                return
            _reson_os.remove(path)
            if last:
                raise _reson_NoShard(f"the shard {shard['name']} is damaged in the store: its SHA-256 is not the one submitted")

    def _unpack(self, shard: dict[str, _reson_Any], place: str) -> None:
        """Unpacks the zip beside its place, and moves it there when it is whole."""
        part, name = f"{place}.part", shard["name"]
        _reson_shutil.rmtree(part, ignore_errors=True)
        try:
            _reson_unpack(
                f"{place}.zip", part, self._check, lambda size: self._make_room(size, f"{name} unpacks to {size:,} bytes")
            )
        except _reson_Unsafe as exc:
            more = f", and {len(exc.args) - 1:,} more" if len(exc.args) > 1 else ""
            raise _reson_NoShard(f"the shard {name} is not safe to unpack: {exc.args[0]}{more}") from None
        except (_reson_NotOpened, *_reson_ZIP_ERRORS) as exc:
            raise _reson_NoShard(f"the shard {name} cannot be unpacked: {exc}") from None
        finally:
            _reson_os.remove(f"{place}.zip")
        _reson_os.rename(part, place)
        for suffix, text in ((".files", _reson_state_of(place)), (".sha256", shard["sha256"])):
            with open(place + suffix, "w", encoding="ascii") as file:
                file.write(text)

    def _make_room(self, need: "int", what: str) -> None:
        """Removes the shards that were not used for longest until so many bytes fit."""
        locks = [name for name in _reson_os.listdir(self._folder) if name.endswith(".lock")]
        paths = [_reson_os.path.join(self._folder, name) for name in locks]
        for path in sorted(paths, key=_reson_os.path.getmtime):
            if self._free() < need:
                _reson_remove_unused(path)
        if self._free() < need:
            raise _reson_NoShard(
                f"the shard {what}, and the disk of {self._folder} has room for {_reson_py.max(0, self._free()):,}"
            )

    def _free(self) -> "int":
        return _reson_shutil.disk_usage(self._folder).free - _reson_DISK_MARGIN


def _reson_locks(file: _reson_Any, how: "int") -> "bool":
    """Takes a lock, if nobody else has one that forbids it; says whether it did."""
    try:
        _reson_fcntl.flock(file, how | _reson_fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _reson_remove_unused(lock: str) -> None:
    """Removes a shard that no process uses or fetches."""
    with open(lock, "ab") as file:
        if _reson_locks(file, _reson_fcntl.LOCK_EX):
            place = lock.removesuffix(".lock")
            _reson_remove_shard(place)
            if _reson_os.path.exists(f"{place}.zip"):
                _reson_os.remove(f"{place}.zip")


def _reson_remove_shard(place: str) -> None:
    """Removes what was unpacked, and what is said of it first: then whatever is left is not taken for whole."""
    for suffix in (".files", ".sha256"):
        if _reson_os.path.exists(place + suffix):
            _reson_os.remove(place + suffix)
    for folder in (place, f"{place}.part"):
        _reson_shutil.rmtree(folder, ignore_errors=True)


def _reson_is_kept(place: str) -> "bool":
    """Whether a shard is there as it was unpacked."""
    try:
        with open(f"{place}.files", encoding="ascii") as file:
            return file.read(100) == _reson_state_of(place)
    except (OSError, ValueError):
        return False


def _reson_state_of(folder: str) -> str:
    """A digest of the names, sizes and times of change of all files below a folder."""
    lines = []
    for where, _, names in _reson_os.walk(folder):
        for name in names:
            path = _reson_os.path.join(where, name)
            stat = _reson_os.lstat(path)
            lines.append(f"{_reson_os.path.relpath(path, folder)}\0{stat.st_size}\0{stat.st_mtime_ns}")
    return _reson_hashlib.sha256("\n".join(sorted(lines)).encode("utf-8", "surrogateescape")).hexdigest()


def _reson_digest_of(path: str, check: _reson_Callable[[], None]) -> str:
    digest = _reson_hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(_reson_CHUNK):
            check()
            digest.update(chunk)
    return digest.hexdigest()
