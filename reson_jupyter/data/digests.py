"""Digests of files, each computed once for as long as the file stays as it is."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import TypeVar

from ..errors import ResonError
from ..home import home

T = TypeVar("T")

KEPT = 10_000  # files; the ones that nobody has asked for the longest time go first
_WAIT = 3.0  # seconds that one writer waits for another
# Within such a time two states of a file can bear the same time stamp: the coarsest file systems count in 2 seconds.
_SAME_STAMP_NS = 2_000_000_000
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_TABLE = (
    "CREATE TABLE IF NOT EXISTS digests (path BLOB PRIMARY KEY, state TEXT NOT NULL, sha256 TEXT NOT NULL, used REAL NOT NULL)"
)
_FIND = "SELECT sha256 FROM digests WHERE path = ? AND state = ?"
_WHOSE = "SELECT path FROM digests WHERE sha256 = ? ORDER BY used DESC LIMIT 1"
_DROP = "DELETE FROM digests WHERE path IN (SELECT path FROM digests ORDER BY used DESC LIMIT -1 OFFSET ?)"


def sha256_of(path: Path) -> str:
    """Returns a file's SHA-256 in hex, from the cache of this machine if the file has not changed since it was put there.

    Raises:
        OSError: the file cannot be read.
    """
    name = os.fsencode(os.path.abspath(path))
    with path.open("rb") as file:
        before = os.fstat(file.fileno())
        if found := _use(lambda connection: connection.execute(_FIND, (name, _state(before))).fetchone()):
            _use(lambda connection: connection.execute("UPDATE digests SET used = ? WHERE path = ?", (time.time(), name)))
            return str(found[0])
        begun = time.time_ns()
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        if _state(os.fstat(file.fileno())) == _state(before) and before.st_mtime_ns < begun - _SAME_STAMP_NS:
            _use(lambda connection: _keep(connection, (name, _state(before), digest, time.time())))
    return digest


def path_of(sha256: str) -> Path | None:
    """Returns the file that had this digest when it was last asked for, if the cache of this machine knows one."""
    found = _use(lambda connection: connection.execute(_WHOSE, (sha256,)).fetchone())
    return Path(os.fsdecode(found[0])) if found else None


def _state(found: os.stat_result) -> str:
    # Whoever changes a file in place may set its mtime back, but not its ctime.
    return f"{found.st_size} {found.st_mtime_ns} {found.st_ctime_ns} {found.st_ino}"


def _keep(connection: sqlite3.Connection, row: tuple[object, ...]) -> None:
    connection.execute("INSERT OR REPLACE INTO digests VALUES (?, ?, ?, ?)", row)
    connection.execute(_DROP, (KEPT,))


def _use(action: Callable[[sqlite3.Connection], T]) -> T | None:
    """Carries out `action` on the file of digests; None where it cannot be used, which costs nothing but time."""
    with suppress(sqlite3.Error, OSError, ResonError):
        file = home() / "digests.sqlite"
        try:
            with closing(sqlite3.connect(file, timeout=_WAIT)) as connection, connection:
                connection.execute(_TABLE)
                return action(connection)
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED:
                file.unlink()
            raise
    return None
