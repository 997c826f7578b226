"""One NVFlare simulator run as a process tree that can be watched and ended.

What is done here and not by NVFlare itself, measured on 2.9.0: a client process that dies makes the simulator wait for ever; the
simulator's own exit code is 0 for jobs that never trained; "python -m" puts the working folder first on the module path, so a
stray model_def.py there would be loaded instead of the job's; a workspace path with a space ends in a run without training.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import psutil

from .record import is_carried

# Between two questions of a site for its next task; NVFlare's default of 2 s suits machines far apart, not one machine.
_TASK_REQUEST_INTERVAL = 0.05
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_BYTES_PER_SITE = 600 * 1024**2
_SECRET = re.compile(r"^(RESON_(S3_|API_KEY|PASSWORD|EMAIL)|AWS_)")


class Simulator:
    """The simulator, its server and its site processes.

    Args:
        work: An empty folder without white space in its path; everything the run writes goes below it.
        sites: How many sites; they are called site-1, site-2, ...
        data: Folder that has one folder of data for each site, by its name.
    """

    def __init__(self, work: Path, sites: int, data: Path) -> None:
        self.job = work / "job"
        self.workspace = work / "workspace"
        self.out = work / "model_out"
        self.log = work / "simulator.log"
        self._cwd = work / "empty"
        self._tmp = work / "tmp"
        self._data = data
        self._sites = sites
        # Decided once: when the sites run they hold the memory that was counted here.
        self._threads = max(1, min(sites, int(psutil.virtual_memory().available // _BYTES_PER_SITE)))
        self._process: subprocess.Popen[bytes] | None = None
        self._workers: dict[str, psutil.Process] = {}
        for folder in (self.out, self._cwd, self._tmp):
            folder.mkdir()

    @property
    def server_folder(self) -> Path:
        """Where the server runs; the reporter's events.ndjson appears here."""
        return self.workspace / "server" / "simulate_job"

    @property
    def threads(self) -> int:
        """How many sites run at once: all, as far as the memory that was free before the run holds them."""
        return self._threads

    def start(self) -> None:
        """Starts the run of the job folder."""
        _tune(self.job / "app" / "config" / "config_fed_server.json")
        command = [sys.executable, "-P", "-m", "nvflare.private.fed.app.simulator.simulator", str(self.job)]
        command += ["-w", str(self.workspace), "-n", str(self._sites), "-t", str(self.threads), "-l", "concise"]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                command, cwd=self._cwd, env=self._environment(), stdout=log, stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=_end_with_parent,
            )  # fmt: skip

    def poll(self) -> int | None:
        """Returns the exit code once the simulator has ended, else None."""
        assert self._process is not None
        return self._process.poll()

    def dead_sites(self) -> list[str]:
        """Returns the sites whose process was there before and is gone now, each once."""
        gone = [name for name, process in self._workers.items() if not _runs(process)]
        for name in gone:
            del self._workers[name]
        for process in self._tree():
            site = _site_of(process)
            if site:
                self._workers[site] = process
        return [name for name in gone if name not in self._workers]

    def ask_to_stop(self) -> bool:
        """Has the reporter end the run in good order; False if the server is not up yet and nobody would hear it."""
        if not (self.server_folder / "events.ndjson").exists():
            return False
        (self.server_folder / "STOP").touch()
        return True

    def sites_running(self) -> bool:
        """Whether any site process still runs."""
        return any(map(_site_of, self._tree()))

    def stop(self, grace: float = 5.0) -> None:
        """Ends every process of the run; returns when all are gone.

        SIGINT to the main process ends it in 0.2 s; SIGTERM to it alone would leave orphans that go on training.
        """
        if self._process is None:
            return
        tree = self._tree()
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(grace)
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait()
        psutil.wait_procs(tree, timeout=0.5)
        left = self._left_behind()
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(left, timeout=grace)

    def logs(self) -> Mapping[str, Path]:
        """Returns the log files by the name they get in the store."""
        logs = {f"{path.parent.name}.txt": path for path in sorted(self.workspace.glob("*/log.txt"))}
        return {**logs, "simulator.txt": self.log} if self.log.exists() else logs

    def errors_of(self, name: str) -> str:
        """Returns what a site, or "server", wrote to its error log."""
        files = sorted((self.workspace / name).glob("**/error_log.txt"))
        return "\n".join(path.read_text(errors="replace").strip() for path in files)

    def models(self) -> list[Path]:
        """Returns the model files: what the persistor put into the output folder, else what it left with the server's app."""
        # A file that is named .tmp was being written when its server died.
        written = sorted(path for path in self.out.glob("**/*") if path.is_file() and path.suffix != ".tmp")
        return written or sorted((self.server_folder / "app_server").glob("*.pt"))

    def _tree(self) -> list[psutil.Process]:
        assert self._process is not None
        try:
            return psutil.Process(self._process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return list(self._workers.values())

    def _left_behind(self) -> list[psutil.Process]:
        """Every process that was started for this run, by the user's code as well, whoever its parent is now."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get("RESON_DATA_ROOT") == str(self._data):
                    found.append(process)
        return found

    def _environment(self) -> dict[str, str]:
        env = {key: value for key, value in os.environ.items() if not _SECRET.match(key)}
        cores = os.cpu_count() or 1
        return {
            **env,
            "PYTHONSAFEPATH": "1",
            "PYTHONUNBUFFERED": "1",
            "TMPDIR": str(self._tmp),  # NVFlare leaves folders in it
            "RESON_DATA_ROOT": str(self._data),
            "RESONTECH_OUT_DIR": str(self.out),
            # Sites share the cores: without this every one of them would start a thread per core.
            "OMP_NUM_THREADS": str(max(1, cores // self.threads)),
        }


def make_work_folder(run: Path) -> Path:
    """Makes a folder for one run whose path has no white space; removes those of runs whose runner was killed.

    Args:
        run: The run's folder on this machine.
    """
    base = Path("/tmp" if re.search(r"\s", tempfile.gettempdir()) else tempfile.gettempdir())
    for owner in base.glob("reson-*/run"):
        with contextlib.suppress(OSError):
            if owner.stat().st_uid == os.getuid() and is_carried(Path(owner.read_text())) is False:
                shutil.rmtree(owner.parent, ignore_errors=True)
    # Short, because sockets below it have paths of at most 107 characters.
    work = Path(tempfile.mkdtemp(prefix=f"reson-{run.name[-12:]}-", dir=base)).resolve()
    (work / "run").write_text(str(run))
    return work


def _end_with_parent() -> None:
    """In the child: have the system interrupt it when its parent dies, so that a killed runner leaves no training behind."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)


def _tune(server_config: Path) -> None:
    """Sets what suits a federation on one machine; the stored job stays as it is."""
    config = json.loads(server_config.read_text())
    config.setdefault("server", {}).setdefault("task_request_interval", _TASK_REQUEST_INTERVAL)
    for workflow in config.get("workflows", []):
        if workflow.get("path", "").endswith(".ScatterAndGather"):
            # A snapshot serves a server that is started again, and a collection after each round one that shares its memory.
            workflow["args"] = {"snapshot_every_n_rounds": 0, "memory_gc_rounds": 0, **workflow["args"]}
    server_config.write_text(json.dumps(config, indent=2))


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _site_of(process: psutil.Process) -> str | None:
    """The site that a process works for, read from its command line; None for any other process."""
    try:
        command = process.cmdline()
    except psutil.Error:
        return None
    if not any(part.endswith("simulator_worker") for part in command) or not _runs(process):
        return None
    return command[command.index("--client") + 1]
