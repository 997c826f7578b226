"""The platform's workers: a job's files come from the bucket, NVFlare's simulator trains, and what it leaves goes back."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from packaging.requirements import Requirement

from reson_jupyter.backend.job import write_nvflare_folder
from reson_jupyter.backend.runner.remains import WorkFolder
from reson_jupyter.backend.runner.simulator import Simulator
from reson_jupyter.data.shards import unpack_shard

from .bucket import Bucket
from .jobs import OVER, PlatformJob

_REPOSITORY = Path(__file__).resolve().parents[2]
_POLL = 0.1
_END_GRACE = 8.0


class Training:
    """One job, carried out by a process of its own as far away from the user as this machine allows.

    Args:
        job: The job; its state and round are kept as they are.
        bucket: Where its files lie, and where its results go.
        preloads_model: Whether what lies in its model/ is put beside its scripts.
    """

    def __init__(self, job: PlatformJob, bucket: Bucket, preloads_model: bool) -> None:
        self._job = job
        self._bucket = bucket
        self._folders = ("scripts", "configs", "model") if preloads_model else ("scripts", "configs")
        # Short, because sockets below it have paths of at most 107 characters.
        self._work = WorkFolder(Path(tempfile.mkdtemp(prefix="rt-", dir="/tmp")))
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._carry, name=f"platform job {job.id}")

    def start(self) -> None:
        """Starts and returns."""
        self._thread.start()

    def stop(self) -> None:
        """Ends it; returns when nothing of it is left."""
        self._stopped.set()
        self._thread.join()

    def logs(self) -> dict[str, str]:
        """Returns what the server and the sites have logged, while they are there."""
        logs = {path.parent.name: path for path in self._work.workspace.glob("*/log.txt")}
        return {name: path.read_text(errors="replace") for name, path in logs.items()}

    def _carry(self) -> None:
        try:
            self._become("PENDING")
            self._lay_out(self._work)
            self._carry_out(self._work)
        except Exception as error:
            self._job.error = f"{type(error).__name__}: {error}"
            self._become("FAILED")
        finally:
            shutil.rmtree(self._work.path, ignore_errors=True)

    def _carry_out(self, work: WorkFolder) -> None:
        folder = work.path
        # Nothing of the user's environment is there, and no key; a worker has its packages and that is all.
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        command = [sys.executable, "-m", "tests.platform.training", str(folder), str(self._job.workers)]
        environment = {
            **kept,
            "PYTHONPATH": str(_REPOSITORY),
            "RESON_HOME": str(folder / "home"),
            "RESON_CACHE": str(folder / "cache"),
        }
        with (folder / "training.log").open("wb") as log:
            process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True)
        while process.poll() is None and not self._stopped.wait(_POLL):
            self._look(work)
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        code = process.wait()
        self._look(work)
        self._bring_back(work)
        if code or not self._bucket.keys(f"{self._job.task.prefix}/model_out/"):
            self._job.error = "the training ended without a model"
            self._become("FAILED")
        self._become("FINISHED")

    def _lay_out(self, work: WorkFolder) -> None:
        prefix = f"{self._job.task.prefix}/"
        keys = [f"{folder}/{name}" for folder in self._folders for name in self._bucket.keys(f"{prefix}{folder}/")]
        write_nvflare_folder({key: self._bucket.get(prefix + key) for key in keys}, work.job)
        for line in self._bucket.get(f"{prefix}requirements/requirements.txt").decode().splitlines():
            if line.strip():
                Requirement(line)
        for number, name in enumerate(sorted(self._bucket.keys(f"{prefix}shards/")), start=1):
            archive = work.path / "shard.zip"
            archive.write_bytes(self._bucket.get(f"{prefix}shards/{name}"))
            unpack_shard(archive, work.data / f"site-{number}")
            archive.unlink()

    def _look(self, work: WorkFolder) -> None:
        """Takes note of how far it is, from what the server of our jobs writes."""
        try:
            lines = (work.server / "events.ndjson").read_text().splitlines()
        except OSError:
            return
        self._become("RUNNING")
        rounds = [json.loads(line)["round"] for line in lines if '"round_started"' in line]
        self._job.round = rounds[-1] if rounds else 0

    def _bring_back(self, work: WorkFolder) -> None:
        prefix = f"{self._job.task.prefix}/"
        for path in work.models():
            self._bucket.put(f"{prefix}model_out/{path.name}", path.read_bytes())
        for path in (work.log_of("server"), work.log, work.path / "training.log"):
            if path.exists():
                self._bucket.put(f"{prefix}files_out/training_log.txt", path.read_bytes())
                break

    def _become(self, state: str) -> None:
        if self._job.state not in OVER:
            self._job.state = state


def main(folder: str, sites: str) -> int:
    """Runs the job of a work folder; returns 0 when NVFlare ended by itself."""
    os.environ.pop("PYTHONPATH")  # what trains has this repository's package, as a worker would, but not its tests
    simulator = Simulator(WorkFolder(Path(folder)), int(sites))
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    simulator.start()
    hung_at = math.inf
    while not simulator.ended and not stopped.wait(_POLL) and time.monotonic() < hung_at:
        simulator.processes.look()
        if simulator.dead_sites():  # NVFlare would wait for it for ever, unless the run is ending anyway
            hung_at = min(hung_at, time.monotonic() + _END_GRACE)
    ended = simulator.ended and not simulator.killed
    simulator.stop()
    return 0 if ended else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
