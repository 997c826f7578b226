"""Bars of progress for work on data."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm

_QUICK = 0.5  # seconds; what is done by then shows no bar


def bar(
    items: Iterable[Any] | None, what: str, *, unit: str = "sample", total: int | None = None, shown: bool = True
) -> tqdm[Any]:
    """Returns a bar that leaves nothing behind.

    It is written to stdout: notebooks show what is on stderr in red.

    Args:
        items: What is iterated over; None for a bar that is updated by hand.
        what: What is being done.
        unit: What is counted.
        total: How many there are, if `items` does not tell.
        shown: Whether it is seen at all.
    """
    return tqdm(items, desc=what, unit=unit, total=total, file=sys.stdout, leave=False, delay=_QUICK, disable=not shown)
