"""The configs as forms of ipywidgets, for front ends without the sidebar. The page only shows; the session decides."""

from __future__ import annotations

from .shown import show_panel

__all__ = ["show_panel"]
