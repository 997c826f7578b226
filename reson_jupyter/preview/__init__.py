"""Everything that a submit would send, before anything is sent, and what has changed since the last one."""

from __future__ import annotations

from .contents import PlannedFile, PlannedShard, Preview
from .making import make_preview

__all__ = ["PlannedFile", "PlannedShard", "Preview", "make_preview"]
