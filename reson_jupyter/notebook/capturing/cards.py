"""The card under a captured cell: what ships, what stays, what to look at."""

from __future__ import annotations

from collections.abc import Sequence

from ...capture.capture import Capture
from ...capture.roles.model_check import ModelFacts
from ...capture.text.module import Piece
from ...card import Card
from ...review import Review
from ...units import scaled, size

_SHOWN = 8


class CaptureCard:
    """What a front end shows of a capture, as text or as HTML.

    Args:
        capture: What was captured.
        review: What is known of it, if it is a model.
        displaced: What it has taken the place of, because only one of them can train; as people call it.
    """

    def __init__(self, capture: Capture, review: Review | None = None, displaced: Sequence[str] = ()) -> None:
        self._capture = capture
        self._review = review or Review(None)
        self._displaced = displaced

    def __repr__(self) -> str:
        return Card(self._headline(), self._rows()).text

    def _repr_html_(self) -> str:
        return Card(self._headline(), self._rows()).html()

    def _headline(self) -> str:
        return f"Reson: captured the {self._capture.title} from {self._capture.cell}, {lines_shipped(self._capture)} lines ship"

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
            rows.append(("called", ", ".join(f"{function.name} to {function.task}" for function in self._capture.functions)))
        elif self._capture.role == "startup":
            rows.append(("seed", "none: define build() in this cell, or name a file: %reson submit --checkpoint FILE"))
        if self._displaced:
            rows.append(("drops", f"{', '.join(self._displaced)}: only one of them can train"))
        if facts := self._review.facts:
            rows.append(("size", model_size(facts)))
        rows += [("stays here", text) for text in _some(self._capture.left_behind)]
        warnings = (*self._capture.warnings, *filter(None, [self._review.warning]))
        return rows + [("warning", text) for text in warnings]

    def _with_place(self, piece: Piece) -> str:
        """A piece and, if it is not of the captured cell, where it comes from."""
        place = "" if piece.cell == self._capture.cell else f" ({piece.cell or 'added'})"
        return piece.title + place


def lines_shipped(capture: Capture) -> int:
    """Returns how many lines of the notebook's cells ship."""
    return sum(1 for _, line in capture.module.lines if line)


def model_size(facts: ModelFacts) -> str:
    """Returns such as "1.2 M parameters, 4.9 MB down + 4.9 MB up per round and site"."""
    each = size(facts.state_bytes)
    return f"{scaled(facts.parameters)} parameters, {each} down + {each} up per round and site"


def _some(lines: tuple[str, ...]) -> list[str]:
    """The first lines and how many there are besides: a long cell should not get a long card."""
    more = len(lines) - _SHOWN
    return [*lines[:_SHOWN], f"and {more} more"] if more > 1 else list(lines)
