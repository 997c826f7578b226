"""The ways to a run's server through the federation itself, where the server reaches no store.

Commands to our code in the job go both ways, but NVFlare's own rules allow them to project administrators only, unless the
server's authorization.json gives others the right "app_command". How a job stands everybody may see, and with it what it reports.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from ...events import Event
from ..carrying.channel import Telemetry
from ..carrying.tail import parse_line
from .session import FlareSession, NotAllowed, Refused

TOPIC = "reson.control"
_NO_SENSE = "what the run's server answers makes no sense"


class _Asking:
    """What the two ways have in common.

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

    def forget(self) -> None:
        """Nothing: the server keeps what it has reported until its end."""


class CommandChannel(_Asking):
    """A `Channel` over the FLARE API's app commands."""

    def read(self) -> list[Event]:
        """Returns what the server has reported since the last `read`, in order. Raises `TargetError`."""
        said = self._command({"op": "events", "from": self._next})
        report = _report(said)
        self._next += len(report.lines)
        self.telemetry = report.telemetry or self.telemetry
        return report.events()

    def ask(self, request: Mapping[str, Any]) -> None:
        """Passes a request on. Raises `TargetError`."""
        self._command({"op": "request", "request": dict(request)})

    def stop(self) -> None:
        """Asks for the end of the run in good order. Raises `TargetError`."""
        self._command({"op": "stop"})

    def log(self, name: str, offset: int) -> str:
        """Returns what the log of a site, or of "server", has beyond an offset. Raises `TargetError`."""
        try:
            return str(self._command({"op": "log", "site": name, "offset": offset}).get("text", ""))
        except NotAllowed:
            if name != "server":
                raise
        logs = self._session.ask(lambda api: api.get_job_logs(self._job, "server"))["logs"]
        return str(logs.get("server", "")).encode()[offset:].decode(errors="replace")

    def _command(self, data: Mapping[str, Any]) -> dict[str, Any]:
        try:
            said = self._session.ask(lambda api: api.do_app_command(self._job, TOPIC, dict(data)))
        except NotAllowed:
            raise _not_allowed(self._session) from None
        if not isinstance(said, dict):
            raise Refused(_NO_SENSE)
        if "error" in said:
            raise Refused(str(said["error"]))
        return said


class StatsChannel(_Asking):
    """A `Channel` over a job's statistics, which brings what the server reports, and nothing to it."""

    def read(self) -> list[Event]:
        """Returns what the server has reported since the last `read`, in order. Raises `TargetError`."""
        told = self._session.ask(lambda api: api.show_stats(self._job, "server"))
        server = told.get("server") if isinstance(told, dict) else None
        said = server.get("reson") if isinstance(server, dict) else None
        if not isinstance(said, dict):
            raise Refused("the run's server does not say how it stands")
        report = _report(said)
        begin, self._next = self._next, max(self._next, report.first + len(report.lines))
        self.telemetry = report.telemetry or self.telemetry
        return report.events(max(0, begin - report.first))

    def ask(self, request: Mapping[str, Any]) -> None:
        """Raises `TargetError`."""
        raise _not_allowed(self._session)

    def stop(self) -> None:
        """Raises `TargetError`."""
        self.ask({})


def _not_allowed(session: FlareSession) -> NotAllowed:
    """Says what NVFlare's own words for it do not: what to do."""
    return NotAllowed(
        f"the federation does not let {session.kit.username} send commands to a running job; for that, whoever runs it adds "
        '"app_command": "any" to the role in the server\'s local/authorization.json, or use a bucket as the store'
    )


def _if_sound(value: Any, validate: ValidatorFunctionWrapHandler) -> Telemetry | None:
    try:
        told: Telemetry | None = validate(value)
    except ValidationError:
        return None
    return told


class _Report(BaseModel):
    """What the server says of its run: lines, the number of the first of them, and the newest telemetry if it can be read."""

    first: int = Field(0, alias="from", ge=0)
    lines: list[Any] = []
    telemetry: Annotated[Telemetry | None, WrapValidator(_if_sound)] = None

    def events(self, begin: int = 0) -> list[Event]:
        """Returns the lines from `begin` on as events."""
        return [parse_line(str(line).encode(errors="replace")) for line in self.lines[begin:]]


def _report(said: Mapping[str, Any]) -> _Report:
    try:
        return _Report.model_validate(said)
    except ValidationError:
        raise Refused(_NO_SENSE) from None
