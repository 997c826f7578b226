"""Targets whose runs are carried by a process of this machine that outlives the kernel."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from ...config import ResonTechConfig
from ...errors import TargetError
from ...home import home
from ..carrying.lost import CARRIER_LOG
from ..carrying.mailbox import REQUESTS_FOLDER, Mailbox
from ..job import Job
from ..record import LOCK_FILE, RunLock, RunRecord, is_carried
from ..sending import Shard
from ..store import Store

ABORT_FILE = "abort"


class DetachedTarget:
    """Starts the carrier of a run, and leaves word for it in the run's folder.

    Attributes:
        carrier: The module that carries a run; it is started with the run's folder as its argument.
    """

    carrier: ClassVar[str]

    def check(self, job: Job, store: Store, sites: Mapping[str, Shard | None], connection: ResonTechConfig) -> None:
        """Refuses nothing, unless a target does."""

    def start(self, record: RunRecord, lock: RunLock, connection: ResonTechConfig) -> None:
        """Starts the carrier in a session of its own, so that neither an interrupt nor the end of the kernel reaches it."""
        cwd = record.folder / "cwd"
        cwd.mkdir(exist_ok=True)
        command = [sys.executable, "-P", "-m", self.carrier, str(record.folder)]
        # Keys go by environment: arguments are visible to every user of the machine. The home as a full path: it works elsewhere.
        environment = {**os.environ, **connection.environment(), "RESON_HOME": str(home())}
        with (record.folder / CARRIER_LOG).open("ab") as log:
            try:
                runner = subprocess.Popen(
                    command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    start_new_session=True, pass_fds=(lock.file.fileno(),),
                )  # fmt: skip
            except OSError as error:
                raise TargetError(f"the runner could not be started: {error}", "Is the machine out of memory?") from error
        lock.release()
        # Somebody must take note of its end, or it would stay in the process table for as long as the kernel lives.
        threading.Thread(target=runner.wait, name=f"reap {record.id}", daemon=True).start()

    def abort(self, record: RunRecord) -> None:
        """Leaves word for the carrier, which looks several times a second."""
        _check_carried(record)
        (record.folder / ABORT_FILE).touch()

    def request(self, record: RunRecord, request: Mapping[str, Any]) -> None:
        """Leaves the request for the carrier, which looks several times a second."""
        _check_carried(record)
        try:
            Mailbox(record.folder / REQUESTS_FOLDER).put(request)
        except OSError as error:
            raise TargetError(f"the request could not be left for run {record.id}: {error}", "Is the disk full?") from error

    def is_carried(self, record: RunRecord) -> bool | None:
        """Whether the run's carrier is alive; None if the run was not started on this machine."""
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
