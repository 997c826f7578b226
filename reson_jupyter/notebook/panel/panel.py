"""The panel: everything that the session has, as widgets that follow it."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets as widgets

from ...forms import forms_of
from ...session import Session
from ..activity import Activity
from .actions import ActionsView
from .captured import CapturedView
from .closing import close
from .form import FormView
from .lock import lock
from .texts import STYLE, text

_OPENED = ("training", "run")


class Panel:
    """Forms of all that can be configured, what is captured, and the buttons that make a run of it.

    Args:
        session: What it shows and edits.
        activity: Does what takes its time.
        on_close: Called when the user closes the panel.
    """

    def __init__(self, session: Session, activity: Activity, on_close: Callable[[Panel], None]) -> None:
        self._session = session
        self._on_close = on_close
        self._forms = {form.id: FormView(form, session) for form in forms_of(session)}
        self._captured = CapturedView(session)
        self._actions = ActionsView(session, activity)
        self.widget = self._laid_out()
        self._stop_observing = session.observe(lambda _: self.refresh())
        self.refresh()

    def refresh(self) -> None:
        """Shows the session as it is now."""
        with lock:
            for form in forms_of(self._session):
                self._forms[form.id].show(form)
            self._captured.show()
            self._actions.show()

    def close(self) -> None:
        """Ends the panel: it follows the session no longer, and pages drop it."""
        with lock:
            self._stop_observing()
            close(self.widget)

    def _laid_out(self) -> widgets.VBox:
        contents = {form.id: self._forms[form.id].widget for form in forms_of(self._session)}
        contents["run"] = widgets.VBox([contents["run"], self._actions.widget])
        # One accordion for each, so that several can be open.
        sections = [
            widgets.Accordion([contents[form.id]], titles=(form.title,), selected_index=0 if form.id in _OPENED else None)
            for form in forms_of(self._session)
        ]
        end = widgets.Button(description="Close", tooltip="close this panel", layout={"width": "6em", "flex": "0 0 auto"})
        end.on_click(lambda _: self._on_close(self))
        title = widgets.HBox(
            [text("What is captured and configured", "heading"), end], layout={"justify_content": "space-between"}
        )
        parts = [widgets.HTML(STYLE), title, self._captured.widget, *sections]
        panel = widgets.VBox(parts)
        panel.add_class("jp-Reson-widgets")
        return panel
