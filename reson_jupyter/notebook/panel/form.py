"""One form of the session as widgets."""

from __future__ import annotations

from typing import Any

import ipywidgets as widgets

from ...forms import Form
from ...session import Session
from .closing import close
from .field import Field
from .rows import RowsView
from .texts import tell, text


class FormView:
    """A form: its fields, its rows, and which keys are set.

    Args:
        form: The form as it is when the panel opens.
        session: What it edits.
    """

    def __init__(self, form: Form, session: Session) -> None:
        self._form = form
        self._session = session
        self._fields: dict[str, Field] = {}
        self._rows = RowsView(form.rows, session.configure_rows) if form.rows else None
        self._problem = text()
        self._keys = text()
        self.widget = widgets.VBox()

    def show(self, form: Form) -> None:
        """Shows the form as it is now."""
        self._form = form
        if list(form.schema["properties"]) != list(self._fields):
            self._lay_out()
        for name, field in self._fields.items():
            field.show(form.values.get(name))
        if self._rows and form.rows:
            self._rows.show(form.rows.texts)
        tell(self._problem, form.problem, "error")
        keys = (f"{key.name}: {f'set by {key.variable}' if key.is_set else f'not set ({key.variable})'}" for key in form.keys)
        tell(self._keys, "\n".join(keys), "help")

    def _lay_out(self) -> None:
        properties = self._form.schema["properties"]
        dropped = [self._fields.pop(name) for name in [*self._fields] if name not in properties]
        self._fields = {name: self._fields.get(name) or Field(name, properties[name], self._set) for name in properties}
        inputs = [widget for field in self._fields.values() for widget in field.widgets]
        self.widget.children = [self._problem, *inputs, *(self._rows.widgets if self._rows else ()), self._keys]
        for widget in (widget for field in dropped for widget in field.widgets):
            close(widget)

    def _set(self, name: str, value: Any) -> None:
        self._session.configure(**{name: value})
