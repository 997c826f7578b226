"""From a built job and checked shards to a run: the log is begun, the files are uploaded, the target is told."""

from __future__ import annotations

import contextlib
import shutil
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..cautions import Caution
from ..config import FederationConfig, ResonTechConfig
from ..data.report import ShardSummary
from ..errors import ResonError, RunError, StoreError
from ..events import Event, EventType, RunState
from .event_log import EventLogWriter
from .federated import plain
from .history import history
from .history.origin import digests, versions
from .interruptible import done_unless
from .job import Job
from .nvflare_config import has_callbacks, rounds_of
from .record import RunLock, RunRecord, keep_project
from .run.handle import Run
from .sending import Sending, Shard
from .starting import answer_of, current_start
from .store import ObjectInfo, Store
from .targets.base import Target
from .targets.detached import is_unwanted

if TYPE_CHECKING:
    import torch


_submitted: list[str] = []


def submitted_here() -> frozenset[str]:
    """Returns the ids of the runs that this process has submitted."""
    return frozenset(_submitted)


def local_shards(shards: Sequence[ShardSummary]) -> list[Shard]:
    """Returns checked shards of this machine as they are submitted."""
    return [Shard(shard.name, shard.sha256, shard.path) for shard in shards]


def files_to_send(
    job: Job, prefix: str, shards_in_job: bool, checkpoint: ObjectInfo | None = None
) -> dict[str, bytes | Path | ObjectInfo]:
    """Returns what is sent of an adapted job, by the keys below its prefix; `Submission` tells of the arguments."""
    files: dict[str, bytes | Path | ObjectInfo] = dict(job.files)
    if weights := checkpoint or job.checkpoint:
        files[f"model/{weights.name}"] = weights
        if shards_in_job:  # such a target may show the run's server no more than the scripts
            size = weights.bytes if isinstance(weights, ObjectInfo) else weights.stat().st_size
            files[f"scripts/{weights.name}"] = ObjectInfo(f"{prefix}/model/{weights.name}", size, "")
    return files


class Submission:
    """One job on its way to its target.

    Args:
        job: The job.
        sites: The sites, each with its shard; None for one that has its data itself.
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
        sites: Mapping[str, Shard | None],
        federation: FederationConfig,
        record: RunRecord,
        store: Store,
        target: Target,
        connection: ResonTechConfig,
        checkpoint: ObjectInfo | None = None,
    ) -> None:
        self._job = job = target.adapt(job, record, store, sites)
        self._sites = sites
        self._federation = federation
        self._record = record
        self._store = store
        self._target = target
        self._connection = connection
        self._cancel = threading.Event()
        self._folder = record.folder
        files = files_to_send(job, record.prefix, target.shards_in_job, checkpoint)
        shards = [shard for shard in sites.values() if shard]
        self._sending = Sending(store, record, files, shards, target.shards_in_job, self._cancel)

    def start(self, notes: Sequence[str] = (), model_class: type[torch.nn.Module] | None = None, *, place: str = "") -> Run:
        """Begins the run's log and returns the run; files are uploaded by a thread that outlasts the main program.

        Args:
            notes: What the user should know of how the job was made.
            model_class: The live class of the model, for `Run.model`.
            place: What people call where the run runs, see `Survey`.

        Raises:
            StoreError: the store cannot be written to, or does not answer soon.
            RunError: whoever asked for the run stopped that meanwhile.
        """
        start = current_start()
        start.check()

        def begin() -> tuple[EventLogWriter, Run]:
            log = EventLogWriter(self._store, self._record.prefix)
            log.append([self._submitted(notes, place), _state(RunState.PENDING)])
            return log, Run(self._record, self._store, self._target, connection=self._connection, model_class=model_class)

        # Kept here before anything is in the store, so that nothing is left there that nobody knows of.
        self._record.save()
        lock = RunLock(self._record.folder)
        try:
            log, run = answer_of(self._store.url, begin, lambda begun: _withdraw(begun[0]))
            try:
                start.begin()
            except RunError:
                threading.Thread(target=_withdraw, args=(log,), name=f"withdraw {self._record.id}", daemon=True).start()
                raise
        except BaseException:
            lock.release()
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        if self._job.project:
            keep_project(self._record, self._job.project)
        history.add(self._record, run.progress)
        _submitted.append(run.id)
        threading.Thread(target=self._carry, args=(log, lock, run), name=f"upload {run.id}").start()
        return run

    def _carry(self, log: EventLogWriter, lock: RunLock, run: Run) -> None:
        try:
            self._send(log, run)
            log.append([_state(RunState.QUEUED)])
            self._target.start(self._record, lock, self._connection)
        except ResonError as error:
            stopped = self._cancel.is_set()
            reason = "Stopped on request during the upload." if stopped else str(error)
            with contextlib.suppress(StoreError):  # then it is told by the lock alone that nobody carries the run
                log.append([_state(RunState.ABORTED if stopped else RunState.FAILED, reason)])
        finally:
            lock.release()

    def _send(self, log: EventLogWriter, run: Run) -> None:
        """Brings the files into the store; where that ends before its time, the run's claims on the shards are given up."""

        def send() -> None:
            log.append([_state(RunState.UPLOADING)])
            self._sending.send(lambda plan: log.append([_note(plan)]), run.set_note)

        try:
            if not done_unless(self._end_asked, send):
                raise StoreError("The upload was stopped while the store did not answer.")
        except ResonError:
            # What a store that does not answer keeps of them goes when the run is deleted.
            with contextlib.suppress(StoreError):
                done_unless(lambda: True, self._sending.give_up)
            raise

    def _end_asked(self) -> bool:
        """Whether somebody asked for the run's end; the upload is stopped then."""
        if is_unwanted(self._folder):
            self._cancel.set()
        return self._cancel.is_set()

    def _submitted(self, notes: Sequence[str], place: str) -> Event:
        job = plain(self._job)  # what a target adds may be secret, and is another for every run
        server = job.config("config_fed_server.json")
        rounds = rounds_of(server)
        data = {
            "name": self._job.name,
            "target": self._record.target,
            "callbacks": has_callbacks(job.config("config_fed_client.json")),
            "place": place,
            "num_rounds": rounds["num_rounds"],
            "min_clients": rounds["min_clients"],
            "site_timeout": self._federation.site_timeout,
            "round_timeout": self._federation.round_timeout,
            "digest": job.digest,
            "digests": digests(job),
            "versions": versions(self._job),
            "notes": list(notes),
            "warnings": [note for note in notes if isinstance(note, Caution)],
            "sites": {
                site: {"shard": shard.name if shard else "", "sha256": shard.sha256 if shard else ""}
                for site, shard in self._sites.items()
            },
            "lines": {name: source.to_json() for name, source in self._job.sources.items()},
        }
        return Event(time=self._record.created, type=EventType.SUBMITTED, data=data)


def _withdraw(log: EventLogWriter) -> None:
    """Says in the log of a run that nobody waited for any more, as far as its store answers, that it is not to be."""
    with contextlib.suppress(StoreError):
        log.append([_state(RunState.ABORTED, "Stopped on request, or given up, before the run began.")])


def _state(state: RunState, reason: str = "") -> Event:
    return Event(time=time.time(), type=EventType.STATE, data={"state": state.value, "reason": reason})


def _note(message: str) -> Event:
    return Event(time=time.time(), type=EventType.LOG, data={"level": "info", "message": message, "note": "sending"})
