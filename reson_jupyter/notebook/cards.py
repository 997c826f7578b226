"""The card under a captured cell: what ships, what stays, what to look at."""

from __future__ import annotations

from html import escape

from ..capture.capture import Capture
from ..capture.text.module import Piece
from ..review import Review
from ..units import scaled, size

_SHOWN = 8


class CaptureCard:
    """What a front end shows of a capture, as text or as HTML."""

    def __init__(self, capture: Capture, review: Review | None = None) -> None:
        self._capture = capture
        self._review = review or Review(None)

    def __repr__(self) -> str:
        width = max(len(label) for label, _ in self._rows())
        return "\n".join([self._headline(), *(f"  {label:{width}}  {text}" for label, text in self._rows())])

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<tr><th style="text-align:left;vertical-align:top">{escape(label)}</th>'
            f'<td style="text-align:left">{escape(text)}</td></tr>'
            for label, text in self._rows()
        )
        return f'<div class="reson-card"><b>{escape(self._headline())}</b><table>{rows}</table></div>'

    def _headline(self) -> str:
        lines = sum(1 for _, line in self._capture.module.lines if line)
        return f"Reson: captured the {self._capture.title} from {self._capture.cell}, {lines} lines ship"

    def _rows(self) -> list[tuple[str, str]]:
        pieces = [piece for piece in self._capture.pieces if piece.kind != "future"]
        ships = [self._with_place(piece) for piece in pieces if piece.kind != "import"]
        imports = [self._with_place(piece) for piece in pieces if piece.kind == "import"]
        rows = [("ships", ", ".join(ships))]
        if imports:
            rows.append(("imports", "; ".join(imports)))
        if self._capture.files:
            rows.append(("files", ", ".join(file.path for file in self._capture.files)))
        if self._capture.command:
            call = f'run.command("{self._capture.command}", {{...}})'
            rows.append(("called", f"{self._capture.name} on the sites, by {call}"))
        if self._capture.functions:
            rows.append(("called", ", ".join(f"{function.name} to {function.purpose}" for function in self._capture.functions)))
        if facts := self._review.facts:
            each = size(facts.state_bytes)
            rows.append(("size", f"{scaled(facts.parameters)} parameters, {each} down + {each} up per round and site"))
        rows += [("stays here", text) for text in _some(self._capture.left_behind)]
        warnings = (*self._capture.warnings, *filter(None, [self._review.warning]))
        return rows + [("warning", text) for text in warnings]

    def _with_place(self, piece: Piece) -> str:
        """A piece and, if it is not of the captured cell, where it comes from."""
        place = "" if piece.cell == self._capture.cell else f" ({piece.cell or 'added'})"
        return piece.title + place


def _some(lines: tuple[str, ...]) -> list[str]:
    """The first lines and how many there are besides: a long cell should not get a long card."""
    more = len(lines) - _SHOWN
    return [*lines[:_SHOWN], f"and {more} more"] if more > 1 else list(lines)
