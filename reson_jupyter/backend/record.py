"""What this machine keeps of a run: a folder with its record, its lock and its runner's log.

The lock is held by whichever process carries the run now (first the kernel that uploads, then the detached runner), and the
system drops it when that process dies; so whether a run is still carried needs no guess and no process id.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import re
import secrets
import time
import unicodedata
from collections.abc import Collection
from pathlib import Path
from typing import IO, Self

from pydantic import BaseModel, ConfigDict, Field

from ..errors import RunNotFound
from ..home import folder_of_home, home

# An id becomes part of keys and paths.
_ID = r"^[a-z0-9][a-z0-9-]{0,80}$"
# Whoever asks whether a run is carried holds its lock for a moment too.
_PROBED = 0.2  # seconds
LOCK_FILE = "lock"
_PROJECT_FILE = "project"


class RunRecord(BaseModel):
    """Where a run is: enough to follow it from any process. It holds no secret."""

    model_config = ConfigDict(frozen=True)

    id: str = Field(pattern=_ID)
    name: str
    target: str
    store: str
    created: float

    @classmethod
    def new(cls, name: str, target: str, store: str) -> Self:
        """Makes the record of a new run, with an id that no other run has."""
        now = time.time()
        stamp = base64.b32hexencode(int(now).to_bytes(5, "big")).decode().strip("=").lower()
        return cls(id=f"{slug(name)}-{stamp}{secrets.token_hex(3)}", name=name, target=target, store=store, created=now)

    @classmethod
    def load(cls, run_id: str) -> Self:
        """Reads a record. Raises `RunNotFound`."""
        check_id(run_id)
        try:
            return cls.model_validate_json((home() / "runs" / run_id / "run.json").read_bytes())
        except FileNotFoundError:
            raise RunNotFound(
                f"this machine knows no run {run_id!r}",
                "For a run that was submitted elsewhere, name its store: reson.attach(run_id, store='s3://bucket').",
            ) from None

    @property
    def prefix(self) -> str:
        """The key prefix of the run's files in its store."""
        return f"jobs/{self.id}"

    @property
    def folder(self) -> Path:
        """The run's folder on this machine; it may not exist."""
        return home() / "runs" / self.id

    def save(self) -> None:
        """Writes the record into the run's folder. Raises `ResonError` if RESON_HOME cannot be used."""
        (folder_of_home("runs", self.id) / "run.json").write_text(self.model_dump_json(indent=2))


def keep_project(record: RunRecord, project: Path) -> None:
    """Keeps where this machine has the project of a run whose job carries only the hashes of it."""
    (record.folder / _PROJECT_FILE).write_text(str(project))


def kept_project(folder: Path) -> Path | None:
    """Returns what `keep_project` kept in a run's folder; None if there is nothing, or no folder."""
    try:
        return Path((folder / _PROJECT_FILE).read_text())
    except OSError:
        return None


def known_records(besides: Collection[str] = ()) -> list[RunRecord]:
    """Returns the records of the runs that have a folder on this machine, in no order.

    Args:
        besides: Ids of runs that are left out.
    """
    found = []
    for path in (home() / "runs").glob("*/run.json"):
        if path.parent.name in besides:
            continue
        with contextlib.suppress(OSError, ValueError):  # one folder that somebody touched must not hide the others
            found.append(RunRecord.model_validate_json(path.read_bytes()))
    return found


def check_id(run_id: str) -> None:
    """Raises `RunNotFound` if `run_id` cannot be a run's id."""
    if not isinstance(run_id, str) or not re.fullmatch(_ID, run_id):
        raise RunNotFound(f"{run_id!r} is not a run id", "A run's id stands beside its name in its view, and is run.id.")


def slug(name: str) -> str:
    """Returns `name` as lower-case ASCII letters, digits and "-", at most 40 characters, "job" if nothing is left."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40].strip("-") or "job"


class RunLock:
    """The lock of a run; a child process that inherits `file` keeps holding it. Raises `OSError` while another holds it."""

    def __init__(self, folder: Path) -> None:
        self.file: IO[bytes] = (folder / LOCK_FILE).open("ab")
        until = time.monotonic() + _PROBED
        while True:
            try:
                return fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > until:
                    self.file.close()
                    raise
            time.sleep(0.01)

    def release(self) -> None:
        """Lets go in this process only."""
        self.file.close()


def lock_of_nobody(folder: Path) -> RunLock | None:
    """Takes the lock of a run that no process carries; None if one does, or the run was not started here."""
    if is_carried(folder) is not False:
        return None
    try:
        return RunLock(folder)
    except OSError:  # somebody else was quicker
        return None


def is_carried(folder: Path) -> bool | None:
    """Whether a process of this machine carries the run of this folder; None if the run was not started here."""
    try:
        with (folder / LOCK_FILE).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return None
    except BlockingIOError:
        return True
    return False
