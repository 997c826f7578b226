"""What a target can do: carry out the run of a job that lies in a store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from ...config import ResonTechConfig
from ..job import Job
from ..placement import Survey
from ..record import RunLock, RunRecord
from ..sending import Shard
from ..store import Store


class Target(Protocol):
    """A place where runs happen. A target takes the job from the store and reports into the run's log there.

    Attributes:
        shards_in_job: Whether it needs the shards below the job's prefix too, as shards/<file name>; else it takes them from
            where the store has each content once, see `shard_pool`.
    """

    shards_in_job: bool

    def survey(self, connection: ResonTechConfig) -> Survey:
        """Looks at where the run would run, before anything is built or sent. Raises `TargetError` if it could not."""

    def open_store(self, url: str, connection: ResonTechConfig) -> Store:
        """Opens the store that a run's files are sent to. Raises `StoreError`."""

    def check(self, job: Job, store: Store, sites: Mapping[str, Shard | None], connection: ResonTechConfig) -> None:
        """Refuses, before anything is tried or sent, what could not run there. Raises `ResonError`.

        Args:
            job: The job as it was built.
            store: Where its files are to lie.
            sites: The sites, each with its shard; None for one that has its data itself.
            connection: How the target is reached.
        """

    def adapt(self, job: Job, record: RunRecord, store: Store, sites: Mapping[str, Shard | None]) -> Job:
        """Returns the job as it is stored for this target.

        Args:
            job: The job as it was built, or as another run of it stored it.
            record: The new run.
            store: Where its files are to lie.
            sites: The sites, each with its shard; None for one that has its data itself.

        Raises:
            ResonError: it cannot run there.
        """

    def start(self, record: RunRecord, lock: RunLock, connection: ResonTechConfig) -> None:
        """Starts the run and returns; from here on the target holds the lock. Raises `TargetError`."""

    def abort(self, record: RunRecord) -> None:
        """Asks for the end of a run; its log says when it has ended. Raises `TargetError`."""

    def request(self, record: RunRecord, request: Mapping[str, Any]) -> None:
        """Passes a request on to a running run; the answers come as events of its log. Raises `TargetError`.

        Args:
            record: The run.
            request: {"id", "op", "sites" (None: all), ...}, as `Run.command` and the like send it.
        """

    def read_log(self, record: RunRecord, name: str, offset: int) -> bytes | None:
        """Returns what the running log of a site, or of "server", has beyond `offset` bytes; None if it is not here."""

    def resume(self, record: RunRecord, connection: ResonTechConfig) -> bool:
        """Has a run carried on that lost its carrier; False where it cannot be, as it ended with its carrier."""

    def settle(self, record: RunRecord, store: Store) -> bool:
        """Clears up after a run that nobody carries any more. Returns whether it was settled here.

        The last word of such a run's log is then that it is lost.
        """

    def is_carried(self, record: RunRecord) -> bool | None:
        """Whether the run is being carried out; None if that cannot be told from here."""
