"""Where the lines of a shipped file stand in the notebook. It travels in the run's first event, not in the file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Span:
    """Lines of a shipped file that are consecutive lines of one cell.

    Attributes:
        first: The first of them in the file (1-based).
        count: How many they are.
        cell: The cell's label, such as "In[4]", or the name of the user's own file.
        line: The line of the cell that `first` is.
    """

    first: int
    count: int
    cell: str
    line: int


@dataclass(frozen=True)
class SourceMap:
    """The spans of one shipped file, in order; lines in none of them are this package's own."""

    spans: tuple[Span, ...] = ()

    @classmethod
    def of(cls, lines: Iterable[tuple[str, int]]) -> SourceMap:
        """Builds the map from the cell's label and line of every line of a file; line 0 is nobody's."""
        spans: list[Span] = []
        for number, (cell, line) in enumerate(lines, start=1):
            last = spans[-1] if spans else None
            if not line:
                continue
            if last and (cell, line - last.line) == (last.cell, number - last.first) and last.first + last.count == number:
                spans[-1] = Span(last.first, last.count + 1, cell, last.line)
            else:
                spans.append(Span(number, 1, cell, line))
        return cls(tuple(spans))

    @classmethod
    def from_json(cls, rows: Sequence[Sequence[Any]]) -> SourceMap:
        """Reads what `to_json` wrote."""
        return cls(tuple(Span(int(first), int(count), str(cell), int(line)) for first, count, cell, line in rows))

    def to_json(self) -> list[list[int | str]]:
        """Rows [first, count, cell, line]."""
        return [[span.first, span.count, span.cell, span.line] for span in self.spans]

    def place(self, number: int) -> tuple[str, int] | None:
        """Returns the cell's label and line of line `number` of the file; None if no cell has it."""
        for span in self.spans:
            if span.first <= number < span.first + span.count:
                return span.cell, span.line + number - span.first
        return None
