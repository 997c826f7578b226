"""Runs on an NVFlare federation, which is reached with the startup kit of one of its users."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from ...config import ResonTechConfig
from ...data.report import counted
from ...errors import StoreError, TargetError
from ...paths import expanded
from ..event_log import peek
from ..federation.kits import data_root
from ..federation.start import at_hand, was_at_hand
from ..flare.kit import read_kit
from ..flare.logs import read_log
from ..flare.state import FlareState, read_state, write_state
from ..flare.survey import survey
from ..job import Job
from ..nvflare_config import executor_args, rounds_of
from ..placement import Survey
from ..record import RunLock, RunRecord, is_carried, lock_of_nobody
from ..runner.settling import settle
from ..sending import Shard
from ..store import Store, open_store
from .detached import DetachedTarget

# A carrier that dies without anything of the run getting ahead is not started for ever.
_STARTS = 4


class FlareTarget(DetachedTarget):
    """Has a federation carry out runs: its server and its sites are there already, with or without their data."""

    shards_in_job = False
    carrier = "reson_jupyter.backend.flare.carry"

    def survey(self, connection: ResonTechConfig) -> Survey:
        """Asks the federation for its sites."""
        if was_at_hand(connection.startup_kit):
            raise TargetError(
                "the federation of this machine was stopped", "Start one: %reson federation start, or reson.start_federation()"
            )
        return survey(read_kit(connection.startup_kit), version("nvflare"))

    def open_store(self, url: str, connection: ResonTechConfig) -> Store:
        """Any store will do where the sites have their data themselves."""
        return open_store(url, connection)

    def check(self, job: Job, store: Store, sites: Mapping[str, Shard | None], connection: ResonTechConfig) -> None:
        """Refuses shards that the sites cannot fetch, and sites of this machine's federation that have no data."""
        if any(sites.values()) and store.offer_download("jobs", 1) is None:
            raise StoreError(
                f"the sites of the federation cannot fetch their shards from {store.url}, which only this machine sees",
                "Use a bucket (RESON_S3_BUCKET and its keys), or leave out the shards where the sites have their data "
                "themselves (RESON_DATA_ROOT on each site). On a federation of this machine: %reson federation start --data DIR.",
            )
        _check_data(job, sites, expanded(connection.startup_kit, TargetError))

    def adapt(self, job: Job, record: RunRecord, store: Store, sites: Mapping[str, Shard | None]) -> Job:
        """The job as it is: what it needs besides, its carrier adds, as some of that is secret."""
        return job

    def start(self, record: RunRecord, lock: RunLock, connection: ResonTechConfig) -> None:
        """Starts the carrier, which takes the kit from the run's folder: whoever carries the run on has to use the same."""
        kit = read_kit(connection.startup_kit)
        write_state(record.folder, FlareState(kit=str(kit.path), federation=kit.federation, at_hand=kit.is_loopback))
        super().start(record, lock, connection)

    def read_log(self, record: RunRecord, name: str, offset: int) -> bytes | None:
        """Returns what a log has beyond `offset` bytes; None while the carrier has not brought any of it."""
        return read_log(record.folder, name, offset)

    def resume(self, record: RunRecord, connection: ResonTechConfig) -> bool:
        """Starts another carrier for a run that goes on in its federation; False if it was never handed over."""
        state = read_state(record.folder)
        latest = peek(self.open_store(record.store, connection), record.prefix)
        if state is None or latest is None or latest.state.done:
            return False
        starts = state.starts + 1 if latest.seq <= state.events else 2
        if starts > _STARTS:
            return False
        try:
            lock = RunLock(record.folder)
        except OSError:  # somebody else was quicker
            return is_carried(record.folder) is True
        try:
            write_state(record.folder, state.model_copy(update={"events": latest.seq, "starts": starts}))
            super().start(record, lock, connection)
        finally:
            lock.release()
        return True

    def settle(self, record: RunRecord, store: Store) -> bool:
        """Says that a run is lost that nobody carries any more. False: it is carried, or not of here, or its store is away."""
        if (lock := lock_of_nobody(record.folder)) is None:
            return False
        try:
            return settle(record, store, None)
        finally:
            lock.release()


def _check_data(job: Job, sites: Mapping[str, Shard | None], kit: Path) -> None:
    """Raises `TargetError` if too few sites of the federation at hand would have data; what others have nobody sees from here."""
    federation = at_hand(kit)
    if federation is None or executor_args(job.config("config_fed_client.json"))["train_fn"] != "rt_train_model":
        return
    without = [site for site, shard in sites.items() if not shard and not data_root(federation.folder / site)]
    needed: int = rounds_of(job.config("config_fed_server.json"))["min_clients"]
    if len(sites) - len(without) < needed:
        raise TargetError(
            f"{', '.join(without)} of this machine's federation {'has' if len(without) == 1 else 'have'} no data, and the run "
            f"needs {counted(needed, 'site')} with data",
            "Give them their data: %reson federation start --data DIR; or, with a bucket as the store, submit with --shards DIR.",
        )
