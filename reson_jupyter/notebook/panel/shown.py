"""The panels that are shown in this kernel's notebook."""

from __future__ import annotations

import secrets
from typing import Any

from IPython.core.getipython import get_ipython
from IPython.display import display

from ...session import current_session
from ..activity import activity
from .panel import Panel

# What a notebook shows of it that was saved and is opened again.
_WITHOUT_KERNEL = "Reson: forms of what is configured. They are dead without their kernel: run the cell again (%reson panel)."


class _Panels:
    """The open panels, by the cell that shows each; they do one thing at a time."""

    def __init__(self) -> None:
        self._open: dict[str, Panel] = {}
        activity.observe(self.refresh)

    def show(self) -> None:
        """Shows a panel under the cell that runs; the one that it showed before is closed."""
        cell = _cell()
        if cell in self._open:
            self._close(self._open[cell])
        panel = Panel(current_session(), activity, self._close)
        self._open[cell] = panel
        display(
            {**panel.widget._repr_mimebundle_(), "text/plain": _WITHOUT_KERNEL, "text/html": f"<p>{_WITHOUT_KERNEL}</p>"},
            raw=True,
        )

    def refresh(self, *_: object) -> None:
        """Shows what is otherwise now, such as a folder that a cell has made."""
        for panel in [*self._open.values()]:
            panel.refresh()

    def _close(self, panel: Panel) -> None:
        self._open = {cell: other for cell, other in self._open.items() if other is not panel}
        panel.close()


_panels: _Panels | None = None


def show_panel() -> None:
    """Shows everything that can be configured as forms under the cell, with what is captured and the buttons that make a run."""
    global _panels
    shell = get_ipython()
    if _panels is None:
        _panels = _Panels()
        if shell:
            shell.events.register("post_run_cell", _panels.refresh)
    _panels.show()


def _cell() -> str:
    """The id of the cell that runs; without one, of a front end that gives none, each panel counts as another cell's."""
    shell: Any = get_ipython()
    parent = shell.get_parent() if hasattr(shell, "get_parent") else {}
    return parent.get("metadata", {}).get("cellId") or secrets.token_hex(4)
