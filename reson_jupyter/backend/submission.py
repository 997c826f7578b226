"""From a built job and checked shards to a run: the log is begun, the files are uploaded, the target is told."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import FederationConfig, ResonTechConfig
from ..data.shards import ShardSummary
from ..errors import ResonError, StoreError
from ..events import Event, EventType, RunState
from .event_log import EventLogWriter
from .history import history
from .history.origin import digests, versions
from .interruptible import done_unless
from .job import Job
from .record import RunLock, RunRecord
from .run.handle import Run
from .store import ObjectInfo, Store
from .store.transfer import Upload, UploadProgress, upload
from .targets.base import Target
from .targets.local import is_unwanted

if TYPE_CHECKING:
    import torch

_CONTENT_TYPES = {".py": "text/x-python", ".json": "application/json", ".txt": "text/plain", ".zip": "application/zip"}
_BETWEEN_NOTES = 0.25
_ORDER = ("scripts", "configs", "requirements", "shards", "model")


@dataclass(frozen=True)
class Shard:
    """One site's data: the file's name, its SHA-256, and where it lies: here, or in the store already."""

    name: str
    sha256: str
    source: Path | ObjectInfo


def local_shards(shards: Sequence[ShardSummary]) -> list[Shard]:
    """Returns checked shards of this machine as they are submitted."""
    return [Shard(shard.name, shard.sha256, shard.path) for shard in shards]


class Submission:
    """One job on its way to its target.

    Args:
        job: The job.
        shards: The sites' data, in their order.
        federation: What the job was built with; the watching of the sites, which no file of the job tells, is taken from it.
        record: The new run's record.
        store: Where the files go.
        target: Where the run runs.
        connection: The keys to the store, for whoever carries the run.
        checkpoint: The weights to start from, if they are in the store already; else the job's own, if it has any.
    """

    def __init__(
        self,
        job: Job,
        shards: Sequence[Shard],
        federation: FederationConfig,
        record: RunRecord,
        store: Store,
        target: Target,
        connection: ResonTechConfig,
        checkpoint: ObjectInfo | None = None,
    ) -> None:
        self._job = job
        self._shards = shards
        self._federation = federation
        self._checkpoint = checkpoint or job.checkpoint
        self._record = record
        self._store = store
        self._target = target
        self._connection = connection
        self._cancel = threading.Event()
        self._folder = record.folder

    def start(self, notes: Sequence[str] = (), model_class: type[torch.nn.Module] | None = None) -> Run:
        """Begins the run's log and returns the run; files are uploaded by a thread that outlasts the main program.

        Args:
            notes: What the user should know of how the job was made.
            model_class: The live class of the model, for `Run.model`.

        Raises:
            StoreError: the store cannot be written to.
        """
        log = EventLogWriter(self._store, self._record.prefix)
        log.append([self._submitted(notes), _state(RunState.PENDING)])
        self._record.save()
        lock = RunLock(self._record.folder)
        run = Run(self._record, self._store, self._target, connection=self._connection, model_class=model_class)
        history.add(self._record, run.progress)
        threading.Thread(target=self._carry, args=(log, lock, run), name=f"upload {run.id}").start()
        return run

    def _carry(self, log: EventLogWriter, lock: RunLock, run: Run) -> None:
        def send() -> None:
            log.append([_state(RunState.UPLOADING)])
            upload(self._store, self._uploads(), progress=self._progress_of(run), cancel=self._cancel)

        try:
            if not done_unless(self._end_asked, send):
                raise StoreError("The upload was stopped while the store did not answer.")
            log.append([_state(RunState.QUEUED)])
            self._target.start(self._record, lock, self._connection)
        except ResonError as error:
            stopped = self._cancel.is_set()
            reason = "Stopped on request during the upload." if stopped else str(error)
            with contextlib.suppress(StoreError):  # then it is told by the lock alone that nobody carries the run
                log.append([_state(RunState.ABORTED if stopped else RunState.FAILED, reason)])
        finally:
            lock.release()

    def _end_asked(self) -> bool:
        """Whether somebody asked for the run's end; the upload is stopped then."""
        if is_unwanted(self._folder):
            self._cancel.set()
        return self._cancel.is_set()

    def _progress_of(self, run: Run) -> UploadProgress:
        """Shows the upload beside the run's state."""
        shown_at = 0.0

        def on_progress(done: int, total: int, _key: str) -> None:
            nonlocal shown_at
            now = time.monotonic()
            if now - shown_at < _BETWEEN_NOTES:
                return
            shown_at = now
            run.set_note(f"Uploading: {done / 1e6:.1f} of {total / 1e6:.1f} MB.")

        return on_progress

    def _uploads(self) -> list[Upload]:
        """Everything that goes to the store, in the platform's order: what is small and read first goes first."""
        sources: dict[str, bytes | Path | ObjectInfo] = dict(self._job.files)
        sources |= {f"shards/{shard.name}": shard.source for shard in self._shards}
        if self._checkpoint:
            sources[f"model/{self._checkpoint.name}"] = self._checkpoint
        return [
            Upload(f"{self._record.prefix}/{key}", source, _CONTENT_TYPES.get(Path(key).suffix, "application/octet-stream"))
            for key, source in sorted(sources.items(), key=lambda item: (_ORDER.index(item[0].split("/")[0]), item[0]))
        ]

    def _submitted(self, notes: Sequence[str]) -> Event:
        server = self._job.config("config_fed_server.json")
        rounds: dict[str, Any] = server["workflows"][0]["args"]
        data = {
            "name": self._job.name,
            "target": self._record.target,
            "num_rounds": rounds["num_rounds"],
            "min_clients": rounds["min_clients"],
            "site_timeout": self._federation.site_timeout,
            "round_timeout": self._federation.round_timeout,
            "digest": self._job.digest,
            "digests": digests(self._job),
            "versions": versions(self._job),
            "notes": list(notes),
            "sites": {
                f"site-{number}": {"shard": shard.name, "sha256": shard.sha256}
                for number, shard in enumerate(self._shards, start=1)
            },
            "lines": {name: source.to_json() for name, source in self._job.sources.items()},
        }
        return Event(time=self._record.created, type=EventType.SUBMITTED, data=data)


def _state(state: RunState, reason: str = "") -> Event:
    return Event(time=time.time(), type=EventType.STATE, data={"state": state.value, "reason": reason})
