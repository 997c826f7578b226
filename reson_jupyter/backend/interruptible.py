"""Work that a store may hold up for minutes, and that nobody should have to wait for who wants its end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_GRACE = 1.0  # seconds for work that notices by itself that it is to end
_BETWEEN_LOOKS = 0.1


def done_unless(asked: Callable[[], bool], work: Callable[[], object]) -> bool:
    """Does work on a daemon thread, which is left behind where it hangs.

    Args:
        asked: Whether somebody asked for the end; looked at several times a second.
        work: What is to be done. What it raises is raised here.

    Returns:
        Whether it is done; False if it still was not when its end had been asked for a moment ago.
    """
    raised: list[BaseException] = []

    def carry() -> None:
        try:
            work()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=carry, name="interruptible", daemon=True)
    thread.start()
    asked_at: float | None = None
    while thread.is_alive():
        thread.join(_BETWEEN_LOOKS)
        if asked_at is None and asked():
            asked_at = time.monotonic()
        if asked_at is not None and time.monotonic() - asked_at > _GRACE and thread.is_alive():
            return False
    if raised:
        raise raised[0]
    return True
