"""What is said of a run that nobody carries any more."""

from __future__ import annotations

from ...events import RunState
from ..record import RunRecord

NOT_SENT = (RunState.PENDING, RunState.UPLOADING)  # the kernel that submitted it carries it itself
CUT_OFF = "The kernel that submitted it ended before its upload was done, so it never began; submit it again."
SILENT = "The process that carried the run ended without saying how."
CARRIER_LOG = "runner.log"


def lost_reason(state: RunState) -> str:
    """Returns why a run is lost whose log tells no end.

    Args:
        state: The last state in its log.
    """
    return CUT_OFF if state in NOT_SENT else SILENT


def was_cut_off(record: RunRecord, carried: bool | None) -> bool:
    """Whether a run was submitted on this machine by a kernel that ended before it handed the run over.

    Args:
        record: The run.
        carried: Whether somebody carries it, as its target says.
    """
    return carried is False and not (record.folder / CARRIER_LOG).exists()
