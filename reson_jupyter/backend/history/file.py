"""The file of the history: SQLite, written by any number of kernels at once, opened for each use and closed again.

A damaged file is set aside and begun anew from the folders of the runs; a newer version's file is left alone.
"""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import psutil

from ...errors import ResonError
from ...home import home
from ..record import known_records

T = TypeVar("T")

VERSION = 1
WAIT = 3.0  # seconds that one writer waits for another
# File systems of one machine. A write-ahead log needs memory that all writers share, which network file systems do not have, and
# SQLite cannot tell; elsewhere the rollback journal is used, which needs locks only.
_OF_ONE_MACHINE = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "tmpfs", "overlay", "apfs", "hfs"})
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_TABLE = """
CREATE TABLE runs (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, target TEXT NOT NULL, store TEXT NOT NULL, created REAL NOT NULL,
    state TEXT NOT NULL, reason TEXT NOT NULL, ended REAL,
    rounds_done INTEGER NOT NULL, num_rounds INTEGER NOT NULL, sites INTEGER NOT NULL
)
"""
_IMPORT = "INSERT INTO runs VALUES (:id, :name, :target, :store, :created, 'pending', '', NULL, 0, 0, 0)"
_log = logging.getLogger(__name__)


def path() -> Path:
    """Returns where the file is."""
    return home() / "history.sqlite"


def use(action: Callable[[sqlite3.Connection], T], wait: float = WAIT, *, reads: bool = False) -> T:
    """Carries out `action` on the open file, in one transaction.

    Args:
        action: What is done.
        wait: Seconds that others who use the file are waited for.
        reads: Whether it only reads, for which a write-ahead log lets nobody wait.

    Raises:
        ResonError: a newer version wrote the file.
        sqlite3.Error, OSError: it cannot be used.
    """
    try:
        return _use(action, wait, reads)
    except sqlite3.DatabaseError as error:
        if _code(error) not in _DAMAGED:
            raise
        _set_aside()
        return _use(action, wait, reads)


def _use(action: Callable[[sqlite3.Connection], T], wait: float, reads: bool) -> T:
    file = path()
    with closing(sqlite3.connect(file, timeout=wait, isolation_level=None)) as connection:
        connection.row_factory = sqlite3.Row
        if _version(connection) != VERSION:
            _begin(connection, file)
        connection.execute("BEGIN" if reads else "BEGIN IMMEDIATE")
        result = action(connection)
        connection.execute("COMMIT")
    return result


def _begin(connection: sqlite3.Connection, file: Path) -> None:
    """Makes the table of a new file; one in the place of a file that was lost has the runs that have a folder here."""
    with _alone(file):  # the change of the journal does not wait for others as everything else does
        version = _version(connection)
        if version > VERSION:
            hint = "Update this one: %pip install -U reson-jupyter"
            raise ResonError(f"a newer version of reson_jupyter wrote the history {file}", hint)
        if version == VERSION:
            return
        connection.execute(f"PRAGMA journal_mode = {'WAL' if _is_of_one_machine(file) else 'DELETE'}")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(_TABLE)
        connection.executemany(_IMPORT, [record.model_dump() for record in known_records()])
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    """Keeps other kernels from making the file, or setting it aside, meanwhile."""
    with file.with_suffix(".lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _set_aside() -> None:
    """Moves a damaged file away, unless another kernel has done so."""
    file = path()
    with _alone(file):
        if not _is_damaged(file):
            return
        aside = file.with_name(f"{file.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}")
        os.replace(file, aside)
        for part in ("-wal", "-shm", "-journal"):
            with suppress(FileNotFoundError):
                os.replace(f"{file}{part}", f"{aside}{part}")
    _log.warning("the history was damaged; it is begun anew, and the old file is kept as %s", aside)


def _is_damaged(file: Path) -> bool:
    try:
        with closing(sqlite3.connect(file, timeout=WAIT)) as connection:
            return bool(connection.execute("PRAGMA quick_check").fetchone()[0] != "ok")
    except sqlite3.DatabaseError as error:
        return _code(error) in _DAMAGED


def _code(error: sqlite3.Error) -> int:
    """The primary code of an error; the extended ones add detail in the higher bits."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _is_of_one_machine(file: Path) -> bool:
    mounts = [part for part in psutil.disk_partitions(all=True) if file.is_relative_to(part.mountpoint)]
    innermost = max(mounts, key=lambda part: len(part.mountpoint), default=None)
    return innermost is not None and innermost.fstype in _OF_ONE_MACHINE
