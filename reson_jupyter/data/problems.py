"""What is wrong with a shard: gathered, so that people hear of everything at once."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..errors import ShardError

SHOWN_PROBLEMS = 20


@dataclass
class Problems:
    """What is wrong with something: the first 20 in words, and how many in all."""

    shown: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, text: str) -> None:
        """Notes one problem."""
        self.count += 1
        if len(self.shown) < SHOWN_PROBLEMS:
            self.shown.append(text)

    def merge(self, other: Problems, where: str) -> None:
        """Notes another's problems, each with `where` before it."""
        for text in other.shown:
            self.add(f"{where}: {text}")
        self.count += other.count - len(other.shown)

    def raise_if_any(self, subject: str, hint: str) -> None:
        """Raises one `ShardError` with them all, if there are any."""
        if not self.count:
            return
        more = [f"... and {self.count - len(self.shown)} more"] if self.count > len(self.shown) else []
        lines = "".join(f"\n  - {line}" for line in [*self.shown, *more])
        raise ShardError(f"{subject}: {self.count} problem{'s' if self.count > 1 else ''}{lines}", hint)
