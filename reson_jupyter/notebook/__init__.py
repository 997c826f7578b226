"""What the user touches: magics, cards, panels, the live view. Nothing outside this folder imports IPython."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


def load(ipython: InteractiveShell) -> None:
    """Registers everything that a notebook gets from `%load_ext reson_jupyter`."""
    from ..api import on_run
    from ..edge.names import install
    from ..session import current_session
    from .capturing.cell_parser import let_help_stand_alone
    from .capturing.kernel import kernel_of
    from .capturing.magics import CaptureMagics
    from .commands.reson import ResonMagics
    from .commands.which_run import remember
    from .completion.completion import complete_lines
    from .rehearsal_card import show_rehearsals
    from .reprs import show_results

    session = current_session()
    if session.kernel is None or session.kernel.namespace is not ipython.user_ns:  # %reload_ext knows the cells already
        session.kernel = kernel_of(ipython)
    install()
    ipython.register_magics(CaptureMagics, ResonMagics)
    let_help_stand_alone(ipython)
    complete_lines(ipython)
    show_rehearsals(ipython)
    show_results(ipython)
    on_run(remember)
    if hasattr(ipython, "kernel"):  # a terminal draws no widgets; there `wait` shows a progress bar
        from .live.show import show
        from .sidebar import start

        on_run(show)
        start(ipython)
