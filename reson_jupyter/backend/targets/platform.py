"""Runs on the ResonTech platform: submitted by its REST API, trained from the account's bucket."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from ...cautions import Caution
from ...config import ResonTechConfig
from ...config.urls import without_user
from ...errors import PlatformError, StoreError, TargetError
from ...events import Event, EventType, RunState
from ..carrying.channel import StoreChannel, make_link
from ..carrying.lost import NOT_SENT, lost_reason
from ..event_log import EventLogWriter, peek
from ..federated import federated
from ..job import Job
from ..placement import Survey
from ..platform.api import Platform, Workers
from ..platform.client import Client
from ..platform.extras import Extras
from ..platform.logs import read_log
from ..platform.selection import described, selection, what_is_missing
from ..platform.store import PlatformStore
from ..record import RunLock, RunRecord, is_carried, lock_of_nobody
from ..sending import Shard
from ..starting import answer_of
from ..store import Store
from .detached import DetachedTarget

_SET_UP = "Set the variables before the kernel starts, or by os.environ in it; notebooks/resontech.ipynb goes through it."


class PlatformTarget(DetachedTarget):
    """Has the platform carry out runs. The platform reads the job and the shards from the account's bucket."""

    shards_in_job = True
    carrier = "reson_jupyter.backend.platform.carry"

    def __init__(self) -> None:
        self._bucket = ""  # the account's, once it is known

    def survey(self, connection: ResonTechConfig) -> Survey:
        """Checks the key, the bucket and the selection of workers, and counts the workers that are online."""
        if len(missing := what_is_missing(connection)) > 1:
            raise TargetError(f"the target reson is not set up; what it needs is {', '.join(missing)}", _SET_UP)
        client = Client(connection)
        platform = Platform(client)
        alias = platform.bucket()
        if connection.s3_bucket and connection.s3_bucket != alias:
            raise TargetError(
                f"the account's bucket is {alias}, and s3_bucket names {connection.s3_bucket}",
                "The platform reads from no other; leave RESON_S3_BUCKET unset.",
            )
        self._bucket = f"s3://{alias}"
        chosen = selection(connection, self._catalogue(client, connection))
        _, store = open_platform(self._bucket, connection)
        # Keys that do not open the bucket are told before anything is built.
        answer_of(store.url, lambda: store.stat("jobs/.reson"))
        workers, notes = self._workers(platform)
        ids = chosen.get("workerIds")
        if workers is not None:
            notes += _memory_notes(connection, workers)
        return Survey(
            capacity=workers.online if workers and not ids else None,
            needed=len(ids) if ids else None,
            place=urlsplit(connection.base_url).hostname or "",
            store=self._bucket,
            notes=(described(chosen), *notes),
        )

    def open_store(self, url: str, connection: ResonTechConfig) -> Store:
        """The account's bucket. Raises `StoreError` for any other store: the platform reads from nowhere else."""
        if self._bucket and url.rstrip("/") != self._bucket:
            raise _wrong_store(url)
        return open_platform(url, connection)[1]

    def check(self, job: Job, store: Store, sites: Mapping[str, Shard | None], connection: ResonTechConfig) -> None:
        """Refuses a project that does not travel, unless the workers are chosen one by one: others do not have it."""
        if job.project and not connection.worker_ids:
            raise TargetError(
                "the project is a local package, and the platform's workers do not have it",
                "Load it without local_package, so that it travels; or name workers that have it by worker_ids.",
            )

    def adapt(self, job: Job, record: RunRecord, store: Store, sites: Mapping[str, Shard | None]) -> Job:
        """The job for sites that are far apart, with the way for its server to report into the bucket."""
        return federated(job, make_link(store, record.prefix))

    def read_log(self, record: RunRecord, name: str, offset: int) -> bytes | None:
        """Returns what the carrier's copy of a log has beyond `offset`; while somebody reads, the carrier brings them here."""
        return read_log(record.folder, name, offset)

    def resume(self, record: RunRecord, connection: ResonTechConfig) -> bool:
        """Starts a carrier anew: the job goes on without one. False for a run that was never submitted, or is not of here."""
        if not record.folder.is_dir():
            return False
        latest = peek(self.open_store(record.store, connection), record.prefix)
        if latest is None or latest.state.done or latest.state in NOT_SENT:
            return False
        Platform(Client(connection)).bucket()  # a key that is refused would end the new carrier's following at once
        try:
            lock = RunLock(record.folder)
        except OSError:  # somebody else was quicker
            return is_carried(record.folder) is True
        try:
            self.start(record, lock, connection)
        finally:
            lock.release()
        return True

    def settle(self, record: RunRecord, store: Store) -> bool:
        """Tells the run's server to end, if there is one, and says that the run is lost."""
        if (lock := lock_of_nobody(record.folder)) is None:
            return False
        try:
            latest = peek(store, record.prefix)
            log = EventLogWriter(store, record.prefix)
            if not log.state.done:
                StoreChannel(store, record.prefix).stop()
                lost = {"state": RunState.LOST.value, "reason": lost_reason(log.state)}
                log.append([Event(time=latest.time if latest else record.created, type=EventType.STATE, data=lost)])
            return True
        except StoreError:
            return False
        finally:
            lock.release()

    @staticmethod
    def _catalogue(client: Client, connection: ResonTechConfig) -> frozenset[str] | None:
        if connection.worker_ids:
            return None
        try:
            return Extras(client).gpu_models()
        except PlatformError:  # it only lets us tell a slip earlier than the platform would
            return None

    @staticmethod
    def _workers(platform: Platform) -> tuple[Workers | None, list[str]]:
        try:
            workers = platform.workers()
        except PlatformError as error:
            return None, [f"the platform does not say which workers are online: {error.message}"]
        models = f" ({', '.join(workers.models)})" if workers.models else ""
        return workers, [f"{workers.online} workers are online{models}"]


def open_platform(url: str, connection: ResonTechConfig) -> tuple[Platform, PlatformStore]:
    """Returns the platform, and the account's bucket as a store; no request is made yet.

    Raises:
        TargetError: the key cannot be right.
        StoreError: the URL is none of a bucket, or there are no keys to it.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise _wrong_store(url) from None
    if parts.scheme != "s3" or not parts.netloc or parts.path.strip("/"):
        raise _wrong_store(url)
    platform = Platform(Client(connection))
    return platform, PlatformStore(parts.netloc, connection, platform)


def _wrong_store(url: str) -> StoreError:
    return StoreError(
        f"the platform reads from the account's bucket only, and the store is {without_user(url)!r}",
        "Name no store for the target reson: it knows its own (unset RESON_STORE).",
    )


def _memory_notes(connection: ResonTechConfig, workers: Workers) -> list[str]:
    if workers.most_memory is None or workers.most_memory >= connection.estimated_memory_mb:
        return []
    needed, most = connection.estimated_memory_mb, workers.most_memory
    return [Caution(f"no worker that is online has {needed} MB of GPU memory free; the most is {most} MB")]
