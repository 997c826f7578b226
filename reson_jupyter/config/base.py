"""What all configs have in common: immutable, and a bad value is told with one line for each field."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from ..card import Card
from ..errors import ConfigError

# Of a user's own entries: characters of a name, characters of a value as JSON, and levels of lists and dicts in it.
_NAME = 100
_VALUE = 100_000
_DEPTH = 50


class Config(BaseModel):
    """Base of the configs: immutable, refuses unknown fields with the nearest known name."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    def __init__(self, /, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise _as_config_error(type(self), error) from None

    def replace(self, /, **changes: Any) -> Self:
        """Returns a copy with `changes`; fields that nobody set stay unset, and None unsets a field or drops an extra key.

        Raises:
            ConfigError: a value cannot be used; nothing has changed.
        """
        kept = {name: getattr(self, name) for name in self.model_fields_set}
        extra = self.model_extra or {}
        return type(self)(**{key: value for key, value in {**extra, **kept, **changes}.items() if value is not None})

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """Only what somebody set: the fields have their defaults otherwise."""
        given = self.model_fields_set | (self.model_extra or {}).keys()
        return ((name, value) for name, value in super().__repr_args__() if name in given)

    def _repr_html_(self) -> str:
        return Card(type(self).__name__, [(str(name), f"{value!r}") for name, value in super().__repr_args__()]).html()


def _as_config_error(config: type[BaseModel], error: ValidationError) -> ConfigError:
    lines, fields = [], {}
    for problem in error.errors():
        field = ".".join(str(part) for part in problem["loc"])
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            near = difflib.get_close_matches(field, list(config.model_fields), n=1)
            message = f"there is no such field{f'; did you mean {near[0]!r}?' if near else ''}"
        elif field and not problem["type"].startswith("value_error"):
            # A secret's wrong value must not be shown, so values appear only where they are numbers or short plain text.
            given = problem["input"]
            shown = f" (got {given!r})" if isinstance(given, int | float | bool) else ""
            message = message[0].lower() + message[1:] + shown
        lines.append(f"{field}: {message}" if field else message)
        if problem["loc"]:
            fields[str(problem["loc"][0])] = message
    return ConfigError(f"{config.__name__}: " + "; ".join(lines), fields=fields)


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
            yield len(name) + 4
            yield from _pieces(f"{key}.{name}", item, depth + 1)
    elif isinstance(value, list | tuple):
        yield 2
        for index, item in enumerate(value):
            yield from _pieces(f"{key}[{index}]", item, depth + 1)
    else:
        try:
            yield len(json.dumps(value)) + 2
        except TypeError:
            raise ValueError(
                f"{key}: a {type(value).__name__} cannot travel in a config; use numbers, text, booleans, null, lists or dicts"
            ) from None


def check_length(name: str) -> None:
    """Refuses a name of the user's own that nobody could read. Raises `ConfigError`."""
    if len(name) > _NAME:
        raise ConfigError(f"A name may have {_NAME} characters at most; that which begins with {name[:20]!r} has {len(name):,}.")
