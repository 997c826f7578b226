"""Deleting a run on request: its objects in the store, its claims on shards, its folder here, its place in the history."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ...errors import RunError, RunNotFound, StoreError
from ..event_log import Latest, peek
from ..record import RunLock, RunRecord
from ..run.presence import deleted
from ..shard_pool import claimed_by, release
from ..store import Store
from ..targets.base import Target
from . import history
from .origin import read_submitted

_THREADS = 8
# A runner is there for a moment after it has said how its run ended.
_LEAVES_WITHIN = 5.0
# Nobody can tell from here whether another machine still carries a run; after a day of silence it is taken to be given up.
_ABANDONED = 24 * 3600.0


@dataclass(frozen=True)
class Deleted:
    """What was deleted of a run: how many objects of its store, and the bytes of these and of its folder here.

    Shards count if no other run needs them; `shards_kept` is how many stay because one does.
    """

    id: str
    objects: int
    bytes: int
    shards_kept: int = 0

    def __repr__(self) -> str:
        kept = f"; shards that other runs need stay: {self.shards_kept}" if self.shards_kept else ""
        return f"deleted run {self.id}: {self.objects} objects, {self.bytes:,} bytes{kept}"


def delete(record: RunRecord, store: Store, target: Target) -> Deleted:
    """Deletes a run and everything that it stored, but for shards that other runs need. It cannot be brought back.

    Raises:
        RunError: the run goes on, or neither its store nor this machine has anything of it.
        StoreError: the store does not let go of it; delete it again, what is gone by then does no harm.
    """
    latest = peek(store, record.prefix)
    known = record.folder.exists() or history.find(record.id) is not None
    _refuse_what_goes_on(record, target, latest)
    if latest is not None:
        target.settle(record, store)  # what a lost run left behind would be found by nobody once its folder is gone
    with _held(record):
        shards = release(store, record.id, _digests(record, store))  # before the log, which tells what there is to release
        objects = list(store.list(f"{record.prefix}/"))
        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(store.delete, (info.key for info in objects)))
        size = shards.bytes + sum(info.bytes for info in objects) + sum(_sizes(record.folder))
        shutil.rmtree(record.folder, ignore_errors=True)
    if not (known or objects or shards.objects):
        raise deleted(record)
    history.forget(record.id)
    return Deleted(record.id, shards.objects + len(objects), size, shards.kept)


def _digests(record: RunRecord, store: Store) -> list[str]:
    """The digests of the run's shards, as its log tells them; without a log that can be read, those that it has claimed."""
    try:
        submitted = read_submitted(store, record.id)[1]
    except (RunNotFound, StoreError):
        return claimed_by(store, record.id)
    return [shard["sha256"] for shard in submitted["sites"].values()]


def _refuse_what_goes_on(record: RunRecord, target: Target, latest: Latest | None) -> None:
    carried = target.is_carried(record)
    until = time.monotonic() + _LEAVES_WITHIN
    while carried and latest is not None and latest.state.done and time.monotonic() < until:
        time.sleep(0.1)
        carried = target.is_carried(record)
    if carried:
        raise _goes_on(record)
    if carried is None and latest is not None and not latest.state.done and time.time() - latest.time < _ABANDONED:
        raise RunError(
            f"run {record.id} is {latest.state.value}, and whether it goes on cannot be told from here",
            "Delete it where it was submitted, or here once it has been silent for a day.",
        )


def _goes_on(record: RunRecord) -> RunError:
    return RunError(f"run {record.id} goes on", "Stop it first: run.abort(), and run.wait() until it is over.")


@contextmanager
def _held(record: RunRecord) -> Iterator[None]:
    """Holds the run's lock, where it has one, so that nobody takes the run up meanwhile."""
    if not (record.folder / "lock").exists():
        yield
        return
    try:
        lock = RunLock(record.folder)
    except BlockingIOError:
        raise _goes_on(record) from None
    try:
        yield
    finally:
        lock.release()


def _sizes(folder: Path) -> Iterator[int]:
    return (path.lstat().st_size for path in folder.rglob("*") if path.is_file())
