"""Runs on this machine: a detached runner process that outlives the kernel."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

from ...config import ResonTechConfig
from ...errors import TargetError
from ..record import RunLock, RunRecord, home, is_carried

ABORT_FILE = "abort"


class LocalTarget:
    """Carries out runs with NVFlare's simulator, one process for each site, on this machine."""

    def start(self, record: RunRecord, lock: RunLock, connection: ResonTechConfig) -> None:
        """Starts the runner in a session of its own, so that neither an interrupt nor the end of the kernel reaches it."""
        cwd = record.folder / "cwd"
        cwd.mkdir(exist_ok=True)
        command = [sys.executable, "-P", "-m", "reson_jupyter.backend.runner", str(record.folder)]
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
        if not is_carried(record.folder):
            raise TargetError(f"run {record.id} is not running on this machine")
        (record.folder / ABORT_FILE).touch()

    def is_carried(self, record: RunRecord) -> bool | None:
        """Whether the runner of this run is alive; None if the run was not started on this machine."""
        return is_carried(record.folder)


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
