"""What is wrong with a shard: gathered, so that people hear of everything at once."""

from __future__ import annotations

from ..errors import ShardError
from ..names import printable

SHOWN_PROBLEMS = 20
_SHOWN_OF_PARTS = 60  # of many bad shards each has fewer lines, so that a message can still be read


class Problems:
    """What is wrong with something: the first 20 in words, how many in all, and what is wrong with its parts."""

    def __init__(self) -> None:
        self._first: list[str] = []
        self._own = 0
        self._end: str | None = None
        self._parts: list[tuple[str, Problems]] = []

    @property
    def count(self) -> int:
        """How many problems there are."""
        return self._own + sum(part.count for _, part in self._parts)

    @property
    def shown(self) -> list[str]:
        """The first problems in words, some of every part, and how many more there are."""
        lines = self._lines(SHOWN_PROBLEMS)
        bad = [(name, part) for name, part in self._parts if part.count]
        most = max(1, min(SHOWN_PROBLEMS, _SHOWN_OF_PARTS // max(1, len(bad))))
        return lines + [_beneath(printable(name), line) for name, part in bad for line in part._lines(most)]

    def add(self, text: str) -> None:
        """Notes one problem."""
        self._own += 1
        if len(self._first) < SHOWN_PROBLEMS:
            self._first.append(printable(text))

    def end(self, text: str) -> None:
        """Notes a last problem, behind which nothing more was looked at; it is shown, however many were before it."""
        self.add(text)
        self._end = printable(text)

    def merge(self, other: Problems, where: str) -> None:
        """Notes another's own problems, each with `where` before it."""
        for text in other._first:
            self.add(f"{where}: {text}")
        self._own += other._own - len(other._first)
        if other._end:
            self._end = printable(f"{where}: {other._end}")

    def add_part(self, part: Problems, name: str) -> None:
        """Notes the problems of a part, now and later; however many the other parts have, some of these are shown."""
        self._parts.append((name, part))

    def raise_if_any(self, subject: str, hint: str) -> None:
        """Raises one `ShardError` with them all, if there are any."""
        if not self.count:
            return
        lines = "".join(f"\n  - {line}" for line in self.shown)
        raise ShardError(f"{printable(subject)}: {self.count:,} problem{'s' if self.count > 1 else ''}{lines}", hint)

    def _lines(self, most: int) -> list[str]:
        first = self._first[:most]
        last = [self._end] if self._end and self._end not in first else []
        rest = self._own - len(first) - len(last)
        return [*first, *([f"and {rest:,} more"] if rest else []), *last]


def _beneath(name: str, line: str) -> str:
    """A part's problem with the part's name, unless it begins with that."""
    return line if line.startswith(f"{name} ") else f"{name}: {line}"
