"""The card of a run: where it stands, and what to do next."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from ...card import Card
from ...events import RunState
from ..progress import RunProgress
from .metrics import by_importance
from .waiting import WITH_MODEL

if TYPE_CHECKING:
    from .handle import Run

_SHOWN_METRICS = 6


def run_card(run: Run) -> Card:
    """Returns the card of a run as it is now."""
    progress = run.progress
    where = f"{progress.target}, {progress.place}" if progress.place else progress.target
    rows = [
        ("state", " ".join(filter(None, (run.note or run.state.before(run.reason), run.reason)))),
        ("rounds", f"{progress.rounds_done} of {progress.num_rounds or '?'}"),
        ("means", _means(run)),
        ("target", where),
        ("started", _date(progress)),
        ("id", run.id),
        ("next", _next(run)),
    ]
    return Card(f"Run {progress.name or run.id}: {run.state.value}", [(label, text) for label, text in rows if text])


def _means(run: Run) -> str:
    """The newest means over the sites."""
    newest = {record["name"]: record["value"] for record in run.metrics if record["site"] is None}
    names = by_importance(newest)
    more = [f"and {len(names) - _SHOWN_METRICS} more"] if len(names) > _SHOWN_METRICS else []
    return ", ".join([*(f"{name} {newest[name]:.4g}" for name in names[:_SHOWN_METRICS]), *more])


def _date(progress: RunProgress) -> str:
    return "" if progress.submitted is None else datetime.fromtimestamp(progress.submitted).strftime("%Y-%m-%d %H:%M:%S")


def _next(run: Run) -> str:
    if not run.state.done:
        return f"run.wait(), run.info(), run.abort(); its live view: reson.attach({run.id!r})"
    if run.state in WITH_MODEL:
        tried = [] if run.progress.callbacks else ["run.evaluate(data)"]
        return ", ".join(["run.model()", "run.metrics.to_pandas()", *tried])
    kept = ["run.model()"] if run.progress.rounds_done and run.progress.result else []
    return ", ".join([*kept, *([] if run.state is RunState.ABORTED else ["run.errors()"]), "run.logs()", "run.rerun()"])
