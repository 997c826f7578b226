"""What an answer of the platform says, taken by its type: nobody has published what else may stand there."""

from __future__ import annotations

from typing import Any


def first(said: Any, *names: str) -> Any:
    """Returns the first field of an object that says anything; None if none does, or that is no object."""
    fields = said if isinstance(said, dict) else {}
    return next((value for name in names if (value := fields.get(name)) not in (None, "", False)), None)


def text(value: Any) -> str:
    """Returns a text, or a number as one, so that any file takes it; "" for everything else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return str(value).encode("utf-8", "backslashreplace").decode()


def count(value: Any) -> int | None:
    """Returns a whole number from 0; None for everything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
