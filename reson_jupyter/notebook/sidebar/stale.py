"""Captures held against the kernel after each cell, so that nobody learns of a change only from a submit.

That is done on the kernel's own thread, where no cell changes anything meanwhile: some milliseconds for a model, 25 ms for one
that needs twenty other cells.
"""

from __future__ import annotations

import logging

from ...capture.stale import outdated
from ...session import Session

_log = logging.getLogger(__name__)


def look_at_captures(session: Session) -> None:
    """Has the session know which of its captures are other than what the kernel has; never raises."""
    captures, kernel = session.captures, session.kernel
    if kernel is None:
        return
    try:
        session.set_outdated(outdated(captures, kernel), captures)
    except Exception:
        _log.exception("the captures could not be held against the kernel")
