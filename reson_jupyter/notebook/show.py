"""The live view of a run under a cell, and what stays of it in the notebook when the run is over."""

from __future__ import annotations

from typing import Any

from IPython.display import HTML, display

from ..backend.live import LiveFeed
from ..backend.run import Run
from .run_report import report_html, report_text
from .run_view import RunView


def show(run: Run) -> None:
    """Displays a run's live view; when the run is over, static HTML takes its place, which the saved notebook keeps."""
    feed = LiveFeed(run)
    snapshot = feed.snapshot()
    view = RunView(snapshot, on_command=lambda command: _obey(run, command))
    # One bundle with both: where no widget is drawn, the HTML shows the state as it was.
    bundle = {**view._repr_mimebundle_()[0], "text/html": report_html(snapshot), "text/plain": report_text(snapshot)}
    handle = display(bundle, raw=True, display_id=True)

    def update(run: Run) -> None:
        view.push(feed.delta())
        if run.state.done:
            handle.update(HTML(report_html(LiveFeed(run).snapshot())))

    run.observe(update)


def _obey(run: Run, command: dict[str, Any]) -> None:
    if command["op"] == "abort":
        run.abort()
