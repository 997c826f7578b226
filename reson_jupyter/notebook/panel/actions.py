"""The buttons of a panel, what stands in their way, and what comes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import ipywidgets as widgets

from ...backend.starting import current_start
from ...errors import ResonError
from ...readiness import obstacles
from ...session import Session
from ..activity import Activity
from .texts import BUSY, tell, text
from .work import Output, carry_out, error_output

_BUTTONS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "check": ("Check", "rehearse the job here; nothing is sent"),
        "preview": ("Preview", "show what would be sent; nothing is sent"),
        "submit": ("Submit", "check, upload and start the run"),
    }
)


def _told(in_the_way: Mapping[str, Sequence[str]]) -> str:
    """Each obstacle once, and of which actions it is one if not of all."""
    lines = []
    for obstacle in dict.fromkeys(obstacle for action in _BUTTONS for obstacle in in_the_way[action]):
        stopped = [title for action, (title, _) in _BUTTONS.items() if obstacle in in_the_way[action]]
        lines.append(obstacle if len(stopped) == len(_BUTTONS) else f"{', '.join(stopped)}: {obstacle}")
    return "\n".join(lines)


class ActionsView:
    """Check, Preview, Submit.

    Args:
        session: What they are done with.
        activity: Does them, one at a time.
    """

    def __init__(self, session: Session, activity: Activity) -> None:
        self._session = session
        self._activity = activity
        self._buttons = {action: self._button(action) for action in _BUTTONS}
        self._notes = text()
        self._now = text()
        self._stop = widgets.Button(description="Stop", tooltip="stop what goes on", layout={"width": "8em", "flex": "0 0 auto"})
        self._stop.on_click(lambda _: self._end())
        self._output = widgets.Output()
        self._row = widgets.HBox([*self._buttons.values()], layout={"flex_flow": "row wrap"})
        self.widget = widgets.VBox([self._row, self._notes, widgets.HBox([self._stop, self._now]), self._output])

    def show(self) -> None:
        """Shows what can be done now, and what goes on."""
        now = self._activity.now
        in_the_way = obstacles(self._session)
        for action, button in self._buttons.items():
            button.disabled = bool(in_the_way[action])
        # Not disabled: a button that is loses the focus. A click says what goes on.
        (self._row.add_class if now else self._row.remove_class)(BUSY)
        tell(self._notes, _told(in_the_way), "help")
        self._stop.layout.display = None if now else "none"
        tell(self._now, f"{now['action'].replace('_', ' ')}: {now['note']}" if now else "", "heading")

    def _button(self, action: str) -> widgets.Button:
        title, about = _BUTTONS[action]
        style = "primary" if action == "submit" else ""
        button = widgets.Button(description=title, tooltip=about, button_style=style, layout={"width": "8em", "flex": "0 0 auto"})
        button.on_click(lambda _: self._begin(action))
        return button

    def _begin(self, action: str) -> None:
        def work() -> Callable[[], None]:
            start = current_start()
            carry_out(action, lambda outputs: None if start.stopped else self._put(outputs))
            return lambda: None

        try:
            if not self._activity.now:
                self._put([])
            self._activity.start(action, work, lambda stopped: self._put([error_output(stopped)]))
        except ResonError as error:
            tell(self._now, str(error), "error")

    def _end(self) -> None:
        try:
            self._activity.stop()
        except ResonError as error:
            tell(self._now, str(error), "error")

    def _put(self, outputs: list[Output]) -> None:
        # Set as a whole: what a thread prints into an Output widget ends up under whichever cell runs meanwhile.
        self._output.outputs = tuple(outputs)
