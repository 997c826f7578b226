"""Lets the wall clock of every process of a run jump by an hour, to and fro, every four seconds. Found by way of PYTHONPATH."""

import time

_told = time.time
_start = time.monotonic()


def _jumping() -> float:
    return _told() + (3600.0 if int(time.monotonic() - _start) // 4 % 2 else 0.0)


time.time = _jumping
