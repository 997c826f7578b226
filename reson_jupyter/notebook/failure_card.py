"""The card of a failure: where in the notebook it is, what is behind it, and what to do."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

from ..backend.failure import Explained, Frame

_AROUND = 2  # lines shown before and after the one to look at
_SHOWN_CALLS = 8
_PRE = "margin:6px 0;padding:4px 8px;border-left:3px solid rgba(128,128,128,0.5);overflow-x:auto;line-height:1.35"
_MARKED = "background:rgba(211,47,47,0.2);font-weight:600"
_LABEL = "text-align:left;vertical-align:top;padding:2px 10px 2px 0"


class FailureCard:
    """What a front end shows of a failure, as text or as HTML.

    The HTML has no script and no stylesheet, and leaves colours to the page: it is readable on light and dark, and in a saved
    notebook. Every value is escaped.

    Args:
        explained: The failure.
        cell_text: Gives the whole text of a cell by its label ("In[4]"), the magic's line included, or None if it is not known.
            A cell whose line is not the one that failed (it was changed, or is another notebook's) is not shown.
    """

    def __init__(self, explained: Explained, cell_text: Callable[[str], str | None] | None = None) -> None:
        self._explained = explained
        self._headline, self._message = _headline(explained)
        self._lines = _lines_around(explained.where, cell_text)

    def __repr__(self) -> str:
        width = len(str(self._lines[-1][0])) if self._lines else 0
        source = (f"  {'>' if marked else ' '} {number:{width}} | {text}".rstrip() for number, text, marked in self._lines)
        rows = (f"  {label:7} {text}" for label, text in self._rows())
        return "\n".join([self._headline, *([f"  {self._message}"] if self._message else []), *source, *rows])

    def _repr_html_(self) -> str:
        parts = [f"<div style='border-left:8px solid #d32f2f;padding-left:10px'><strong>{escape(self._headline)}</strong></div>"]
        if self._message:
            parts.append(f"<p style='margin:4px 0'>{escape(self._message)}</p>")
        if self._lines:
            parts.append(f"<pre style='{_PRE}'>{self._source_html()}</pre>")
        rows = "".join(
            f"<tr><th scope='row' style='{_LABEL}'>{escape(label)}</th><td style='text-align:left'>{escape(text)}</td></tr>"
            for label, text in self._rows()
        )
        if rows:
            parts.append(f"<table style='border-collapse:collapse;margin:6px 0'><tbody>{rows}</tbody></table>")
        if self._explained.traceback:
            text = escape(self._explained.traceback)
            parts.append(f"<details><summary>Whole traceback</summary><pre style='{_PRE}'>{text}</pre></details>")
        return f"<div class='reson-failure' style='max-width:1100px;line-height:1.4'>{''.join(parts)}</div>"

    def _source_html(self) -> str:
        width = len(str(self._lines[-1][0]))
        rows = []
        for number, text, marked in self._lines:
            row = escape(f"{'>' if marked else ' '} {number:{width}} | {text}")
            rows.append(f"<span style='{_MARKED}'>{row}</span>" if marked else row)
        return "\n".join(rows)

    def _rows(self) -> list[tuple[str, str]]:
        rows = []
        calls = self._explained.frames
        if len(calls) > 1:
            shown = [_call(frame) for frame in calls[-_SHOWN_CALLS:]]
            rows.append(("path", " → ".join(["…", *shown] if len(calls) > _SHOWN_CALLS else shown)))
        rows += [(label, text) for label, text in (("cause", self._explained.cause), ("fix", self._explained.fix)) if text]
        return rows


def _headline(explained: Explained) -> tuple[str, str]:
    """The exception's name and its place in one line, and what the exception says."""
    name, colon, said = explained.message.partition(": ")
    if not name.replace(".", "").isidentifier():
        name, said = "It failed", explained.message
    elif not colon:
        name = name.removesuffix(":")
    return (f"{name} at {_call(explained.where)}" if explained.where else name), said


def _call(frame: Frame) -> str:
    """Such as "In[4], line 9 (forward)"."""
    return f"{frame.where} ({frame.function})" if frame.function and frame.function != "<module>" else frame.where


def _lines_around(frame: Frame | None, cell_text: Callable[[str], str | None] | None) -> list[tuple[int, str, bool]]:
    """The lines to show: number, text, and whether it is the one to look at."""
    if frame is None:
        return []
    lines = ((cell_text(frame.source) if cell_text else None) or "").split("\n")
    if not 0 < frame.line <= len(lines) or lines[frame.line - 1].strip() != frame.text:
        return [(frame.line, frame.text, True)] if frame.text else []
    first = max(1, frame.line - _AROUND)
    last = min(len(lines), frame.line + _AROUND)
    return [(number, lines[number - 1].rstrip(), number == frame.line) for number in range(first, last + 1)]
