"""The card of a failure: where in the notebook it is, what is behind it, and what to do.

The HTML has no script and no stylesheet, and leaves colours to the page: it is readable on light and dark, and in a saved
notebook. Every value is escaped.
"""

from __future__ import annotations

from html import escape

from ...backend.failure.cards import Card, Cards, CellText, Step, card_of
from ...backend.failure.explain import Explained
from ...card import html_root
from ...names import printable_lines

_PRE = "margin:2px 0 6px;padding:4px 8px;border-left:3px solid rgba(128,128,128,0.5);overflow-x:auto;line-height:1.35"
_MARKED = "background:rgba(211,47,47,0.2);font-weight:600"
_SAID = "margin:4px 0;white-space:pre-wrap;overflow-wrap:anywhere"


class FailureCard:
    """What a front end shows of a failure, as text or as HTML.

    Args:
        explained: The failure.
        cell_text: Gives the texts of cells.
        who: Whose failure it is, such as "site-1, round 2".
    """

    def __init__(self, explained: Explained, cell_text: CellText | None = None, who: str = "") -> None:
        self._card = card_of(explained, cell_text, who)

    def __repr__(self) -> str:
        return card_text(self._card)

    def _repr_html_(self) -> str:
        return card_html(self._card)


def cards_html(cards: Cards) -> str:
    """Returns the cards of a run as HTML."""
    shown = "".join(map(card_html, cards["cards"]))
    return shown + (f"<p style='{_SAID}'>{escape(rest(cards))}</p>" if cards["more"] else "")


def rest(cards: Cards) -> str:
    """Says how many errors are not shown."""
    return f"and {cards['more']} more {'error' if cards['more'] == 1 else 'errors'}: run.errors() has all of them"


def card_html(card: Card) -> str:
    """Returns a card as HTML."""
    who = f"<span style='opacity:0.75'>{escape(card['who'])}:</span> " if card["who"] else ""
    parts = [
        f"<div style='border-left:8px solid #d32f2f;padding-left:10px;overflow-wrap:anywhere'>{who}"
        f"<strong>{escape(card['headline'])}</strong></div>"
    ]
    if card["message"]:
        parts.append(f"<p style='{_SAID}'>{escape(card['message'])}</p>")
    parts += map(_step_html, card["steps"])
    parts += [f"<p style='{_SAID}'><strong>{label}</strong> {escape(text)}</p>" for label, text in _advice(card)]
    if card["traceback"]:
        parts.append(_folded("Whole traceback", card["traceback"]))
    return html_root("".join(parts), "", "max-width:1100px;line-height:1.4;margin:8px 0")


def card_text(card: Card) -> str:
    """Returns a card as text: the lines around the place, and the path to it in one line."""
    calls = [step for step in card["steps"] if not step["folded"]]
    lines = _numbered(calls[-1]) if calls else []
    path = [step["title"] for step in card["steps"] if not step["folded"] or step["title"] == "…"]
    rows = [*([("path", " → ".join(path))] if len(path) > 1 else []), *_advice(card)]
    return printable_lines(
        "\n".join(
            [
                f"{card['who']}: {card['headline']}" if card["who"] else card["headline"],
                *([f"  {card['message']}"] if card["message"] else []),
                *(f"  {text}".rstrip() for text, _ in lines),
                *(f"  {label:7} {text}" for label, text in rows),
            ]
        )
    )


def _advice(card: Card) -> list[tuple[str, str]]:
    return [(label, text) for label, text in (("cause", card["cause"]), ("fix", card["fix"])) if text]


def _step_html(step: Step) -> str:
    if step["folded"]:
        return _folded(step["title"], step["folded"])
    rows = (f"<span style='{_MARKED}'>{escape(text)}</span>" if marked else escape(text) for text, marked in _numbered(step))
    source = "\n".join(rows)
    title = f"<div>{escape(step['title'])}</div>" if step["title"] else ""
    return title + (f"<pre style='{_PRE}'>{source}</pre>" if source else "")


def _folded(title: str, text: str) -> str:
    return f"<details><summary>{escape(title)}</summary><pre style='{_PRE}'>{escape(text)}</pre></details>"


def _numbered(step: Step) -> list[tuple[str, bool]]:
    """The lines with their numbers, the one of the call with an arrow, which colours are not needed to see."""
    width = len(str(step["lines"][-1][0])) if step["lines"] else 0
    return [(f"{'>' if marked else ' '} {number:{width}} | {text}", marked) for number, text, marked in step["lines"]]
