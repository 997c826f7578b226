"""Rows whose fault is in what a run stands on: its store, its disk, its clock, its paths, the kernel that submitted it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import reson_jupyter as reson
from tests.faults import strikes
from tests.faults.table import Fault, Strike
from tests.patience import wait_for
from tests.servers import Line

_AWAY = 30.0  # seconds


def away_twice(line: Line) -> Strike:
    """Cuts the line to the store in a round, and again when the run is about to end."""

    def strike(run: reson.Run) -> float:
        for begins in (strikes.training(1), strikes.training(7)):
            wait_for(lambda: begins(run))  # noqa: B023 - called at once
            struck = time.time()
            line.cut()
            time.sleep(_AWAY)
            line.mend()
        return struck

    return strike


def _elsewhere(
    fault: Fault, shards: Path, *, env: Mapping[str, str] | None = None, before: tuple[str, ...] = (),
    then: Callable[[subprocess.Popen[str], reson.Run], None] | None = None,
) -> reson.Run:  # fmt: skip
    """Submits in a process of its own; returns the run as another kernel finds it, by its store."""
    store = (shards.parent / f"store of {fault.what}").absolute().as_uri()
    asked = {"fault": fault.code, "at_round": fault.at_round, "rounds": fault.rounds, "pace": fault.pace}
    asked |= {"shards": str(shards), "store": store, "wait": then is None}
    command = [*before, sys.executable, "-m", "tests.faults.elsewhere", json.dumps(asked)]
    with subprocess.Popen(command, env={**os.environ, **(env or {})}, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        run_id = process.stdout.readline().strip()
        if then is not None:
            then(process, reson.attach(run_id))
        process.wait(180)
    return reson.attach(run_id, store=store)


def _killed_kernel(fault: Fault, shards: Path) -> reson.Run:
    """The process that submitted is killed once the run has begun; nobody is left but the runner."""

    def kill(process: subprocess.Popen[str], run: reson.Run) -> None:
        wait_for(lambda: strikes.training(1)(run))
        process.send_signal(signal.SIGKILL)

    return _elsewhere(fault, shards, then=kill)


def _jumping_clock(fault: Fault, shards: Path) -> reson.Run:
    """The wall clock of every process of the run jumps by an hour, again and again."""
    return _elsewhere(fault, shards, env={"PYTHONPATH": str(Path(__file__).parent / "clock")})


def _strange_paths(fault: Fault, shards: Path) -> reson.Run:
    """Home, store, shards and temporary folder have spaces and letters beyond ASCII in their paths."""
    strange = shards.parent / "mit Leerzeichen und Umläuten 数据"
    for name in ("tmp", "home"):
        (strange / name).mkdir(parents=True, exist_ok=True)
    moved = strange / "die Daten"
    shutil.copytree(shards, moved, dirs_exist_ok=True)
    return _elsewhere(fault, moved, env={"RESON_HOME": str(strange / "home"), "TMPDIR": str(strange / "tmp")})


def _small_disk(fault: Fault, shards: Path) -> reson.Run:
    """The run works on a disk of 40 MB, mounted for its processes only."""
    small = Path(tempfile.mkdtemp(dir=shards.parent))
    mount = f'mount -t tmpfs -o size=40m tmpfs "{small}" && exec "$@"'
    return _elsewhere(fault, shards, env={"TMPDIR": str(small)}, before=("unshare", "-rm", "sh", "-c", mount, "sh"))


# The session's fixtures give it the store and the line to cut.
AWAY = Fault("the store is away for 30 s, twice", ("finished",), rounds=8, pace=6, rounds_kept=8)

ELSEWHERE = (
    Fault("the kernel is killed", ("finished",), rounds=6, pace=2, submit=_killed_kernel, rounds_kept=6),
    Fault("the wall clock jumps", ("finished",), rounds=6, pace=3, submit=_jumping_clock, rounds_kept=6),
    Fault("paths with spaces and other letters", ("finished",), submit=_strange_paths, rounds_kept=2),
    Fault("the disk is full", ("failed",), "is full", "fills the disk", 1, submit=_small_disk, rounds_kept=1),
)
