"""Runs the build of a seed model, which may print without end, start processes and remove its folder."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from ..backend.runner.processes import kill, left_behind
from ..errors import JobError

OUTPUT_FOLDER = "SCALEOUT_BUILD_OUTPUT_DIR"  # whatever a build starts has it in its environment
_MOST_PRINTED = 16 << 20  # bytes
_KEPT = 64 << 10  # bytes of what was printed
_SHOWN_LINES, _SHOWN_WIDTH = 12, 300
_LOOK = 0.05  # seconds
_PASSES = 5  # a process may start another while it is ended


def run_build(command: list[str], cwd: Path, variables: Mapping[str, str], limit: float) -> tuple[int, str]:
    """Returns the exit code, and the end of what was printed. Whatever the build started is ended with it.

    Raises:
        JobError: it was not done in `limit` seconds, or printed too much.
    """
    with tempfile.TemporaryFile() as log:  # without a name: a build may remove what has one
        process = subprocess.Popen(
            command, cwd=cwd, env=variables, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
        try:
            wrong = _watch(process, log, limit)
        finally:
            process.kill()
            process.wait()
            _end_rest(Path(variables[OUTPUT_FOLDER]))
        output = _end_of(log)
    if wrong:
        hint = "Build it yourself, and name its file: checkpoint=FILE or --checkpoint FILE."
        raise JobError(f"the seed model could not be built: {wrong}{shown(output)}", hint)
    return process.returncode, output


def shown(output: str) -> str:
    """The last lines of what was printed, for the end of a message."""
    return "".join(f"\n  | {line[:_SHOWN_WIDTH]}" for line in output.strip().splitlines()[-_SHOWN_LINES:])


def _watch(process: subprocess.Popen[bytes], log: IO[bytes], limit: float) -> str:
    """Waits for the process; returns why it must be ended before it is done, or ""."""
    until = time.monotonic() + limit
    while True:
        try:
            process.wait(_LOOK)
            return ""
        except subprocess.TimeoutExpired:
            if os.fstat(log.fileno()).st_size > _MOST_PRINTED:
                return f"it printed more than {_MOST_PRINTED >> 20} MB"
            if time.monotonic() > until:
                return f"it was not done after {limit:g} s"


def _end_rest(out: Path) -> None:
    """Those of a session of their own, too; else they would write on, and print into the file on the disk."""
    for _ in range(_PASSES):
        rest = left_behind(out, OUTPUT_FOLDER)
        if not rest:
            return
        kill(rest, wait=1.0)


def _end_of(log: IO[bytes]) -> str:
    size = log.seek(0, os.SEEK_END)
    log.seek(max(0, size - _KEPT))
    return log.read(_KEPT).decode(errors="replace")
