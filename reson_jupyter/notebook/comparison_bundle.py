"""A comparison as data that the sidebar's extension draws.

The data lies in the notebook itself, so that the charts can be used without a kernel and when the notebook is opened again; a
widget would be an error message then. Pages without the extension show the HTML beside it.
"""

from __future__ import annotations

import math
from typing import Any

from ..backend.run.compare import Comparison
from ..backend.run.comparison_html import labels_of, notes, tables
from .live.thin import thinned

COMPARISON = "application/vnd.reson-jupyter.comparison+json"
# What a page draws at most, see labextension/src/comparison/limits.ts.
_POINTS = 20_000  # in all lines together
_LINES = 2_400
_ROWS = 1_000  # of a table


def comparison_bundle(comparison: Comparison) -> dict[str, Any]:
    """Returns the data by its MIME type (see labextension/src/comparison/compared.ts); none if it is too much for a page."""
    lines, shown = _lines(comparison), tables(comparison)
    if len(lines) > _LINES or max(len(table.rows) for table in shown) > _ROWS:
        return {}
    data = {
        "title": comparison.title,
        "notes": notes(comparison),
        "runs": [{"id": run, "label": label} for run, label in labels_of(comparison).items()],
        "rounds": max(run.num_rounds for run in comparison.runs),
        "lines": thinned(lines, budget=_POINTS),
        "tables": [{"title": table.title, "header": table.header, "rows": table.rows} for table in shown],
    }
    return {COMPARISON: data}


def _lines(comparison: Comparison) -> list[dict[str, Any]]:
    lines = []
    for metric in comparison.metrics:
        for run in comparison.runs:
            points = [(number, value) for number, value in run.means.get(metric, ()) if math.isfinite(value)]
            rounds, values = [number for number, _ in points], [value for _, value in points]
            lines.append({"name": metric, "site": run.id, "rounds": rounds, "values": values})
    return lines
