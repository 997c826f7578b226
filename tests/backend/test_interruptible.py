"""Work that may hang is left behind by whoever is asked to end."""

from __future__ import annotations

import threading

import pytest

from reson_jupyter.backend import interruptible
from reson_jupyter.backend.interruptible import done_unless


def test_work_that_is_done_is_done_whoever_asked_for_the_end() -> None:
    done: list[int] = []
    assert done_unless(lambda: False, lambda: done.append(1))
    assert done_unless(lambda: True, lambda: done.append(2))
    assert done == [1, 2]


def test_what_it_raises_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        done_unless(lambda: False, lambda: print(1 / 0))


class Clock:
    """A clock that is a third of a second later whenever it is looked at."""

    now = 0.0

    def monotonic(self) -> float:
        """What stands for `time.monotonic`."""
        self.now += 1 / 3
        return self.now


def test_work_that_hangs_is_waited_for_until_a_moment_after_the_end_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, hangs, looks = Clock(), threading.Event(), []
    monkeypatch.setattr(interruptible, "time", clock)

    def asked() -> bool:
        looks.append(clock.now)
        return len(looks) == 3

    assert not done_unless(asked, lambda: hangs.wait(60))
    hangs.set()
    assert looks == [0.0] * 3, "nobody hurries before the end was asked for"
    assert clock.now == pytest.approx(5 / 3), "asked at a third, and a second is over at more than four thirds"


def test_work_that_is_done_within_that_moment_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    ends = threading.Event()

    def asked() -> bool:
        ends.set()
        return True

    assert done_unless(asked, lambda: ends.wait(60))
