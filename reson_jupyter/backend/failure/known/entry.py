"""One known failure."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Known:
    """A failure whose cause is known from its message.

    Attributes:
        message: Pattern that is searched for in the exception's text, "ValueError: ..." and all lines after it; any case.
        cause: What is behind it, a sentence; {name} is what the pattern's group of that name found.
        fix: What to do, likewise.
        line: Pattern that the source line must have as well.
    """

    message: str
    cause: str
    fix: str
    line: str = ""

    def told(self, text: str, line: str) -> tuple[str, str] | None:
        """Cause and fix if this is it."""
        found = re.search(self.message, text, re.IGNORECASE)
        if not found or not re.search(self.line, line):
            return None
        groups = {name: value or "" for name, value in found.groupdict().items()}
        return self.cause.format_map(groups), self.fix.format_map(groups)
