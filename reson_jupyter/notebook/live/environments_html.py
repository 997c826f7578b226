"""What the sites have, as static HTML and as text: no script, no stylesheet, every value escaped."""

from __future__ import annotations

from html import escape

from ...backend.run.environments import EnvironmentRow, Environments
from ...table import text_table

_CELL = "text-align:left;vertical-align:top;padding:3px 10px;border-bottom:1px solid rgba(128,128,128,0.35)"
_SHORT = "white-space:nowrap"
_LONG = "min-width:10em;overflow-wrap:anywhere"
_LONGEST_LINE = 24
_DIFFERS = "background:rgba(245,124,0,0.22);color:inherit;font-weight:600;padding:0 3px"
_PROBLEM = "border-left:8px solid #d32f2f;padding-left:10px;margin:4px 0;overflow-wrap:anywhere"
_NOTE = "margin:4px 0;opacity:0.75;overflow-wrap:anywhere"


def environments_html(environments: Environments) -> str:
    """Returns the table as HTML, closed to its one sentence where nothing is wrong."""
    head = "".join(
        f"<th scope='col' style='{_CELL};{_SHORT}'>{escape(title)}</th>" for title in ("Site", *environments["columns"])
    )
    body = "".join(map(_row, environments["rows"]))
    table = f"<table style='border-collapse:collapse'><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    said = "".join(f"<div style='{_PROBLEM}'>{escape(text)}</div>" for text in problems(environments))
    said += "".join(f"<div style='{_NOTE}'>{escape(text)}</div>" for text in _notes(environments))
    summary = f"<summary style='overflow-wrap:anywhere'>{escape(environments['summary'])}</summary>"
    opened = " open" if environments["wrong"] else ""
    return f"<details style='margin:8px 0'{opened}>{summary}<div style='overflow-x:auto'>{table}</div>{said}</details>"


def environments_text(environments: Environments) -> str:
    """Returns the sentence, and the table where something is wrong."""
    if not environments["wrong"]:
        return environments["summary"]
    rows = [[row["site"], *(f"{text} (!)" if mark else text for text, mark in row["cells"])] for row in environments["rows"]]
    table = text_table(["site", *environments["columns"]], rows)
    return "\n".join([environments["summary"], *(f"  {line}" for line in (*table.splitlines(), *problems(environments)))])


def problems(environments: Environments) -> list[str]:
    """What keeps sites from training, a sentence for each."""
    return [f"{row['site']} cannot train: {problem}" for row in environments["rows"] for problem in row["problems"]]


def _notes(environments: Environments) -> list[str]:
    return [f"{row['site']}: {note}" for row in environments["rows"] for note in row["notes"]]


def _row(row: EnvironmentRow) -> str:
    name = f"<th scope='row' style='{_CELL};{_SHORT}'>{escape(row['site'])}</th>"
    return f"<tr>{name}{''.join(_cell(text, mark) for text, mark in row['cells'])}</tr>"


def _cell(text: str, mark: bool) -> str:
    shown = f"<mark style='{_DIFFERS}'>{escape(text)}</mark>" if mark else escape(text)
    return f"<td style='{_CELL};{_LONG if len(text) > _LONGEST_LINE else _SHORT}'>{shown}</td>"
