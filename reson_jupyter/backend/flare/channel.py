"""The way to a run's server through the federation itself, where the server reaches no store: commands to our code in the job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from ...errors import TargetError
from ...events import Event
from ..carrying.channel import Telemetry
from ..carrying.tail import parse_line
from .session import FlareSession, Refused

TOPIC = "reson.control"


class CommandChannel:
    """A `Channel` over the FLARE API's app commands.

    Args:
        session: The way to the federation.
        job: The id of NVFlare's job.

    Attributes:
        telemetry: What the sites last said of themselves.
    """

    def __init__(self, session: FlareSession, job: str) -> None:
        self.telemetry = Telemetry()
        self._session = session
        self._job = job
        self._next = 0

    def read(self) -> list[Event]:
        """Returns what the server has reported since the last `read`, in order. Raises `TargetError`."""
        said = self._command({"op": "events", "from": self._next})
        lines = said.get("lines", [])
        self._next += len(lines)
        try:
            self.telemetry = Telemetry.model_validate(said.get("telemetry") or {})
        except ValidationError as error:
            raise TargetError(f"the server's telemetry cannot be read: {error.errors()[0]['msg']}") from None
        return [parse_line(line.encode()) for line in lines]

    def forget(self) -> None:
        """Nothing: the server keeps what it has reported until its end."""

    def ask(self, request: Mapping[str, Any]) -> None:
        """Passes a request on. Raises `TargetError`."""
        self._command({"op": "request", "request": dict(request)})

    def stop(self) -> None:
        """Asks for the end of the run in good order. Raises `TargetError`."""
        self._command({"op": "stop"})

    def log(self, name: str, offset: int) -> str:
        """Returns what the log of a site, or of "server", has beyond an offset. Raises `TargetError`."""
        return str(self._command({"op": "log", "site": name, "offset": offset})["text"])

    def _command(self, data: Mapping[str, Any]) -> dict[str, Any]:
        said: dict[str, Any] = self._session.ask(lambda api: api.do_app_command(self._job, TOPIC, dict(data)))
        if "error" in said:
            raise Refused(str(said["error"]))
        return said
