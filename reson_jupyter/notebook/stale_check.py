"""What is told of a capture that is other than what the kernel has by now, in the sidebar and in the panel."""

from __future__ import annotations

from ..capture.stale import Outdated
from ..errors import ConfigError
from ..session import Session


def stale_checks(session: Session) -> dict[str, tuple[str, str]]:
    """Returns, by key, of each such capture whether that is an "error" or a "warning", and what changed and comes of it."""
    return {key: _told(outdated, session) for key, outdated in session.outdated.items()}


def _told(outdated: Outdated, session: Session) -> tuple[str, str]:
    if not outdated.ships:
        return "error", outdated.what
    try:
        refused = session.submission.stale_captures == "refuse"
    except ConfigError:  # told with the form of the target
        refused = False
    if refused:
        return "error", f"{outdated.what}; run that cell again, or set stale_captures to recapture"
    return "warning", f"{outdated.what}; the next submit takes what the kernel has now"
