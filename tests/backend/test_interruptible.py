"""Work that may hang is left behind by whoever is asked to end."""

from __future__ import annotations

import threading
import time

import pytest

from reson_jupyter.backend.interruptible import done_unless


def test_work_that_is_done_is_done_whoever_asked_for_the_end() -> None:
    done: list[int] = []
    assert done_unless(lambda: False, lambda: done.append(1))
    assert done_unless(lambda: True, lambda: done.append(2))
    assert done == [1, 2]


def test_what_it_raises_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        done_unless(lambda: False, lambda: print(1 / 0))


def test_work_that_hangs_is_waited_for_until_a_moment_after_the_end_was_asked_for() -> None:
    hangs, asked = threading.Event(), threading.Event()

    def hang() -> None:
        hangs.wait()

    threading.Timer(0.3, asked.set).start()
    began = time.monotonic()
    assert not done_unless(asked.is_set, hang)
    assert 1 < time.monotonic() - began < 2.5
    hangs.set()
