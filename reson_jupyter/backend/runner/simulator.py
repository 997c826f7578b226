"""One NVFlare simulator run as a process tree that can be started and ended.

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
from pathlib import Path

import psutil

from ...home import home
from .processes import MARK, RunProcesses, kill, left_behind, runs
from .remains import WorkFolder

# Between two questions of a site for its next task; NVFlare's default of 2 s suits machines far apart, not one machine.
_TASK_REQUEST_INTERVAL = 0.05
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_BYTES_PER_SITE = 600 * 1024**2
_SECRET = re.compile(r"^(RESON_(S3_|API_KEY|PASSWORD|EMAIL)|AWS_)")
_KILLED = 256 - signal.SIGKILL  # how the main process ends when its server was killed
STOP_FILE = "STOP"


class Simulator:
    """The simulator, its server and its site processes.

    Args:
        work: An empty folder without white space in its path; everything the run writes goes below it.
        sites: How many sites; they are called site-1, site-2, ...
        project: Where the sites find a project that does not travel, unless RESON_PROJECT says another place.
    """

    def __init__(self, work: WorkFolder, sites: int, project: Path | None = None) -> None:
        self._work = work
        self._project = project
        self._sites = sites
        # Decided once: when the sites run they hold the memory that was counted here.
        self._threads = max(1, min(sites, int(psutil.virtual_memory().available // _BYTES_PER_SITE)))
        self._process: subprocess.Popen[bytes] | None = None
        self._processes: RunProcesses | None = None
        self._seen: dict[str, psutil.Process] = {}
        for folder in (work.out, work.rounds, work.cwd, work.tmp):
            folder.mkdir()

    @property
    def threads(self) -> int:
        """How many sites run at once: all, as far as the memory that was free before the run holds them."""
        return self._threads

    @property
    def take_turns(self) -> bool:
        """Whether a site's process ends after every task, so that others get its memory."""
        return self._threads < self._sites

    @property
    def processes(self) -> RunProcesses:
        """The processes of the started run."""
        assert self._processes is not None
        return self._processes

    def start(self) -> None:
        """Starts the run of the job folder."""
        _tune(self._work.job / "app" / "config" / "config_fed_server.json")
        command = [sys.executable, "-P", "-m", "nvflare.private.fed.app.simulator.simulator", str(self._work.job)]
        command += ["-w", str(self._work.workspace), "-n", str(self._sites), "-t", str(self.threads), "-l", "concise"]
        with self._work.log.open("wb") as log:
            self._process = subprocess.Popen(
                command, cwd=self._work.cwd, env=self._environment(), stdout=log, stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=_end_with_parent,
            )  # fmt: skip
        self._processes = RunProcesses(self._process.pid)

    @property
    def ended(self) -> bool:
        """Whether the simulator has ended."""
        assert self._process is not None
        return self._process.poll() is not None

    @property
    def killed(self) -> str:
        """Which process was killed, in words, when the simulator has ended because one was; else ""."""
        code = self._process.poll() if self._process else None
        if code is not None and code < 0:
            return f"NVFlare's main process was ended by signal {-code}"
        return "The server's process was killed" if code == _KILLED else ""

    def dead_sites(self) -> list[str]:
        """Returns the sites whose process was there before and is gone now, each once; `processes` are those of its last look."""
        gone = [name for name, process in self._seen.items() if not runs(process)]
        self._seen = {name: process for name, process in self._seen.items() if name not in gone}
        self._seen |= {name: self.processes.of(name)[0] for name in self.processes.sites if runs(self.processes.of(name)[0])}
        return [name for name in gone if name not in self._seen]

    def is_up(self) -> bool:
        """Whether the server is there and takes requests."""
        return (self._work.server / "events.ndjson").exists()

    def ask_to_stop(self) -> bool:
        """Has the reporter end the run in good order; False if the server is not up yet and nobody would hear it."""
        if not self.is_up():
            return False
        try:
            (self._work.server / STOP_FILE).touch()
        except OSError:  # the disk is full, so that nobody hears of it either
            return False
        return True

    def stop(self, grace: float = 5.0) -> None:
        """Ends every process of the run; returns when all are gone.

        SIGINT to the main process ends it in 0.2 s; SIGTERM to it alone would leave orphans that go on training.
        """
        if self._process is None:
            return
        self.processes.look()
        tree = self.processes.all
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(grace)
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait()
        psutil.wait_procs(tree, timeout=0.5)
        # What the user's code started is found by its environment, or was seen below its site, whoever its parent is now.
        for _ in range(3):  # it may start more while it is ended
            kill({*left_behind(self._work.data), *self.processes.seen}, grace)
            self.processes.look()

    def _environment(self) -> dict[str, str]:
        env = {key: value for key, value in os.environ.items() if not _SECRET.match(key)}
        if self._project:
            env.setdefault("RESON_PROJECT", str(self._project))
        cores = os.cpu_count() or 1
        return {
            **env,
            "PYTHONSAFEPATH": "1",
            "PYTHONUNBUFFERED": "1",
            "RESON_CACHE": env.get("RESON_CACHE") or str(home() / "cache" / "images"),
            "TMPDIR": str(self._work.tmp),  # NVFlare leaves folders in it
            MARK: str(self._work.data),
            "RESONTECH_OUT_DIR": str(self._work.out),
            "RESON_ROUNDS_DIR": str(self._work.rounds),
            # Sites share the cores: without this every one of them would start a thread per core.
            "OMP_NUM_THREADS": str(max(1, cores // self.threads)),
        }


def make_work_folder(run: Path) -> WorkFolder:
    """Makes a folder for one run whose path has no white space; removes those of runs that were deleted.

    Args:
        run: The run's folder on this machine.
    """
    base = Path("/tmp" if re.search(r"\s", tempfile.gettempdir()) else tempfile.gettempdir())
    for owner in base.glob("reson-*/run"):
        with contextlib.suppress(OSError):
            # The others are still carried, or wait to be settled.
            if owner.stat().st_uid == os.getuid() and not Path(owner.read_text()).exists():
                shutil.rmtree(owner.parent, ignore_errors=True)
    # Short, because sockets below it have paths of at most 107 characters.
    work = Path(tempfile.mkdtemp(prefix=f"reson-{run.name[-12:]}-", dir=base)).resolve()
    (work / "run").write_text(str(run))
    return WorkFolder(work)


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
