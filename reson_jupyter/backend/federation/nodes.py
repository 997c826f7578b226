"""The processes of a federation's server and sites: started, found by any process of the same user, ended."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import subprocess
import sys
import threading
from pathlib import Path

import psutil

from ..runner.processes import kill, runs
from .kits import SERVER, base_environment

# The kit's folder, in the environment of a node's own process and of all that it starts.
MARK = "RESON_NODE"
_REGISTERED = "Successfully registered client"
_STARTED = "Server started"
_GONE = 10.0  # seconds in which killed processes are gone


def start_node(folder: Path, name: str, threads: int) -> subprocess.Popen[bytes]:
    """Starts the server or a site, in a session of its own: it outlives the cell and the kernel.

    What it prints goes to logs/<name>.txt, anew at each start.
    """
    kind = "server" if name == SERVER else "client"
    kit = folder / name
    command = [sys.executable, "-m", f"nvflare.private.fed.app.{kind}.{kind}_train", "-m", str(kit), "-s", f"fed_{kind}.json"]
    command += ["--set", "secure_train=true", "org=reson", "config_folder=config", *([f"uid={name}"] if kind == "client" else [])]
    environment = {**base_environment(folder), MARK: str(kit), "OMP_NUM_THREADS": str(threads)}
    with log_of(folder, name).open("wb") as log:
        process = subprocess.Popen(
            command, cwd=kit, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    # Somebody must take note of its end, or it would stay in the process table for as long as this process lives.
    threading.Thread(target=process.wait, name=f"reap {name}", daemon=True).start()
    return process


def log_of(folder: Path, name: str) -> Path:
    """What the server or a site has printed."""
    return folder / "logs" / f"{name}.txt"


def is_connected(folder: Path, name: str) -> bool:
    """Whether the server takes sites, or a site has been registered, since it was started."""
    try:
        return (_STARTED if name == SERVER else _REGISTERED) in log_of(folder, name).read_text(errors="replace")
    except FileNotFoundError:
        return False


def processes_of(folder: Path) -> dict[str, list[psutil.Process]]:
    """Returns the processes of each node that has any: its own one first, then those of its jobs."""
    found: dict[str, list[psutil.Process]] = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            kit = process.environ().get(MARK, "")
            if kit and Path(kit).parent == folder and process.pid != os.getpid() and runs(process):
                found.setdefault(Path(kit).name, []).append(process)
    return {name: sorted(processes, key=lambda process: not _is_own(process)) for name, processes in found.items()}


def running_nodes(folder: Path) -> set[str]:
    """Returns the nodes whose own process runs."""
    return {name for name, processes in processes_of(folder).items() if _is_own(processes[0])}


def end_nodes(folder: Path, names: set[str] | None = None) -> list[psutil.Process]:
    """Ends every process of these nodes, or of all, with those of jobs in progress; returns what could not be ended."""
    for _ in range(3):  # a job may be started while others are ended
        left = [process for name, own in processes_of(folder).items() if names is None or name in names for process in own]
        if not left:
            break
        kill(left, _GONE)
    return [process for process in left if runs(process)]


def open_doors(folder: Path) -> list[str]:
    """Returns the addresses on which the federation can be reached from other machines, such as "0.0.0.0:8002"."""
    found = []
    for processes in processes_of(folder).values():
        for process in processes:
            with contextlib.suppress(psutil.Error):
                listening = (door.laddr for door in process.net_connections("inet") if door.status == psutil.CONN_LISTEN)
                found += [f"{at.ip}:{at.port}" for at in listening if not ipaddress.ip_address(at.ip).is_loopback]
    return found


def _is_own(process: psutil.Process) -> bool:
    """Whether it is a node's own process and no job's."""
    try:
        return any(part.endswith("_train") for part in process.cmdline())
    except psutil.Error:
        return False
