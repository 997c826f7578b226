"""Reads the lines of a file that another thread appends to, by their numbers.

This file travels to the server below the reporter. So that neither disturbs the other, every name at its top level starts with
`_reson_`, and it uses no builtin that `from torch import *` replaces.
"""

import bisect as _reson_bisect
import builtins as _reson_py
import contextlib as _reson_contextlib
import threading as _reson_threading
from array import array as _reson_array


class _reson_LineReader:
    """The whole lines of a growing file. Safe on any thread.

    Args:
        path: The file, which need not be there yet.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._starts = _reson_array("Q", [0])  # where each line begins, and where the next one will
        self._lock = _reson_threading.Lock()

    def read(self, first: "int", most: "int") -> bytes:
        """The lines from number `first` on, from 0: at most so many bytes, but one line if there is one."""
        with self._lock:
            self._look()
            if not 0 <= first < len(self._starts) - 1:
                return b""
            begin = self._starts[first]
            end = self._starts[_reson_py.max(_reson_bisect.bisect(self._starts, begin + most) - 1, first + 1)]
        with open(self._path, "rb") as file:
            file.seek(begin)
            return file.read(end - begin)

    def _look(self) -> None:
        """Finds the lines that have come since."""
        with _reson_contextlib.suppress(FileNotFoundError), open(self._path, "rb") as file:
            file.seek(self._starts[-1])
            for line in file:
                if line.endswith(b"\n"):
                    self._starts.append(self._starts[-1] + len(line))
