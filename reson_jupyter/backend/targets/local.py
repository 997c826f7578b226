"""Runs on this machine, with NVFlare's simulator."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ...config import ResonTechConfig
from ..job import Job
from ..placement import Survey
from ..record import RunRecord, lock_of_nobody
from ..runner.remains import WorkFolder
from ..runner.settling import settle
from ..sending import Shard
from ..store import Store, open_store
from .detached import DetachedTarget

WORK_FILE = "work"  # names the run's work folder while there is one


class LocalTarget(DetachedTarget):
    """Carries out runs with NVFlare's simulator, one process for each site, on this machine."""

    shards_in_job = False
    carrier = "reson_jupyter.backend.runner.carry"

    def survey(self, connection: ResonTechConfig) -> Survey:
        """Every shard gets a site."""
        return Survey()

    def open_store(self, url: str, connection: ResonTechConfig) -> Store:
        """Any store will do."""
        return open_store(url, connection)

    def adapt(self, job: Job, record: RunRecord, store: Store, sites: Mapping[str, Shard | None]) -> Job:
        """The job as it is: its sites are this machine."""
        return job

    def read_log(self, record: RunRecord, name: str, offset: int) -> bytes | None:
        """Returns what the log of a site, or of "server", has beyond `offset` bytes; None if the run has no work folder here."""
        work = _work_folder(record)
        if work is None or Path(name).name != name:
            return None
        try:
            with work.log_of(name).open("rb") as file:
                file.seek(offset)
                return file.read()
        except OSError:
            return None

    def resume(self, record: RunRecord, connection: ResonTechConfig) -> bool:
        """No: the sites end with their runner."""
        return False

    def settle(self, record: RunRecord, store: Store) -> bool:
        """Clears up after a run whose runner is gone. False: it is carried, or was not here, or its store does not answer now."""
        if (lock := lock_of_nobody(record.folder)) is None:
            return False
        try:
            settled = settle(record, store, _work_folder(record))
            if settled:
                (record.folder / WORK_FILE).unlink(missing_ok=True)
            return settled
        finally:
            lock.release()


def _work_folder(record: RunRecord) -> WorkFolder | None:
    try:
        return WorkFolder(Path((record.folder / WORK_FILE).read_text()))
    except OSError:
        return None
