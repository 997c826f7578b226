"""Failures whose cause is known from their message: what is behind each, and what to do."""

from __future__ import annotations

from .code import LABELS, NAMES, SHAPES, TENSORS
from .edge import EDGE
from .entry import Code as Code
from .entry import Known
from .surroundings import FILES, MACHINES, MEMORY, PATIENCE

# The first that fits is told.
KNOWN: tuple[Known, ...] = (*EDGE, *MEMORY, *PATIENCE, *SHAPES, *LABELS, *TENSORS, *NAMES, *FILES, *MACHINES)
_LOOKED_AT = 5_000  # characters


def known(message: str, text: str, line: str, code: Code) -> tuple[str, str]:
    """Returns cause and fix of a failure, both "" if it is none of the known ones.

    Args:
        message: Its one line; what is known of that goes before what is known of the rest.
        text: Everything that the exception says.
        line: The source of the line where the user's code failed; "" if there is none.
        code: What kind of code that is.
    """
    told = (entry.told(said, line, code) for said in (message[:_LOOKED_AT], text[:_LOOKED_AT]) for entry in KNOWN)
    return next((answer for answer in told if answer), ("", ""))
