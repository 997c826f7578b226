"""The live view of a run under its cell: a widget around the run's letters (see `run_letters`)."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from .run_letters import Letter, RunLetters
from .run_report import report_html, report_text
from .run_snapshot import Message

Command = dict[str, str]

_STATIC = Path(__file__).parent / "static"


def _letter(_value: object, view: RunView) -> Letter:
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

    # Never assigned: whoever asks for the widget's state gets the present letter.
    snapshot = traitlets.Dict().tag(sync=True, to_json=_letter)
    nonce = traitlets.Unicode().tag(sync=True)

    def __init__(self, snapshot: Message, on_command: Callable[[Command], None]) -> None:
        self._letters = RunLetters(snapshot, self._deliver)
        self._on_command = on_command
        self._secret = secrets.token_urlsafe(16)
        super().__init__(nonce=self._secret)
        self.on_msg(self._on_page_message)

    def letter(self) -> Letter:
        """The full state in a bounded size, stamped with this machine's clock (epoch seconds)."""
        return self._letters.letter()

    def push(self, message: Message) -> None:
        """Takes the next message and shows it; at most about four a second, from one thread.

        Args:
            message: A delta, or a full message after which everything said before is forgotten.
        """
        self._letters.push(message)

    def _deliver(self, letter: Letter) -> None:
        if letter["kind"] == "letter" and letter["message"]["full"]:
            # As the widget's state, which is what stays in a notebook that is executed without a page.
            self.send_state("snapshot")
        else:
            self.send(letter)

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """A page changes nothing here; it sends commands."""

    def _repr_mimebundle_(self, **_kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        message = self._letters.whole()
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
        if command is None or self._letters.ask(command) or command != {"op": "abort"}:
            return
        try:
            self._on_command(command)
        except Exception as error:
            self.send({"kind": "answer", "op": "abort", "ok": False, "text": f"Not aborted: {error}"})
        else:
            self.send({"kind": "answer", "op": "abort", "ok": True, "text": ""})

    def _command(self, content: object) -> dict[str, Any] | None:
        """The message without its nonce, if it comes from a page that was given this widget."""
        if not isinstance(content, dict) or not isinstance(nonce := content.get("nonce"), str):
            return None
        # Bytes, because compare_digest refuses text beyond ASCII.
        if not hmac.compare_digest(nonce.encode(errors="replace"), self._secret.encode()):
            return None
        return {name: value for name, value in content.items() if name != "nonce"}
