"""What the session has captured or loaded, whether the kernel has something else by now, and what it could not capture."""

from __future__ import annotations

import ipywidgets as widgets

from ...capture.capture import Capture
from ...session import Refusal, Session
from ..project_card import project_rows
from ..stale_check import stale_checks
from .closing import close
from .texts import text

_NOTHING = "Nothing is captured yet: put %%reson_model on the first line of the cell that defines the model, and run that cell."


class CapturedView:
    """The project and the captures, each with a button that forgets it.

    Args:
        session: The session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._shown: object = None
        self.widget = widgets.VBox()

    def show(self) -> None:
        """Shows what is captured now."""
        captures, refusals, project = self._session.captures, self._session.refusals, self._session.project
        stale = stale_checks(self._session)
        if self._shown == (present := (dict(captures), dict(refusals), stale, project)):
            return
        self._shown = present
        keys = dict.fromkeys([*captures, *refusals])
        rows = [self._row(key, captures.get(key), refusals.get(key), stale.get(key)) for key in keys]
        if project:
            told = [text(project.title), text("\n".join(f"{name}: {said}" for name, said in project_rows(project)), "help")]
            rows = [self._with_forget("project", told), *rows]
        dropped, self.widget.children = self.widget.children, rows or [text(_NOTHING, "help")]
        for row in dropped:
            close(row)

    def _row(self, key: str, capture: Capture | None, refusal: Refusal | None, stale: tuple[str, str] | None) -> widgets.HBox:
        told = []
        if capture:
            told.append(text(f"{capture.title} from {capture.cell}"))
            if stale:
                level, what = stale
                told.append(text(what, "error" if level == "error" else "help"))
            told += [text(warning, "help") for warning in (*capture.warnings, *capture.renewed)]
        if refusal:
            told.append(text(f"{key}: {refusal.cell} could not be captured: {refusal.message}\n{refusal.hint}", "error"))
        return self._with_forget(key, told)

    def _with_forget(self, key: str, told: list[widgets.HTML]) -> widgets.HBox:
        forget = widgets.Button(description="Forget", layout={"width": "6em", "flex": "0 0 auto"}, tooltip=f"forget the {key}")
        forget.on_click(lambda _: self._session.forget(key))
        return widgets.HBox([widgets.VBox(told, layout={"flex": "1 1 auto"}), forget])
