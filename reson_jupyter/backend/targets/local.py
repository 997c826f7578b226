"""Runs on this machine: a detached runner process that outlives the kernel."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...config import ResonTechConfig
from ...errors import TargetError
from ...home import home
from ..record import LOCK_FILE, RunLock, RunRecord, is_carried
from ..runner.mailbox import Mailbox
from ..runner.remains import WorkFolder
from ..runner.settling import settle
from ..store import Store

ABORT_FILE = "abort"
REQUESTS_FOLDER = "requests"
WORK_FILE = "work"  # names the run's work folder while there is one


class LocalTarget:
    """Carries out runs with NVFlare's simulator, one process for each site, on this machine."""

    shards_in_job = False

    def start(self, record: RunRecord, lock: RunLock, connection: ResonTechConfig) -> None:
        """Starts the runner in a session of its own, so that neither an interrupt nor the end of the kernel reaches it."""
        cwd = record.folder / "cwd"
        cwd.mkdir(exist_ok=True)
        command = [sys.executable, "-P", "-m", "reson_jupyter.backend.runner.carry", str(record.folder)]
        with (record.folder / "runner.log").open("ab") as log:
            try:
                runner = subprocess.Popen(
                    command, cwd=cwd, env=_environment(connection), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    start_new_session=True, pass_fds=(lock.file.fileno(),),
                )  # fmt: skip
            except OSError as error:
                raise TargetError(f"the runner could not be started: {error}", "Is the machine out of memory?") from error
        lock.release()
        # Somebody must take note of its end, or it would stay in the process table for as long as the kernel lives.
        threading.Thread(target=runner.wait, name=f"reap {record.id}", daemon=True).start()

    def abort(self, record: RunRecord) -> None:
        """Leaves word for the runner, which looks several times a second."""
        _check_carried(record)
        (record.folder / ABORT_FILE).touch()

    def request(self, record: RunRecord, request: Mapping[str, Any]) -> None:
        """Leaves the request for the runner, which looks several times a second."""
        _check_carried(record)
        try:
            Mailbox(record.folder / REQUESTS_FOLDER).put(request)
        except OSError as error:
            raise TargetError(f"the request could not be left for run {record.id}: {error}", "Is the disk full?") from error

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

    def settle(self, record: RunRecord, store: Store) -> bool:
        """Clears up after a run whose runner is gone. False: it is carried, or was not here, or its store does not answer now."""
        if is_carried(record.folder) is not False:
            return False
        try:
            lock = RunLock(record.folder)
        except OSError:  # somebody else was quicker
            return False
        try:
            settled = settle(record, store, _work_folder(record))
            if settled:
                (record.folder / WORK_FILE).unlink(missing_ok=True)
            return settled
        finally:
            lock.release()

    def is_carried(self, record: RunRecord) -> bool | None:
        """Whether the runner of this run is alive; None if the run was not started on this machine."""
        return is_carried(record.folder)


def is_unwanted(folder: Path) -> bool:
    """Whether somebody asked for the end of the run of this folder, or took the folder away: nobody could ask for it then."""
    try:
        return (folder / ABORT_FILE).exists() or not (folder / LOCK_FILE).exists()
    except OSError:  # a disk that does not answer just now
        return False


def _check_carried(record: RunRecord) -> None:
    if not is_carried(record.folder):
        raise TargetError(f"run {record.id} is not running on this machine")


def _work_folder(record: RunRecord) -> WorkFolder | None:
    try:
        return WorkFolder(Path((record.folder / WORK_FILE).read_text()))
    except OSError:
        return None


def _environment(connection: ResonTechConfig) -> dict[str, str]:
    """The runner's environment. Keys go by environment: arguments are visible to every user of the machine."""
    values = {
        "RESON_HOME": str(home()),  # as a full path: the runner works elsewhere
        "RESON_S3_ENDPOINT": connection.s3_endpoint,
        "RESON_S3_KEY": connection.s3_access_key_id,
        "RESON_S3_SECRET": connection.s3_secret_access_key.get_secret_value(),
        "RESON_S3_BUCKET": connection.s3_bucket,
        "RESON_S3_REGION": connection.s3_region,
    }
    return {**os.environ, **values}
