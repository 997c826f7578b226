"""From startup kits to a federation that is connected."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from ...data.bars import bar
from ...errors import TargetError
from ...names import printable
from .handle import Federation
from .kits import SERVER
from .nodes import is_connected, log_of, running_nodes, start_node

_PATIENCE = 90.0  # seconds; five are usual
_POLL = 0.1
_TOLD = 5  # lines of a log
# What Python says of a port that another has, after which NVFlare tries it again for ever.
_TAKEN = re.compile(r"while attempting to bind on address \('[^']*', (\d+)\)")


def bring_up(federation: Federation) -> None:
    """Starts what of a federation does not run, and returns when all of it is connected.

    Raises:
        TargetError: one ended, or did not connect in time.
        OSError: the system starts no more processes.
    """
    folder, names = federation.folder, (SERVER, *federation.sites)
    threads = max(1, (os.cpu_count() or 1) // len(federation.sites))  # sites share the cores
    running = running_nodes(folder)
    started = {name: start_node(folder, name, threads) for name in names if name not in running}
    waiting, until = dict(started), time.monotonic() + _PATIENCE
    with bar(None, "starting the federation", unit="process", total=len(started)) as shown:
        while waiting:
            for name in [name for name in waiting if is_connected(folder, name)]:
                del waiting[name]
                shown.update()
                shown.set_postfix_str(f"{name} is connected")  # an update alone may show nothing
            _check(folder, started, waiting, late=time.monotonic() > until)
            time.sleep(_POLL)


def _check(folder: Path, started: Mapping[str, subprocess.Popen[bytes]], waiting: Mapping[str, object], *, late: bool) -> None:
    for name, process in started.items():
        if process.poll() is not None:
            raise TargetError(f"{name} of the federation has ended; it said last:\n{_last_words(folder, name)}")
    if taken := _TAKEN.search(log_of(folder, SERVER).read_text(errors="replace")):
        raise TargetError(f"port {taken[1]}, which was free a moment ago, was taken by another program", "Start it once more.")
    if late and waiting:
        told = f"{', '.join(waiting)} did not connect within {_PATIENCE:.0f} s"
        raise TargetError(f"{told}; {next(iter(waiting))} said last:\n{_last_words(folder, next(iter(waiting)))}")


def _last_words(folder: Path, name: str) -> str:
    lines = log_of(folder, name).read_text(errors="replace").strip().splitlines()
    return "\n".join(f"  {printable(line)}" for line in lines[-_TOLD:])
