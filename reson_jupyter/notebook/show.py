"""The live view of a run under a cell, and what stays of it in the notebook when the run is over."""

from __future__ import annotations

from IPython.display import display

from ..backend.run.handle import Run
from ..backend.run.live import LiveFeed
from .cell_text import cell_text
from .run_report import report_html, report_text
from .run_view import Command, RunView


def show(run: Run) -> None:
    """Displays a run's live view; when the run is over, static HTML takes its place, which the saved notebook keeps."""

    def obey(command: Command) -> None:
        if command["op"] == "abort":
            run.abort()

    feed = LiveFeed(run, cell_text)
    view = RunView(feed.snapshot(), on_command=obey)
    handle = display(view, display_id=True)

    def update(run: Run) -> None:
        view.push(feed.delta())
        if run.state.done:
            final = LiveFeed(run, cell_text).snapshot()
            handle.update({"text/html": report_html(final), "text/plain": report_text(final)}, raw=True)

    run.observe(update)
