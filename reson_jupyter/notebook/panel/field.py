"""One field of a form: an input drawn from its JSON schema, and what it is for or why a value was refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets as widgets

from .lock import lock
from .refusals import refusal_of
from .texts import tell, text

Commit = Callable[[str, Any], None]


class Field:
    """An input of a panel. What the kernel refuses is told below it, and the old value is back.

    Args:
        name: The field's name.
        schema: Its property in the form's schema.
        commit: Called with the name and a value that the user gave; None puts the field back.
    """

    def __init__(self, name: str, schema: Mapping[str, Any], commit: Commit) -> None:
        self._name = name
        self._schema = schema
        self._commit = commit
        self._value: Any = None
        self._is_showing = False
        self._input = _input(name, schema)
        self._input.observe(self._edited, "value")
        self._note = text()
        self._note.add_class("jp-Reson-widgets-note")
        self.widgets = (self._input, self._note)

    def show(self, value: Any) -> None:
        """Shows the field's value, None if it is open; whatever was refused before is forgotten."""
        self._value = value
        self._put_back()
        tell(self._note, _about(self._schema), "help")

    def _put_back(self) -> None:
        self._is_showing = True
        try:
            self._input.value = _shown(self._schema, self._value)
        finally:
            self._is_showing = False

    def _edited(self, change: Mapping[str, Any]) -> None:
        with lock:
            if self._is_showing:
                return
            try:
                self._commit(self._name, _meant(self._schema, change["new"]))
            except Exception as error:
                self._put_back()
                tell(self._note, refusal_of(error, self._name), "error")


def _input(name: str, schema: Mapping[str, Any]) -> Any:
    look = {"description": name, "layout": {"width": "auto"}, "style": {"description_width": "16em"}}
    if "enum" in schema:
        return widgets.Dropdown(options=schema["enum"], **look)
    if schema["type"] == "boolean":
        return widgets.Checkbox(**look)
    # Of text the kernel says what is wrong with it; an input for numbers would quietly make another number of it.
    return widgets.Text(placeholder=schema.get("unset", ""), continuous_update=False, **look)


def _about(schema: Mapping[str, Any]) -> str:
    words = {"exclusiveMinimum": "above", "minimum": "at least", "maximum": "at most"}
    limits = ", ".join(f"{word} {schema[limit]:,}" for limit, word in words.items() if limit in schema)
    source = f"Where it is not set it comes from {schema['env']}." if "env" in schema else ""
    return " ".join(filter(None, [schema.get("description"), source, f"({limits})" if limits else ""]))


def _shown(schema: Mapping[str, Any], value: Any) -> Any:
    if "enum" in schema:
        return value
    if schema["type"] == "boolean":
        return bool(value)  # where the environment cannot be used, nothing is known
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)


def _meant(schema: Mapping[str, Any], given: Any) -> Any:
    """The value that an input's content stands for; a number that is none stays text, for the kernel to refuse."""
    if not isinstance(given, str):
        return given
    given = given.strip()
    if not given:
        return None
    if schema["type"] == "array":
        return [part.strip() for part in given.split(",") if part.strip()]
    if schema["type"] in ("integer", "number"):
        try:
            return json.loads(given)
        except ValueError:
            return given
    return given
