"""What a notebook shows of an object: a headline and labelled rows, as text or as HTML without a script or a style sheet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from .names import printable, printable_lines

_HEAD = "text-align:left;vertical-align:top;font-weight:600;white-space:nowrap;padding:1px 12px 1px 0"
_TEXT = "text-align:left;vertical-align:top;padding:1px 0;white-space:pre-wrap;overflow-wrap:anywhere"
_WIDE = "max-width:1100px;line-height:1.4"
# Escaped HTML is still searched for TeX, by JupyterLab (MathJax 3) and in nbconvert's pages (MathJax 2), and TeX has links
# and texts that nobody sees. These classes keep both away.
NO_TEX = "mathjax_ignore tex2jax_ignore"


def html_root(inside: str, kind: str = "reson-card", style: str = _WIDE) -> str:
    """Returns HTML as all that this package shows in a notebook must be wrapped: no text in it is taken for TeX."""
    return f"<div class='{f'{kind} {NO_TEX}'.strip()}' style='{style}'>{inside}</div>"


@dataclass(frozen=True)
class Card:
    """A headline and rows of a label and a text. Marks that would colour a terminal, or turn a line around, show as text."""

    headline: str
    rows: Sequence[tuple[str, str]] = ()

    @property
    def text(self) -> str:
        """The card as lines of text."""
        width = max((len(label) for label, _ in self.rows), default=0)
        lines = (f"  {printable(label):{width}}  {printable_lines(text)}" for label, text in self.rows)
        return "\n".join([printable_lines(self.headline), *lines])

    def html(self, parts: Iterable[str] = ()) -> str:
        """The card as HTML; `parts` are HTML that stands below the rows."""
        rows = "".join(
            f"<tr><th scope='row' style='{_HEAD}'>{escape(printable(label))}</th>"
            f"<td style='{_TEXT}'>{escape(printable_lines(text))}</td></tr>"
            for label, text in self.rows
        )
        table = f"<table style='border-collapse:collapse'><tbody>{rows}</tbody></table>" if rows else ""
        head = f"<div style='white-space:pre-wrap;overflow-wrap:anywhere'><b>{escape(printable_lines(self.headline))}</b></div>"
        return html_root(f"{head}{table}{''.join(parts)}")
