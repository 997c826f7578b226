"""What the tests do to a run from outside."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress

import psutil

import reson_jupyter as reson
from tests.runs.conftest import processes_of


def training(number: int) -> Callable[[reson.Run], bool]:
    """A site trains in the round of that number, 0-based."""
    return lambda run: any(site.phase == "training" and site.round == number for site in list(run.progress.sites.values()))


def in_state(state: str) -> Callable[[reson.Run], bool]:
    """The run is in that state."""
    return lambda run: run.state.value == state


def runner_of(run: reson.Run) -> psutil.Process:
    """The process that carries the run."""
    (runner,) = (process for process in processes_of(run) if "reson_jupyter.backend.runner.carry" in process.cmdline())
    return runner


def server_of(run: reson.Run) -> psutil.Process:
    """The process of NVFlare's server: the one that has the run's events.ndjson open."""
    for process in runner_of(run).children(recursive=True):
        with suppress(psutil.Error):
            if any(file.path.endswith("/events.ndjson") for file in process.open_files()):
                return process
    raise AssertionError("there is no server")


def kill_server(run: reson.Run) -> None:
    """As the system does when memory is short."""
    server_of(run).kill()


def stop_server(run: reson.Run) -> None:
    """It is there, but does nothing any more."""
    server_of(run).suspend()


def kill_runner(run: reson.Run) -> None:
    """The carrier is gone; nobody is left to say so."""
    runner_of(run).kill()


def abort(run: reson.Run) -> None:
    """As a user does."""
    run.abort()


def abort_twice(run: reson.Run) -> None:
    """As a user does who is impatient."""
    run.abort()
    time.sleep(0.5)
    if not run.state.done:
        run.abort()


def interrupt(pid: int) -> None:
    """As the stop button of a notebook does."""
    os.kill(pid, signal.SIGINT)
