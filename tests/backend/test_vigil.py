"""Who hangs, who stalls, who takes too long: told from what each look shows, one second after the other."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from reson_jupyter.backend.carrying.vigil import STALLED_AFTER, Change, Look, Vigil

PATIENCE = 12.0
TRAIN = ("train", 0)


def changes(vigil: Vigil, looks: Iterator[Look], seconds: int, step: float = 1.0) -> list[tuple[int, Change]]:
    """What so many looks showed, and at which of them."""
    found = [(number, vigil.take(next(looks), step)) for number in range(1, seconds + 1)]
    return [(number, change) for number, change in found if change is not Change.NOTHING]


def alive(**look: object) -> Iterator[Look]:
    """Looks at somebody who gives a sign of life every two seconds."""
    return (Look(beat=number // 2, **look) for number in count())  # type: ignore[arg-type]


def silent(**look: object) -> Iterator[Look]:
    """Looks at somebody who gives none."""
    return (Look(**look) for _ in count())  # type: ignore[arg-type]


def test_who_is_silent_and_idle_hangs_and_that_is_told_once() -> None:
    assert changes(Vigil(PATIENCE), silent(), 60) == [(12, Change.HANGS)]


def test_who_gives_signs_of_life_never_hangs() -> None:
    assert changes(Vigil(PATIENCE), alive(), 600) == []


def test_who_is_silent_but_computes_never_hangs_but_stalls() -> None:
    assert changes(Vigil(PATIENCE), silent(busy=True), 600) == []
    assert changes(Vigil(PATIENCE), silent(busy=True, task=TRAIN), 600) == [(STALLED_AFTER + 1, Change.STALLS)]


@pytest.mark.parametrize("every", [2, 5, 11])
def test_a_moment_of_computing_now_and_then_is_no_hang(every: int) -> None:
    looks = (Look(busy=number % every == 0) for number in count())
    assert changes(Vigil(PATIENCE), looks, 600) == []


def test_a_task_in_which_nothing_moves_stalls_until_something_does() -> None:
    vigil = Vigil(PATIENCE)
    beats = count()
    looks = (Look(beat=next(beats), task=TRAIN, mark="line 3") for _ in count())
    assert changes(vigil, looks, 40) == [(STALLED_AFTER + 1, Change.STALLS)]
    assert vigil.take(Look(beat=next(beats), task=TRAIN, mark="line 4"), 1) is Change.GOES_ON
    assert changes(vigil, looks, 40) == [(STALLED_AFTER + 1, Change.STALLS)]
    assert vigil.take(Look(beat=next(beats), task=TRAIN, mark="line 3", works=True), 1) is Change.GOES_ON


def test_who_waits_for_its_next_task_stalls_at_nothing() -> None:
    assert changes(Vigil(PATIENCE), alive(task=None), 600) == []


def test_a_task_longer_than_its_limit_is_told_even_of_one_that_works() -> None:
    assert changes(Vigil(PATIENCE, 60.0), alive(busy=True, works=True, task=TRAIN), 200) == [(62, Change.TOO_LONG)]
    rounds = (Look(beat=n, busy=True, works=True, task=("train", n // 50)) for n in count())
    assert changes(Vigil(PATIENCE, 60.0), rounds, 400) == []


def test_a_watch_that_slept_makes_nobody_look_dead() -> None:
    """The runner was stopped, or the machine slept: what nobody watched does not count."""
    vigil = Vigil(PATIENCE)
    assert changes(vigil, silent(), 5) == []
    assert vigil.take(Look(), 3_600.0) is Change.NOTHING
    assert changes(vigil, silent(), 10) == [(5, Change.HANGS)]
