"""The live view of a run under a cell, and what stays of it in the notebook when the run is over."""

from __future__ import annotations

from collections.abc import Callable

from IPython.display import display

from ...backend.run.handle import Run
from ...backend.run.live import LiveFeed
from ..away import is_away
from .cell_text import cell_text
from .current_cell import note_view
from .results import Bundle, results
from .run_report import report_html, report_text
from .run_view import Command, RunView


def show(run: Run) -> None:
    """Displays a run's live view; when the run is over, static HTML takes its place, which the saved notebook keeps.

    A run that was submitted where there is no cell has its view elsewhere.
    """
    if not is_away():
        put_view(run, _under_cell)
        note_view(run.id)


def put_view(run: Run, put: Callable[[RunView], Callable[[Bundle], None]]) -> None:
    """Puts a run's live view somewhere.

    Args:
        run: The run.
        put: Shows the view, and returns what puts the static report in its place when the run is over.
    """

    def obey(command: Command) -> None:
        if command["op"] == "abort":
            run.abort()

    feed = LiveFeed(run, cell_text)
    view = RunView(feed.snapshot(), on_command=obey)
    replace = put(view)

    def update(run: Run) -> None:
        view.push(feed.delta())
        if run.state.done:
            final = LiveFeed(run, cell_text).snapshot()
            replace({"text/html": report_html(final), "text/plain": report_text(final)})

    run.observe(update)


def _under_cell(view: RunView) -> Callable[[Bundle], None]:
    handle = display(view, display_id=True)

    def replace(bundle: Bundle) -> None:
        handle.update(bundle, raw=True)
        results.keep(view.model_id, bundle)

    return replace
