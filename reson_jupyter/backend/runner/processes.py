"""The processes of one simulator run: which there are, whether they compute, and how they are ended."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable
from pathlib import Path

import psutil

# Every process of a run has this in its environment, those that the user's code starts as well.
MARK = "RESON_DATA_ROOT"

_BUSY_STATES = (psutil.STATUS_RUNNING, psutil.STATUS_DISK_SLEEP)
_BUSY_SHARE = 0.02  # of a core
_BUSY_BYTES = 20_000  # a second, to or from files: somebody waits for a download


class RunProcesses:
    """The processes below a simulator's main process, as of the last `look`.

    The main process has a child that is the server, and the server has a child for each site: NVFlare 2.9.
    """

    def __init__(self, main: int) -> None:
        self._main = main
        self._trees: dict[str, list[psutil.Process]] = {}
        self._rest: list[psutil.Process] = []
        self._seen: set[psutil.Process] = set()

    def look(self) -> None:
        """Finds out which processes there are now."""
        try:
            main = psutil.Process(self._main)
            below = main.children(recursive=True)
        except psutil.NoSuchProcess:
            self._trees, self._rest = {}, []
            self._keep_in_sight([])
            return
        self._keep_in_sight(below)
        sites = {process.pid: site for process in below if (site := _site_of(process))}
        parents = {process.pid: _parent(process) for process in below}
        self._trees, self._rest = {site: [] for site in sites.values()}, [main]
        for process in below:
            at: int | None = process.pid
            while at is not None and at not in sites:
                at = parents.get(at)
            (self._rest if at is None else self._trees[sites[at]]).append(process)
        for tree in self._trees.values():
            tree.sort(key=lambda process: process.pid not in sites)  # a site's own process first

    @property
    def sites(self) -> set[str]:
        """The sites that have a process."""
        return set(self._trees)

    @property
    def all(self) -> list[psutil.Process]:
        """Every process but the main one."""
        return [*self._rest[1:], *(process for tree in self._trees.values() for process in tree)]

    @property
    def seen(self) -> list[psutil.Process]:
        """Every process that was below the main one at some look, or below such a one, and still runs; whoever its parent is."""
        return [process for process in self._seen if runs(process)]

    def of(self, site: str | None) -> list[psutil.Process]:
        """A site's own process and those that it started; None: those that are no site's, which are the server's."""
        return self._rest if site is None else self._trees.get(site, [])

    def _keep_in_sight(self, below: Iterable[psutil.Process]) -> None:
        """Remembers the processes below the main one, and what those have started that have lost their parent meanwhile."""
        below = set(below)
        strays = [process for process in self._seen - below if runs(process)]
        self._seen = below | set(strays)
        for process in strays:
            with contextlib.suppress(psutil.Error):
                self._seen.update(process.children(recursive=True))


class Load:
    """Tells whether some processes compute, from one question to the next."""

    def __init__(self) -> None:
        self._threads: dict[tuple[int, int], float] = {}
        self._bytes: dict[int, int] = {}

    def busy(self, processes: Iterable[psutil.Process], seconds: float) -> bool:
        """Whether a thread of theirs ran, or they used files, since the last question, or wait for a turn of either now.

        On a machine that is much too busy a process that gets no turn is still one that wants to run. Threads count one by one:
        while a call holds Python's lock, every other thread wakes 200 times a second to ask for it, which takes 0.3 % of a core.
        """
        threads: dict[tuple[int, int], float] = {}
        moved: dict[int, int] = {}
        waiting = False
        for process in processes:
            try:
                threads |= {(process.pid, thread.id): thread.user_time + thread.system_time for thread in process.threads()}
                moved[process.pid] = _bytes(process)
                waiting = waiting or process.status() in _BUSY_STATES
            except psutil.AccessDenied:
                waiting = True  # as far as anybody can tell
            except psutil.NoSuchProcess:
                continue
        fresh = not moved.keys() <= self._bytes.keys()
        ran = any(spent - self._threads.get(thread, 0.0) > _BUSY_SHARE * seconds for thread, spent in threads.items())
        used = sum(bytes_ - self._bytes.get(pid, 0) for pid, bytes_ in moved.items()) > _BUSY_BYTES * seconds
        self._threads, self._bytes = threads, moved
        return fresh or waiting or ran or used


def runs(process: psutil.Process) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def is_stopped(process: psutil.Process) -> bool:
    """Whether somebody has stopped a process, as SIGSTOP does."""
    with contextlib.suppress(psutil.Error):
        return bool(process.status() == psutil.STATUS_STOPPED)
    return False


def kill(processes: Iterable[psutil.Process], wait: float) -> None:
    """Ends processes at once, and waits up to `wait` seconds until they are gone."""
    asked = list(processes)
    for process in asked:
        with contextlib.suppress(psutil.Error):  # it is gone, or another user's
            process.send_signal(signal.SIGKILL)
    psutil.wait_procs(asked, timeout=wait)


def left_behind(folder: Path, mark: str = MARK) -> list[psutil.Process]:
    """Every process that was started with this folder, a run's data folder, in its environment, whoever its parent is now."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(mark) == str(folder) and process.pid != os.getpid():
                found.append(process)
    return found


def times_out_of_memory() -> int:
    """How often the system has killed a process of this machine, or container, because memory was full; 0 if it does not say."""
    for path in ("/sys/fs/cgroup/memory.events", "/proc/vmstat"):
        with contextlib.suppress(OSError, ValueError):
            lines = (line.split() for line in Path(path).read_text().splitlines())
            return int(next((value for name, value in lines if name == "oom_kill"), 0))
    return 0


def _bytes(process: psutil.Process) -> int:
    """Bytes read from and written to files so far; 0 where the system does not count them."""
    counters = process.io_counters() if hasattr(process, "io_counters") else None
    return counters.read_chars + counters.write_chars if counters else 0


def _parent(process: psutil.Process) -> int | None:
    try:
        return int(process.ppid())
    except psutil.NoSuchProcess:
        return None


def _site_of(process: psutil.Process) -> str | None:
    """The site that a process works for, read from its command line; None for any other process."""
    try:
        command = process.cmdline()
    except psutil.Error:
        return None
    if not any(part.endswith("simulator_worker") for part in command) or not runs(process):
        return None
    return command[command.index("--client") + 1]
