"""The kernel's end of the sidebar: what pages are told of the session, and what they ask for."""

from __future__ import annotations

from IPython.core.interactiveshell import InteractiveShell

from ...session import current_session
from ..capturing.cells import CellIds
from .comms import Sidebar

_sidebar: Sidebar | None = None


def start(shell: InteractiveShell) -> None:
    """Lets pages show the session of a shell that has a kernel; called once more, it wakes pages that wait."""
    global _sidebar
    session = current_session()
    if _sidebar is None or _sidebar.session is not session:
        _sidebar = Sidebar(session, CellIds())
    _sidebar.cells.watch(shell)
    shell.events.register("post_run_cell", _sidebar.look_again)
    _sidebar.listen()
