"""Small tables for people: as text for a terminal, as HTML for a notebook. What is not printable in a text is escaped."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from html import escape

from .names import printable

_CELL = "vertical-align:top;padding:2px 12px 2px 0;text-align:"


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]], right: Collection[str] = ()) -> str:
    """Returns a table as lines of text; the columns of the titles in `right` are set to the right."""
    rows = [[printable(text) for text in row] for row in rows]
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]

    def line(row: Sequence[str]) -> str:
        cells = zip(header, row, widths, strict=True)
        return "  ".join(text.rjust(width) if title in right else text.ljust(width) for title, text, width in cells).rstrip()

    return "\n".join(map(line, (header, *rows)))


def html_table(header: Sequence[str], rows: Sequence[Sequence[str]], right: Collection[str] = ()) -> str:
    """Returns a table as HTML without a script or a style sheet; every text is escaped."""
    sides = ["right" if title in right else "left" for title in header]

    def line(tag: str, row: Sequence[str]) -> str:
        cells = zip(sides, row, strict=True)
        return f"<tr>{''.join(f'<{tag} style={_CELL + side!r}>{escape(printable(text))}</{tag}>' for side, text in cells)}</tr>"

    body = "".join(line("td", row) for row in rows)
    return f"<table style='border-collapse:collapse'><thead>{line('th', header)}</thead><tbody>{body}</tbody></table>"
