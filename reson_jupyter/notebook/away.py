"""What goes on for the sidebar belongs to no cell: nothing of it may appear under whichever cell ran last."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_away: ContextVar[bool] = ContextVar("away from cells", default=False)


@contextmanager
def away_from_cells() -> Iterator[None]:
    """What is submitted and rehearsed in here, on this thread, is not shown under a cell."""
    token = _away.set(True)
    try:
        yield
    finally:
        _away.reset(token)


def is_away() -> bool:
    """Whether this is done for somebody else than a cell."""
    return _away.get()
