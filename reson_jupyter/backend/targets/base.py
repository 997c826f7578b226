"""What a target can do: carry out the run of a job that lies in a store."""

from __future__ import annotations

from typing import Protocol

from ...config import ResonTechConfig
from ..record import RunLock, RunRecord


class Target(Protocol):
    """A place where runs happen. A target takes the job from the store and reports into the run's log there."""

    def start(self, record: RunRecord, lock: RunLock, connection: ResonTechConfig) -> None:
        """Starts the run and returns; from here on the target holds the lock. Raises `TargetError`."""

    def abort(self, record: RunRecord) -> None:
        """Asks for the end of a run; its log says when it has ended. Raises `TargetError`."""

    def is_carried(self, record: RunRecord) -> bool | None:
        """Whether the run is being carried out; None if that cannot be told from here."""
