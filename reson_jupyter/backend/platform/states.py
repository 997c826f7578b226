"""What the platform's words for a job's state mean for a run."""

from __future__ import annotations

from ...events import RunState

_GOES_ON = {"QUEUED": RunState.QUEUED, "PENDING": RunState.STARTING, "RUNNING": RunState.RUNNING}
# The documented three; the rest are other spellings of these, so that none of them keeps a run open for ever.
_OVER = {
    "FINISHED": "FINISHED", "COMPLETED": "FINISHED", "SUCCEEDED": "FINISHED",
    "FAILED": "FAILED", "ERROR": "FAILED",
    "CANCELLED": "CANCELLED", "CANCELED": "CANCELLED", "STOPPED": "CANCELLED", "ABORTED": "CANCELLED",
}  # fmt: skip


def over(word: str) -> str | None:
    """Returns FINISHED, FAILED or CANCELLED for a state in which a job is over; None while it goes on, as far as one can tell."""
    return _OVER.get(word)


def run_state(word: str) -> RunState | None:
    """Returns what a state of a job that goes on means for its run; None if nobody has documented it."""
    return _GOES_ON.get(word)
