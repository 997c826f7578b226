"""A comparison of runs as text and as static HTML: no script, no style sheet, every value escaped."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from html import escape
from typing import TYPE_CHECKING

from ...card import html_root
from ...data.report import counted
from ...drawing import Line, add_legend, figure_png, lines_figure
from ...names import printable
from ...table import html_table, text_table
from .best import smallest_is_best
from .compare import Comparison, best_of
from .telling_apart import labels, numbers, values

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_CHARTS = 12
_STAR = "★"
_LEGEND = f"{_STAR} the best of these runs"
_NONE = "–"
_PARAGRAPH = "<p style='margin:4px 0;overflow-wrap:anywhere'>{}</p>"


@dataclass(frozen=True)
class Table:
    """A table of a comparison, ready to be shown: a title, the header, the rows."""

    title: str
    header: tuple[str, ...]
    rows: list[tuple[str, ...]]


def comparison_html(comparison: Comparison) -> str:
    """Returns a comparison as HTML with a picture of each metric."""
    pictures = []
    for metric in list(comparison.metrics)[:MOST_CHARTS]:
        if png := figure_png(partial(metric_figure, comparison, metric)):
            alt = escape(f"{printable(metric)} of {len(comparison.runs)} runs over the rounds")
            pictures.append(f"<img src='data:image/png;base64,{png}' width='430' alt='{alt}'>")
    parts = [f"<b>{escape(comparison.title)}</b>", *(_PARAGRAPH.format(escape(note)) for note in notes(comparison))]
    parts += [f"<div>{' '.join(pictures)}</div>"] if pictures else []
    for table in tables(comparison):
        shown = html_table(table.header, table.rows) if table.rows else ""
        parts.append(f"<div style='margin:10px 0;overflow-x:auto'><b>{escape(table.title)}</b>{shown}</div>")
    return html_root("".join(parts))


def comparison_text(comparison: Comparison) -> str:
    """Returns a comparison as lines of text."""
    lines = [comparison.title, *notes(comparison)]
    for table in tables(comparison):
        lines += [table.title, *(f"  {line}" for line in text_table(table.header, table.rows).splitlines())]
    return "\n".join(lines)


def notes(comparison: Comparison) -> list[str]:
    """What is to be known of a comparison beside its tables, a sentence each."""
    named = labels_of(comparison)
    going = [run for run in comparison.runs if not run.state.done]
    said = [f"{named[run.id]} is {run.state.value} and goes on: its values are those of round {run.rounds}." for run in going]
    said += [f"How {named[run.id]} was made is not known: {printable(run.unread)}." for run in comparison.runs if run.unread]
    more = len(comparison.metrics) - MOST_CHARTS
    said += [f"{more} more metrics are in the table."] if more > 0 else []
    return said if comparison.metrics else [*said, "None of the runs has a metric yet."]


def tables(comparison: Comparison) -> list[Table]:
    """What came of the runs, and what differs in how they were made."""
    header = tuple(labels_of(comparison).values())
    rows: list[tuple[str, ...]] = [
        ("state", *(run.state.value for run in comparison.runs)),
        ("rounds", *(f"{run.rounds} of {run.num_rounds or '?'}" for run in comparison.runs)),
    ]
    for metric in comparison.metrics:
        rows += _metric_rows(comparison, metric)
    came = Table(f"What came of them ({_LEGEND})", ("", *header), rows)
    differences = [_difference_row(comparison, field) for field in comparison.configs]
    return [came, Table(_title_of(comparison, bool(differences)), ("", *header) if differences else (), differences)]


def labels_of(comparison: Comparison) -> dict[str, str]:
    """What the runs are called in charts and tables, by id, in their order."""
    return labels({run.id: run.label for run in comparison.runs})


def metric_figure(comparison: Comparison, metric: str) -> Figure:
    """Returns one metric of all runs as a drawing."""
    lines, named = [], labels_of(comparison)
    for run in comparison.runs:
        line = run.means.get(metric, ())
        lines.append(Line(named[run.id], [number + 1 for number, _ in line], [value for _, value in line]))
    most = max(run.num_rounds for run in comparison.runs)
    figure = lines_figure(metric, lines, most, dashed=True)
    add_legend(figure)
    return figure


def _title_of(comparison: Comparison, differs: bool) -> str:
    """Of runs of which it is not known how they were made, nobody can say that nothing differs."""
    if differs:
        return "What differs in how they were made"
    known = sum(not run.unread for run in comparison.runs)
    if known < 2:
        return "What differs in how they were made is not known"
    return f"Nothing differs in how {'they' if known == len(comparison.runs) else 'the others'} were made"


def _metric_rows(comparison: Comparison, metric: str) -> list[tuple[str, ...]]:
    of = comparison.metrics[metric]
    finals = {run: outcome.final for run, outcome in of.items() if outcome.final is not None}
    bests = {run: outcome.best for run, outcome in of.items() if outcome.best}
    bests_of = {run: best.value for run, best in bests.items()}
    best_final, best_round = best_of(metric, finals), best_of(metric, bests_of)
    unfinished = {run: outcome.newest for run, outcome in of.items() if run not in finals}
    finals_shown = numbers(finals, best_final) | numbers(unfinished, set())
    bests_shown = numbers(bests_of, best_round)
    which = "lowest" if smallest_is_best(metric) else "highest"

    def final(run: str) -> str:
        if run in unfinished:
            return f"{finals_shown[run]} after {counted(of[run].rounds, 'round')}"
        return _marked(finals_shown[run], run in best_final) if run in finals else _NONE

    def best(run: str) -> str:
        found = bests.get(run)
        return _marked(f"{bests_shown[run]} in round {found.round + 1}", run in best_round) if found else _NONE

    ids = [run.id for run in comparison.runs]
    name = printable(metric)
    return [(f"{name}, final", *map(final, ids)), (f"{name}, {which}", *map(best, ids))]


def _marked(text: str, is_best: bool) -> str:
    return f"{text} {_STAR}" if is_best else text


def _difference_row(comparison: Comparison, field: str) -> tuple[str, ...]:
    texts = values(comparison.configs[field], _NONE)
    return (printable(field), *("?" if run.unread else texts.get(run.id, _NONE) for run in comparison.runs))
