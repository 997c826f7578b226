"""Where runs happen."""

from __future__ import annotations

from ...errors import TargetError
from .base import Target
from .local import LocalTarget

__all__ = ["LocalTarget", "Target", "open_target"]


def open_target(name: str) -> Target:
    """Returns the target of that name.

    Raises:
        TargetError: this version cannot reach that target.
    """
    if name == "local":
        return LocalTarget()
    raise TargetError(f"this version cannot run on the target {name!r}", "Use target='local': it trains on this machine.")
