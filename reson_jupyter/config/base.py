"""What all configs have in common: immutable, and a bad value is told with one line for each field."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from ..card import Card
from ..errors import ConfigError
from .own import check_text

_LONGEST = 10**20  # greater numbers are not repeated


class Config(BaseModel):
    """Base of the configs: immutable, refuses unknown fields with the nearest known name."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    def __init__(self, /, **values: Any) -> None:
        refused = dict(self._refused(values))
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise _as_config_error(type(self), {**_problems(type(self), error), **refused}) from None
        if refused:
            raise _as_config_error(type(self), refused)

    @classmethod
    def _refused(cls, values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Yields what pydantic takes and nobody means or could use: the name, and what is wrong."""
        for name, field in cls.model_fields.items():
            value = values.get(name)
            if isinstance(value, bool) and field.annotation in (int, float):
                yield name, f"input should be a number (got {value})"
            if why := refusal(check_text, name, value):
                yield name, why

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


def refusal(check: Any, key: str, *values: Any) -> str:
    """Returns what a check says against a value, without the name of its field; "" if nothing."""
    try:
        check(key, *values)
    except ValueError as error:
        return str(error).removeprefix(f"{key}: ")
    except ConfigError as error:
        return error.message
    return ""


def _problems(config: type[BaseModel], error: ValidationError) -> dict[str, str]:
    """What is wrong with which field; with "" what is wrong with several of them."""
    told: dict[str, str] = {}
    for problem in error.errors():
        field = ".".join(str(part) for part in problem["loc"])
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            near = difflib.get_close_matches(field, list(config.model_fields), n=1)
            message = f"there is no such field{f'; did you mean {near[0]!r}?' if near else ''}"
        elif field and not problem["type"].startswith("value_error"):
            # A secret's wrong value must not be shown, so values appear only where they are numbers or short plain text.
            message = message[0].lower() + message[1:] + _shown(problem["input"])
        told[field] = message
    return told


def _shown(given: Any) -> str:
    is_short = isinstance(given, float | bool) or (isinstance(given, int) and abs(given) < _LONGEST)
    return f" (got {given!r})" if is_short else ""


def _as_config_error(config: type[BaseModel], told: Mapping[str, str]) -> ConfigError:
    lines = [f"{field}: {message}" if field else message for field, message in told.items()]
    # Of an entry of a field, such as worker_ids.0, the field.
    fields = {field.split(".")[0]: message for field, message in told.items() if field}
    return ConfigError(f"{config.__name__}: " + "; ".join(lines), fields=fields)
