"""One known failure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum


class Code(Enum):
    """Whose rules the code that failed goes by; what to do about it depends on that."""

    MODEL = "a model's, and the functions beside it"
    CALLBACKS = "a captured startup's, whose callbacks train"
    PROJECT = "a file of a Scaleout Edge project"


@dataclass(frozen=True)
class Known:
    """A failure whose cause is known from its message.

    In what is told, {name} is what the pattern's group of that name found, and {env} what the code calls its environment.

    Attributes:
        message: Pattern that is searched for in the exception's text, "ValueError: ..." and all lines after it; any case.
        cause: What is behind it, a sentence.
        fix: What to do.
        line: Pattern that the source line must have as well.
        callbacks: What to do instead where callbacks train, also those of a project; "" if it is the same.
        project: What to do instead in a file of a project; "" if it is the same as for other callbacks.
        only: The code that it is known of; none means all.
    """

    message: str
    cause: str
    fix: str
    line: str = ""
    callbacks: str = ""
    project: str = ""
    only: tuple[Code, ...] = ()

    def told(self, text: str, line: str, code: Code) -> tuple[str, str] | None:
        """Cause and fix if this is it."""
        if self.only and code not in self.only:
            return None
        found = re.search(self.message, text, re.IGNORECASE)
        if not found or not re.search(self.line, line):
            return None
        groups = {name: value or "" for name, value in found.groupdict().items()}
        groups["env"] = "env" if code is Code.MODEL else "settings"
        return self.cause.format_map(groups), self._fix(code).format_map(groups)

    def _fix(self, code: Code) -> str:
        if code is Code.PROJECT and self.project:
            return self.project
        return self.callbacks if code is not Code.MODEL and self.callbacks else self.fix
