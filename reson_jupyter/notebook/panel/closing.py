"""The end of widgets."""

from __future__ import annotations

import ipywidgets as widgets


def close(widget: widgets.Widget) -> None:
    """Closes a widget and all that it is made of, so that the kernel keeps nothing of it."""
    for part in (*getattr(widget, "children", ()), getattr(widget, "layout", None), getattr(widget, "style", None)):
        if isinstance(part, widgets.Widget):
            close(part)
    widget.close()
