"""Where runs happen."""

from __future__ import annotations

from ...errors import TargetError
from .base import Target
from .local import LocalTarget

__all__ = ["LocalTarget", "Target", "open_target"]


def open_target(name: str) -> Target:
    """Returns the target of that name: "local", "flare" or "reson".

    Raises:
        TargetError: there is no such target.
    """
    # A notebook that stays on its machine should not wait for what the others import.
    if name == "local":
        return LocalTarget()
    if name == "flare":
        from .flare import FlareTarget

        return FlareTarget()
    if name == "reson":
        from .platform import PlatformTarget

        return PlatformTarget()
    raise TargetError(f"there is no target {name!r}", "Choose one of local, flare, reson.")
