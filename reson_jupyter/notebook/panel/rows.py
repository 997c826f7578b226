"""Entries with names of the user's own, each with a value of JSON, and a row that adds one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets as widgets

from ...config.written import value_of
from ...errors import ConfigError
from ...forms import Rows
from .closing import close
from .lock import lock
from .refusals import refusal_of
from .texts import tell, text

Change = Callable[[str, Mapping[str, Any], Sequence[str]], None]


class RowsView:
    """The rows of a form.

    Args:
        rows: What they are for.
        change: Called with `rows.field`, the values of rows that are set, by name, and the names of those that go.
    """

    def __init__(self, rows: Rows, change: Change) -> None:
        self._change = change
        self._field = rows.field
        self._texts: Mapping[str, str] = {}
        self._inputs: dict[str, widgets.Text] = {}
        self._is_showing = False
        self._list = widgets.VBox()
        self._name = widgets.Text(placeholder="name", layout={"flex": "0 1 16em"}, tooltip="name of a new row")
        self._value = widgets.Text(placeholder="value, as JSON", layout={"flex": "1 1 8em", "width": "auto"}, tooltip="its value")
        add = widgets.Button(description="Add", layout={"width": "6em"}, tooltip="add the row")
        add.on_click(self._add)
        self._note = text()
        self._help = rows.help
        new = widgets.HBox([self._name, self._value, add], layout={"flex_flow": "row wrap"})
        self.widgets = (text(rows.title, "heading"), self._list, new, self._note)

    def show(self, texts: Mapping[str, str]) -> None:
        """Shows the rows as they are now; whatever was refused before is forgotten."""
        self._texts = texts
        if list(texts) != list(self._inputs):
            self._inputs = {name: self._input(name) for name in texts}
            dropped, self._list.children = self._list.children, [self._row(*item) for item in self._inputs.items()]
            for row in dropped:
                close(row)
        for name in texts:
            self._put_back(name)
        tell(self._note, self._help, "help")

    def _input(self, name: str) -> widgets.Text:
        looks = {"layout": {"flex": "1 1 8em", "width": "auto"}, "style": {"description_width": "16em"}}
        given = widgets.Text(description=name, continuous_update=False, **looks)
        given.observe(lambda change: self._edited(name, change["new"]), "value")
        return given

    def _edited(self, name: str, given: str) -> None:
        with lock:
            if not self._is_showing:
                self._set(name, given)

    def _row(self, name: str, given: widgets.Text) -> widgets.HBox:
        drop = widgets.Button(description="Remove", layout={"width": "6em"}, tooltip=f"remove {name}")
        drop.on_click(lambda _: self._edited(name, ""))
        return widgets.HBox([given, drop])

    def _put_back(self, name: str) -> None:
        self._is_showing = True
        try:
            self._inputs[name].value = self._texts[name]
        finally:
            self._is_showing = False

    def _set(self, name: str, given: str) -> None:
        try:
            given = given.strip()
            self._change(self._field, {name: value_of(given)} if given else {}, [] if given else [name])
        except Exception as error:
            self._put_back(name)
            tell(self._note, f"{name}: {refusal_of(error, name)}", "error")

    def _add(self, _: object) -> None:
        with lock:
            name, given = self._name.value.strip(), self._value.value.strip()
            # What is refused might be a secret, and the page keeps what stands in an input.
            self._value.value = ""
            try:
                if not given:
                    raise ConfigError("the value is missing", "Write JSON, such as 0.1, [1, 2] or adam.")
                self._change(self._field, {name: value_of(given)}, [])
            except Exception as error:
                tell(self._note, f"{name}: {refusal_of(error, name)}", "error")
            else:
                self._name.value = ""
