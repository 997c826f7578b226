"""What a job leaves in its federation, brought here: the server's run folder, the logs, and why a site failed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from ...errors import TargetError
from ...events import Event
from ..carrying.aside import aside
from ..carrying.tail import EventFile
from .session import FlareSession

_TRIES = 4
_PATIENCE = 60.0


class JobResult:
    """What was downloaded of one job.

    Args:
        session: The way to the federation.
        job: The job's id.
        folder: A folder for it, which whoever made it removes.
    """

    def __init__(self, session: FlareSession, job: str, folder: Path) -> None:
        self._session = session
        self._job = job
        self._folder = folder
        self._run: Path | None = None

    def download(self) -> None:
        """Fetches the job with its result. Raises `TargetError`."""
        for tries in range(_TRIES):
            try:
                place = self._session.ask(lambda api: api.download_job_result(self._job), _PATIENCE)
                break
            except TargetError:
                if tries == _TRIES - 1:
                    raise
                time.sleep(tries + 1)
        self._run = Path(place) / "workspace"

    @property
    def out(self) -> Path:
        """Where the persistor wrote its models."""
        return self._folder / "none" if self._run is None else self._run / "model_out"

    def events(self) -> list[Event]:
        """Returns everything that the server reported."""
        return EventFile(self._run / "events.ndjson").read() if self._run else []

    def models(self) -> list[Path]:
        """Returns the model files: what the persistor put into the output folder, else what it left with the server's app."""
        if self._run is None:
            return []
        written = sorted(path for path in self.out.glob("**/*") if path.is_file() and path.suffix != ".tmp")
        return written or sorted((self._run / "app_server").glob("*.pt"))

    def logs(self) -> Mapping[str, Path]:
        """Returns the logs that came with the result, by the name they get in the store."""
        own = self._run / "log.txt" if self._run else None
        return {"server.txt": own} if own and own.is_file() else {}

    def errors(self) -> Mapping[str, str]:
        """Returns what the server and the sites wrote to their error logs, by site or "server"."""
        errors = {}
        own = self._run / "error_log.txt" if self._run else None
        if own and own.is_file():
            errors["server"] = own.read_text(errors="replace").strip()
        try:
            there = self._session.ask(lambda api: api.list_job_components(self._job)) or []
            if any(name.startswith("ERRORLOG_") for name in there):
                place = Path(self._session.ask(lambda api: api.download_job_components(self._job), _PATIENCE))
                for path in sorted(place.rglob("ERRORLOG_*")):
                    if path.is_file():
                        errors[path.name.removeprefix("ERRORLOG_")] = path.read_text(errors="replace").strip()
        except TargetError as error:
            aside(error)
        return {name: text for name, text in errors.items() if text}
