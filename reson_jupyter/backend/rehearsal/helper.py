"""The kernel's end of a rehearsal's process, and the spare one that stands ready."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil

from ...errors import TargetError

_START_LIMIT = 120.0
_LOOK = 0.5  # seconds after which a silent process is looked at
_KEPT_OUTPUT = 20_000
_NOT_OURS = ("RESON_", "AWS_")  # a local run's sites get none of the user's keys
_PYTHON = frozenset({"PYTHONPATH", "PYTHONSTARTUP", "PYTHONINSPECT"})  # no site has what this machine adds to its path


class Helper:
    """One process that carries out one rehearsal; it begins to import what it needs at once.

    Args:
        spare: Nobody waits for it, so its imports leave the cores to others.
    """

    def __init__(self, *, spare: bool = False) -> None:
        self._output = bytearray()
        self._data = ""
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(Path(__file__).with_name("process.py")), *(["nice"] if spare else [])],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/", env=environment(),
                start_new_session=True,  # an interrupt of the kernel is not for it
            )  # fmt: skip
        except OSError as error:
            raise TargetError(
                f"the rehearsal's process could not be started: {error}", "Is the machine out of memory?"
            ) from error
        # Somebody must take note of its end, whoever else does not.
        threading.Thread(target=self._process.wait, name="reap rehearsal", daemon=True).start()

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    @property
    def output(self) -> str:
        """The last that was printed in the process."""
        return self._output.decode(errors="replace")

    def talk(self, task: Mapping[str, Any], limit: float) -> Iterator[dict[str, Any]]:
        """Hands over a task and yields what the process says, until it is over or has ended.

        Args:
            task: What to do; the RESON_DATA_ROOT of its environment is no other rehearsal's.
            limit: Seconds that it may take; imports of its own do not count.

        Raises:
            TimeoutError: the time is up.
        """
        assert self._process.stdin and self._process.stdout and self._process.stderr
        self._data = task["environment"]["RESON_DATA_ROOT"]
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(task).encode() + b"\n")
            self._process.stdin.flush()
        deadline = time.monotonic() + _START_LIMIT
        buffer = b""
        with selectors.DefaultSelector() as selector:
            for pipe in (self._process.stdout, self._process.stderr):
                os.set_blocking(pipe.fileno(), False)
                selector.register(pipe, selectors.EVENT_READ)
            while (left := deadline - time.monotonic()) > 0:
                ready = selector.select(min(left, _LOOK))
                if not ready and not self.alive:
                    return  # what it started may hold its pipes open for ever
                for key, _ in ready:
                    data = os.read(key.fd, 1 << 16)
                    if key.fileobj is self._process.stderr:
                        self._keep(data)
                        if not data:
                            selector.unregister(key.fileobj)
                        continue
                    *lines, buffer = (buffer + data).split(b"\n")
                    over = not data
                    for message in map(_message, lines):
                        if "ready" in message:
                            deadline = time.monotonic() + limit
                        over = over or "over" in message
                        if message and not message.keys() & {"ready", "over"}:
                            yield message
                    if over:
                        self._keep_rest()
                        return
            raise TimeoutError

    def end(self) -> None:
        """Ends the process with everything that it started, in whatever session that is now."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        for process in psutil.process_iter() if self._data else ():
            with contextlib.suppress(psutil.Error):
                if process.environ().get("RESON_DATA_ROOT") == self._data:
                    process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            with contextlib.suppress(OSError):
                if pipe:
                    pipe.close()

    def exit_code(self) -> int | None:
        """The exit code of a process that has closed its pipes, negative for a signal; None if it is still there."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(1.0)
        return None

    def _keep(self, data: bytes) -> None:
        self._output += data
        del self._output[:-_KEPT_OUTPUT]

    def _keep_rest(self) -> None:
        assert self._process.stderr
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self._process.stderr.fileno(), 1 << 16):
                self._keep(data)


def _message(line: bytes) -> dict[str, Any]:
    """What the process says in a line; nothing if the user's code wrote it there."""
    try:
        said = json.loads(line)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


class Spare:
    """At most one process that stands ready. Safe on any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._helper: Helper | None = None

    def warm(self) -> None:
        """Starts the process, unless it is there."""
        with self._lock:
            if self._helper is None or not self._helper.alive:
                self._drop()
                self._helper = Helper(spare=True)

    def take(self) -> Helper:
        """Returns the process that stands ready, or a fresh one; it is the caller's now."""
        with self._lock:
            helper, self._helper = self._helper, None
        if helper is not None and helper.alive:
            return helper
        if helper is not None:
            helper.end()
        return Helper()

    def drop(self) -> None:
        """Ends the process, if it is there."""
        with self._lock:
            self._drop()

    def _drop(self) -> None:
        if self._helper is not None:
            self._helper.end()
        self._helper = None


spare = Spare()
atexit.register(spare.drop)


def environment() -> dict[str, str]:
    """The kernel's environment as far as a site of a local run has it."""
    return {key: value for key, value in os.environ.items() if not key.startswith(_NOT_OURS) and key not in _PYTHON} | {
        "PYTHONSAFEPATH": "1",
        "PYTHONUNBUFFERED": "1",
    }
