"""A run as static HTML and as text: what a saved notebook keeps, and what pages without widgets show.

No script and no stylesheet, because notebooks from elsewhere are shown without them; colours are left to the page, so that the
report is readable on light and dark. Every value is escaped.
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from ...backend.failure.cards import Cards
from ...card import html_root
from ...drawing import MIDTONE, NAMED_LINES, Line, add_legend, figure_png, lines_figure
from ...names import printable_lines
from .environments_html import environments_html, environments_text
from .failure_card import card_text, cards_html, rest
from .links import linked
from .run_snapshot import Message

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_CELL_STYLE = "text-align:left;vertical-align:top;padding:3px 10px;border-bottom:1px solid rgba(128,128,128,0.35)"
_SHORT = "white-space:nowrap"
_LONG = "padding-left:28px;white-space:normal;overflow-wrap:break-word"
_STATE_COLORS = {"finished": "#388e3c", "degraded": "#f57c00", "failed": "#d32f2f", "lost": "#d32f2f", "aborted": MIDTONE}
_ORDER = ("loss", "accuracy", "val_loss", "val_accuracy", "train_loss", "train_accuracy")
_QUIET = "margin:4px 0;opacity:0.75;overflow-wrap:anywhere"
_WARNING = "margin:4px 0;border-left:8px solid #f57c00;padding-left:10px;overflow-wrap:anywhere"
_MAX_CHARTS = 12
_MAX_METRIC_COLUMNS = 6


def report_html(snapshot: Message) -> str:
    """Returns the run as static HTML.

    Args:
        snapshot: A full message (see `run_snapshot`).
    """
    run = snapshot["run"]
    sentence = f"<p style='margin:4px 0'>{_text(_sentence(run))}</p>"
    offer = f"<p style='margin:4px 0'>{_text(run['offer'])}</p>" if run.get("offer") else ""
    rest_of_it = [_charts(snapshot), _site_table(snapshot)]
    cards = cards_html(_failures(snapshot))
    # Of a run that failed, why it did is what people look for.
    shown = [cards, *rest_of_it] if run.get("state") == "failed" else [*rest_of_it, cards]
    environments = snapshot.get("environments")
    had = environments_html(environments) if environments else ""
    parts = [_heading(run), sentence, offer, _facts(snapshot), _shown_notes(run), had, *shown, _notes(run)]
    return html_root("".join(parts), "")


def report_text(snapshot: Message) -> str:
    """Returns the run as a few lines of text."""
    run = snapshot["run"]
    facts = " · ".join(f"{name} {value}" for name, value in _fact_pairs(snapshot))
    state = f"{run.get('state', '')}{', stopping' if run.get('stopping') else ''}"
    lines = [f"Reson run {run.get('name') or run.get('id', '')}: {state}", _sentence(run), run.get("offer", ""), facts]
    lines += [f"warning: {note}" for note in run.get("warnings", [])]
    if environments := snapshot.get("environments"):
        lines.append(environments_text(environments))
    for row in snapshot["sites"]:
        metrics = ", ".join(f"{name} {_number(value)}" for name, value in row.get("metrics", {}).items())
        lines.append(f"  {row['site']}: {row.get('phase', '')} {metrics} {_trouble(row)}".rstrip())
    failures = _failures(snapshot)
    lines += [*map(card_text, failures["cards"]), rest(failures) if failures["more"] else ""]
    return printable_lines("\n".join(line for line in lines if line))


def _failures(snapshot: Message) -> Cards:
    return cast(Cards, snapshot.get("failures") or Cards(cards=[], more=0))


def _trouble(row: dict[str, Any]) -> str:
    return str(row.get("problem") or row.get("stalled") or "")


def _text(value: object) -> str:
    return html.escape(str(value), quote=True)


def _number(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) else "–" if value is None else str(value)


def _sentence(run: dict[str, Any]) -> str:
    return " ".join(part for part in (run.get("sentence"), run.get("reason")) if part)


def _heading(run: dict[str, Any]) -> str:
    state = str(run.get("state", ""))
    color = _STATE_COLORS.get(state, "#1976d2")
    pill = (
        f"<span style='border:1px solid {color};border-left-width:8px;border-radius:4px;padding:1px 8px;font-weight:600'>"
        f"{_text(state)}</span>"
    )
    return f"<div>{pill} <strong>{_text(run.get('name') or run.get('id', ''))}</strong></div>"


def _fact_pairs(snapshot: Message) -> Iterable[tuple[str, str]]:
    run = snapshot["run"]
    yield "rounds", f"{run.get('round', 0)} of {run.get('rounds', 0)}"
    if run.get("started") is not None:
        yield "started", datetime.fromtimestamp(run["started"]).strftime("%Y-%m-%d %H:%M:%S")
        if run.get("ended") is not None:
            yield "took", _duration(run["ended"] - run["started"])
    if run.get("target"):
        yield "target", f"{run['target']}, {run['place']}" if run.get("place") else str(run["target"])
    if run.get("id"):
        yield "run", str(run["id"])


def _duration(seconds: float) -> str:
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def _facts(snapshot: Message) -> str:
    facts = " · ".join(f"{_text(name)} <strong>{_text(value)}</strong>" for name, value in _fact_pairs(snapshot))
    return f"<p style='margin:4px 0'>{facts}</p>"


def _metric_names(snapshot: Message) -> list[str]:
    names = {line["name"] for line in snapshot["lines"]}
    first = [name for name in _ORDER if name in names]
    return first + sorted(names.difference(first))


def _shown_notes(run: dict[str, Any]) -> str:
    """What deserves attention, and where to look."""
    warnings = "".join(f"<p style='{_WARNING}'>{linked(note)}</p>" for note in run.get("warnings", []))
    return warnings + "".join(f"<p style='{_QUIET}'>{linked(note)}</p>" for note in run.get("links", []))


def _notes(run: dict[str, Any]) -> str:
    if not (notes := run.get("notes", [])):
        return ""
    count = "1 note" if len(notes) == 1 else f"{len(notes)} notes"
    rows = "".join(f"<li>{linked(note)}</li>" for note in notes)
    summary = f"<summary>How the job was made ({count})</summary>"
    return f"<details style='margin:8px 0;overflow-wrap:anywhere'>{summary}<ul style='margin:4px 0'>{rows}</ul></details>"


def _charts(snapshot: Message) -> str:
    images = []
    for name in _metric_names(snapshot)[:_MAX_CHARTS]:
        if png := figure_png(partial(chart_figure, snapshot, name)):
            images.append(f"<img src='data:image/png;base64,{png}' width='430' alt='{_text(f'{name} over the rounds')}'>")
        else:
            images.append(f"<p style='margin:4px 0;opacity:0.75'>No chart of {_text(name)}: its values cannot be drawn.</p>")
    return f"<div>{' '.join(images)}</div>" if images else ""


def chart_figure(snapshot: Message, name: str) -> Figure:
    """Returns one metric over the rounds as a drawing."""
    sites = [row["site"] for row in snapshot["sites"]]
    lines = [Line(site, *_line(snapshot, name, site)) for site in sites]
    lines.append(Line("weighted mean", *_line(snapshot, name, None), main=True))
    figure = lines_figure(name, lines, snapshot["run"].get("rounds", 0))
    if len(sites) <= NAMED_LINES:
        add_legend(figure)
    return figure


def _line(snapshot: Message, name: str, site: str | None) -> tuple[list[int], list[float]]:
    line = next((line for line in snapshot["lines"] if line["name"] == name and line["site"] == site), None)
    pairs = zip(line["rounds"], line["values"], strict=True) if line else ()
    numbers = [(number + 1, value) for number, value in pairs if isinstance(value, int | float)]
    return [number for number, _ in numbers], [value for _, value in numbers]


def _site_table(snapshot: Message) -> str:
    rows = snapshot["sites"]
    if not rows:
        return ""
    metrics = _metric_names(snapshot)[:_MAX_METRIC_COLUMNS]
    titles = ["Site", "Phase", "Last round", "Samples", *metrics]
    head = "".join(_cell(title, "th scope='col'") for title in titles)
    body = "".join(_site_rows(row, metrics) for row in rows)
    content = f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
    table = f"<table style='border-collapse:collapse;table-layout:auto'>{content}</table>"
    return f"<div style='margin:8px 0;overflow-x:auto'>{table}</div>"


def _site_rows(row: dict[str, Any], metrics: list[str]) -> str:
    """The site's row; below it one of its own for what is wrong, which can be long and must be seen on a narrow page."""
    cells = list(_site_cells(row, metrics))
    trouble = _trouble(row)
    below = f"<tr>{_cell(trouble, f'td colspan={str(len(cells))!r}', _LONG)}</tr>" if trouble else ""
    return f"<tr>{''.join(cells)}</tr>{below}"


def _site_cells(row: dict[str, Any], metrics: list[str]) -> Iterable[str]:
    yield _cell(row["site"], "th scope='row'")
    yield _cell(row.get("phase") or "–")
    yield _cell("–" if row.get("round") is None else row["round"] + 1)
    samples = row.get("samples")
    yield _cell("–" if samples is None else f"{samples:,.6g}")
    for name in metrics:
        yield _cell(_number(row.get("metrics", {}).get(name)))


def _cell(value: object, tag: str = "td", style: str = _SHORT) -> str:
    return f"<{tag} style='{_CELL_STYLE};{style}'>{_text(value)}</{tag[:2]}>"
