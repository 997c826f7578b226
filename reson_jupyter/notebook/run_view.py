"""The live view of a run under its cell.

The page gets the run's state when the widget is opened and deltas from then on. It can miss some: what arrives while its script
loads, and what the server drops when a cell floods it. It notices from the version numbers and asks for the full state. While
the kernel is busy in a cell (`run.wait()`) it cannot be answered, so until the page has been heard once, the full state is
repeated, each time after twice the time: what a page missed while it loaded its script comes again within seconds, and all the
repeats together are not much more than the last of them.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from threading import RLock
from typing import Any

import anywidget
import traitlets

from .run_report import report_html, report_text
from .run_snapshot import Message, RunSnapshot, jsonable

Command = dict[str, str]

_STATIC = Path(__file__).parent / "static"
_FIRST_REPEAT_S = 0.25
_COMMANDS = frozenset({"abort", "snapshot"})


def _letter(_value: object, view: RunView) -> dict[str, Any]:
    return view.letter()


class RunView(anywidget.AnyWidget):
    """Shows one run and lets the user abort it.

    Args:
        snapshot: The run's state so far, a full message (see `run_snapshot`).
        on_command: Called with `{"op": "abort"}` when the user asked for it and confirmed. It may be called on any thread; what
            it raises is shown to the user.
    """

    _esm = _STATIC / "run_view.js"
    _css = _STATIC / "run_view.css"

    # Never assigned: a change would send the whole history. Whoever asks for the widget's state gets the present one.
    snapshot = traitlets.Dict().tag(sync=True, to_json=_letter)
    nonce = traitlets.Unicode().tag(sync=True)

    def __init__(self, snapshot: Message, on_command: Callable[[Command], None]) -> None:
        self._lock = RLock()
        self._folded = RunSnapshot()
        self._folded.apply(jsonable(snapshot))
        self._on_command = on_command
        self._secret = secrets.token_urlsafe(16)
        self._page_heard = False
        self._opened = time.monotonic()
        self._repeat_at = _FIRST_REPEAT_S
        super().__init__(nonce=self._secret)
        self.on_msg(self._on_page_message)

    def letter(self) -> dict[str, Any]:
        """The full state, stamped with this machine's clock (epoch seconds)."""
        with self._lock:
            return {"clock": time.time(), "message": self._folded.message()}

    def push(self, message: Message) -> None:
        """Takes the next message and shows it; at most about four a second, from one thread.

        Args:
            message: A delta, or a full message after which everything said before is forgotten.
        """
        message = jsonable(message)
        with self._lock:
            self._folded.apply(message)
            if message["full"] or self._folded.done or self._repeat_is_due():
                self.send_state("snapshot")
            else:
                self.send({"kind": "delta", "clock": time.time(), "message": message})

    def _repeat_is_due(self) -> bool:
        age = time.monotonic() - self._opened
        if self._page_heard or age < self._repeat_at:
            return False
        self._repeat_at = 2 * age
        return True

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """A page changes nothing here; it sends commands."""

    def _repr_mimebundle_(self, **_kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        message = self.letter()["message"]
        bundle = {
            "application/vnd.jupyter.widget-view+json": {"version_major": 2, "version_minor": 0, "model_id": self.model_id},
            # What pages show that render no widgets.
            "text/html": report_html(message),
            "text/plain": report_text(message),
        }
        return bundle, {}

    def _on_page_message(self, _widget: object, content: object, _buffers: object) -> None:
        """Runs on whichever thread the kernel handles comms on; must not raise."""
        command = self._command(content)
        if command is None:
            return
        if command["op"] == "snapshot":
            with self._lock:
                self._page_heard = True
                self.send_state("snapshot")
            return
        try:
            self._on_command(command)
        except Exception as error:
            self.send({"kind": "answer", "op": command["op"], "ok": False, "text": f"Not aborted: {error}"})
        else:
            self.send({"kind": "answer", "op": command["op"], "ok": True, "text": ""})

    def _command(self, content: object) -> Command | None:
        """The command, if the message is exactly one and comes from a page that was given this widget."""
        if not isinstance(content, dict) or content.keys() != {"op", "nonce"}:
            return None
        op, nonce = content["op"], content["nonce"]
        if not isinstance(op, str) or op not in _COMMANDS or not isinstance(nonce, str):
            return None
        # Bytes, because compare_digest refuses text beyond ASCII.
        return {"op": op} if hmac.compare_digest(nonce.encode(), self._secret.encode()) else None
