"""Names and values of the user's own: what can be read, travels as JSON, and comes back as it was."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import ConfigError

# Characters of a name, characters of a value as JSON, and levels of lists and dicts in it.
_NAME = 100
_VALUE = 100_000
_DEPTH = 50


def check_json(key: str, value: Any) -> None:
    """Refuses what cannot be a value of the user's own: it travels as JSON, and everybody who shows the config shows it.

    Raises:
        ValueError: it is no JSON, is too large or too deep, or NVFlare's config reader would build an object of it.
    """
    size = 0
    # Added up as it goes: a list that holds itself, or another many times, has no end.
    for piece in _pieces(key, value, 0):
        size += piece
        if size > _VALUE:
            raise ValueError(f"{key}: a value may take {_VALUE:,} characters as JSON at most; larger things belong into a file")


def _pieces(key: str, value: Any, depth: int) -> Iterator[int]:
    """Yields how many characters the pieces of a value take, as JSON."""
    if depth > _DEPTH:
        raise ValueError(f"{key.split('[')[0].split('.')[0]}: lists and dicts may be nested {_DEPTH} levels deep, not deeper")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{key}: {value} cannot be written as JSON; give a finite number or null")
    if isinstance(value, Mapping):
        if isinstance(value.get("path"), str) or isinstance(value.get("class_path"), str):
            raise ValueError(
                f"{key}: a dict with a key 'path' or 'class_path' is built into an object by NVFlare; rename that key"
            )
        yield 2
        for name, item in value.items():
            if not isinstance(name, str):
                raise ValueError(f"{key}: the key {name!r} must be a string")
            check_text(key, name)
            yield len(name) + 4
            yield from _pieces(f"{key}.{name}", item, depth + 1)
    elif isinstance(value, list | tuple):
        yield 2
        for index, item in enumerate(value):
            yield from _pieces(f"{key}[{index}]", item, depth + 1)
    else:
        check_text(key, value)
        yield len(_one_as_json(key, value)) + 2


def _one_as_json(key: str, value: Any) -> str:
    try:
        return json.dumps(value)
    except TypeError:
        raise ValueError(
            f"{key}: a {type(value).__name__} cannot travel in a config; use numbers, text, booleans, null, lists or dicts"
        ) from None
    except ValueError:  # whose text speaks of Python's settings
        raise ValueError(f"{key}: this whole number has too many digits; give it as text") from None


def check_text(key: str, value: Any) -> None:
    """Refuses text that no file can hold. Raises `ValueError`."""
    try:
        if isinstance(value, str):
            value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{key}: this text has half a character in it, which no file can hold; write it anew") from None


def check_length(name: str) -> None:
    """Refuses a name of the user's own that nobody could read. Raises `ConfigError`."""
    if len(name) > _NAME:
        raise ConfigError(f"A name may have {_NAME} characters at most; that which begins with {name[:20]!r} has {len(name):,}.")
