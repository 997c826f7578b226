"""Values as they may travel to a page."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from typing import Any

from ...names import printable


def jsonable(value: Any) -> Any:
    """Returns a value as JSON has it; what JSON or UTF-8 cannot hold (NaN, half a character) becomes text that says so."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if is_dataclass(value) and not isinstance(value, type):
        return jsonable(asdict(value))
    if isinstance(value, Mapping):
        return {jsonable(str(key)): jsonable(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(entry) for entry in value]
    return jsonable(str(value))


def shown(text: str) -> str:
    """Returns what strangers may have named, line by line as people may see it."""
    return "\n".join(map(printable, text.split("\n")))
