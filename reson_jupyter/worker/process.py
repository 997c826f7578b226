"""What a site's process uses, and how its stacks are had while it hangs.

This file travels to the sites below the executor's module, as agent.py does; its names follow the same rules.
"""

import builtins as _reson_py
import faulthandler as _reson_faulthandler
import signal as _reson_signal
import threading as _reson_threading
import time as _reson_time
from typing import Any as _reson_Any

import psutil as _reson_psutil


class _reson_Usage:
    """What this process and those that it started use."""

    def __init__(self) -> None:
        self._process = _reson_psutil.Process()
        self._seconds: _reson_Any = None
        self._at = 0.0

    def measure(self) -> "tuple[int, float]":
        """Bytes of memory, and percent of one core since the measurement before."""
        memory, seconds = 0, 0.0
        for process in (self._process, *self._process.children(recursive=True)):
            try:
                times = process.cpu_times()
                memory += process.memory_info().rss
                seconds += times.user + times.system
            except _reson_psutil.Error:
                pass  # it has just ended
        now = _reson_time.monotonic()
        before = seconds if self._seconds is None else self._seconds
        percent = 100 * _reson_py.max(0.0, seconds - before) / _reson_py.max(now - self._at, 0.001)
        self._seconds, self._at = seconds, now
        return memory, _reson_py.round(percent, 1)


def _reson_register_stack_file(descriptor: "int") -> None:
    """Has SIGUSR1 write the stacks of all threads; no turn of the interpreter is needed, so it works in a hanging C call, too."""
    if hasattr(_reson_faulthandler, "register"):
        _reson_faulthandler.unregister(_reson_signal.SIGUSR1)  # what is registered already would not be installed again
        if _reson_threading.current_thread() is _reson_threading.main_thread():
            # In between, and at the next renewal, the signal must not end the process. Python takes this on its main thread only.
            _reson_signal.signal(_reson_signal.SIGUSR1, _reson_signal.SIG_IGN)
        _reson_faulthandler.register(_reson_signal.SIGUSR1, file=descriptor, all_threads=True, chain=False)
