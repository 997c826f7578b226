"""What a page shows of a panel, and what its user does there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import ipywidgets as widgets

from reson_jupyter.notebook.activity import Activity
from reson_jupyter.notebook.panel.panel import Panel
from reson_jupyter.session import Session
from tests.notebook.fake_comm import FakeComm

SECRETS = {"RESON_S3_SECRET": "canary-1", "RESON_S3_KEY": "canary-2", "RESON_API_KEY": "canary-3", "RESON_PASSWORD": "canary-4"}


class Page:
    """What a page shows of a panel, and what its user does there."""

    def __init__(self, session: Session, activity: Activity | None = None) -> None:
        self.activity = activity or Activity()
        self.panel = Panel(session, self.activity, Panel.close)
        self.activity.observe(self.panel.refresh)

    def widgets(self) -> Iterator[Any]:
        waiting: list[Any] = [self.panel.widget]
        while waiting:
            yield (widget := waiting.pop(0))
            waiting[:0] = getattr(widget, "children", ())

    def input(self, name: str) -> Any:
        return next(widget for widget in self.widgets() if getattr(widget, "description", None) == name)

    def value(self, name: str) -> Any:
        return self.input(name).value

    def has(self, name: str) -> bool:
        return any(getattr(widget, "description", None) == name for widget in self.widgets())

    def says(self) -> str:
        return "\n".join(widget.value for widget in self.widgets() if isinstance(widget, widgets.HTML))

    def types(self, name: str, value: Any) -> None:
        """Enters a value, as a message of the page."""
        entry = self.input(name)
        # A page tells which of the choices it is, not what the choice means.
        state = {"index": entry.options.index(value)} if isinstance(entry, widgets.Dropdown) else {"value": value}
        comm = entry.comm
        assert isinstance(comm, FakeComm)
        comm.page_updates(state)

    def clicks(self, name: str, at: int = 0) -> None:
        found = [widget for widget in self.widgets() if isinstance(widget, widgets.Button) and widget.description == name]
        comm = found[at].comm
        assert isinstance(comm, FakeComm)
        comm.page_says({"event": "click"})

    def adds(self, name: str, value: str, at: int = 0) -> None:
        """Fills the row that adds one, and adds it."""
        for placeholder, entered in (("name", name), ("value, as JSON", value)):
            found = [widget for widget in self.widgets() if getattr(widget, "placeholder", None) == placeholder]
            found[at].comm.page_updates({"value": entered})
        self.clicks("Add", at)

    @property
    def outputs(self) -> tuple[dict[str, Any], ...]:
        return next(widget.outputs for widget in self.widgets() if isinstance(widget, widgets.Output))


def states() -> str:
    """All that the pages, and a notebook that keeps the widgets' state, know of all widgets."""
    return json.dumps(widgets.Widget.get_manager_state())
