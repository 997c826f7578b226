"""Where a site's process stands, asked of it in a way that needs nothing of its Python code: it may hang anywhere.

The site's agent has faulthandler write the stacks of all threads to stack.txt in its run folder on SIGUSR1.
"""

from __future__ import annotations

import contextlib
import linecache
import re
import signal
import time
from collections.abc import Iterable
from pathlib import Path

import psutil

_FILE = "stack.txt"
_WAIT = 1.0
_QUIET = 0.1
Place = tuple[str, int, str]
"""File, line and function."""

_FRAME = re.compile(r'^  File "(?P<path>.+)", line (?P<line>\d+) in (?P<function>.+)$')


def take_stack(process: psutil.Process, folder: Path) -> str:
    """Has a site's process write its stacks, and returns them as faulthandler wrote them; "" if it does not.

    Args:
        process: The site's own process.
        folder: The site's run folder.
    """
    path = folder / _FILE
    try:
        size = path.stat().st_size
        # Without the handler, which the user's code may have taken away, the signal would end a healthy process.
        if not _catches(process.pid, signal.SIGUSR1):
            return ""
        process.send_signal(signal.SIGUSR1)
    except (OSError, psutil.Error):
        return ""
    until, before = time.monotonic() + _WAIT, size
    while time.monotonic() < until:
        time.sleep(_QUIET)
        now = path.stat().st_size
        if size < now == before:
            break
        before = now
    with path.open("rb") as file:
        file.seek(size)
        return file.read().decode(errors="replace")


def as_traceback(stacks: str, message: str) -> str:
    """Returns the stack of the thread that runs the task as a traceback with that last line; "" if there is none.

    Args:
        stacks: What faulthandler wrote: a block for each thread, the main thread last, the newest call first.
        message: What is said of the place, in one line.
    """
    blocks = [block for block in (_frames(text) for text in re.split(r"\n\s*\n", stacks)) if block]
    if not blocks:
        return ""
    # A task runs in the main thread; the user's code may wait in it for a thread of its own, which is not asked here.
    return traceback_of(blocks[-1][::-1], message)


def traceback_of(frames: Iterable[Place], message: str) -> str:
    """Returns calls, the oldest first, as a traceback with that last line."""
    lines = ["Traceback (most recent call last):"]
    for path, line, function in frames:
        lines.append(f'  File "{path}", line {line}, in {function}')
        text = _source(path, line)
        lines += [f"    {text}"] if text else []
    return "\n".join([*lines, message]) + "\n"


def _catches(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler for a signal; taken to be so where the system does not tell. Raises `OSError`."""
    if not Path("/proc/self/status").exists():
        return True
    status = Path(f"/proc/{pid}/status").read_text(errors="replace")
    caught = next((line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:")), None)
    return caught is None or bool(int(caught, 16) >> (number - 1) & 1)


def _frames(text: str) -> list[Place]:
    found = [_FRAME.match(line) for line in text.splitlines()]
    return [(match["path"], int(match["line"]), match["function"]) for match in found if match]


def _source(path: str, line: int) -> str:
    with contextlib.suppress(Exception):  # whatever a file that is no source does to it
        return linecache.getline(path, line).strip()
    return ""
