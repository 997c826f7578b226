"""NVFlare's job of a run: submitted once however often its carrier has to begin anew, watched, aborted, explained."""

from __future__ import annotations

import inspect
import threading
import time
from pathlib import Path
from typing import Any

from ...errors import TargetError
from ..carrying.aside import aside
from .deploy import RUN_KEY
from .session import FlareSession, Gone, JobGone, Unreachable

_INTERVAL = 1.0
_PATIENCE = 30.0
_ABORT_PATIENCE = 10.0
_TRIES = 5
_LISTED = 200

_ENDS = {
    "FINISHED:CAN_NOT_SCHEDULE": "The federation found no moment at which enough of the run's sites could take the job",
    "FINISHED:ABANDONED": "The federation's server was started anew while the job ran, and gave it up",
    "FINISHED:FAILED_TO_RUN": "The federation could not start the job",
    "FINISHED:EXECUTION_EXCEPTION": "The federation ended the job after an error on its server or on a site",
    "FINISHED:ABNORMAL": "The job's processes ended before their time, mostly because their code could not be loaded",
    "FINISHED:ABORTED": "Somebody aborted the job in the federation",
}


class FlareJob:
    """The job of one run.

    Args:
        session: The way to the federation.
        run_id: The run.
        identity: NVFlare's id of the job; "" before it was submitted.
    """

    def __init__(self, session: FlareSession, run_id: str, identity: str) -> None:
        self._session = session
        self._run_id = run_id
        self.id = identity

    def find(self) -> bool:
        """Looks for the job in the federation, where a carrier that died may have left it. Raises `TargetError`."""
        listed = self._session.ask(lambda api: api.list_jobs(detailed=True, reverse=True, limit=_LISTED), _PATIENCE)
        found = [meta["job_id"] for meta in listed if meta.get(RUN_KEY) == self._run_id]
        self.id = found[0] if found else ""
        return bool(found)

    def submit(self, folder: Path) -> None:
        """Submits the job folder; where an answer is lost, nothing is submitted twice. Raises `TargetError`."""
        for tries in range(_TRIES):
            try:
                if tries and self.find():
                    return
                self.id = self._session.ask(lambda api: _submit(api, folder, self._run_id), _PATIENCE)
                return
            except Gone:
                raise
            except Unreachable:
                if tries == _TRIES - 1:
                    raise
            time.sleep(_INTERVAL * (tries + 1))

    def meta(self) -> dict[str, Any]:
        """Returns what the federation knows of the job. Raises `TargetError`."""
        found: dict[str, Any] = self._session.ask(lambda api: api.get_job_meta(self.id))
        return found

    def abort(self) -> None:
        """Has the federation end the job. Raises `TargetError`."""
        self._session.ask(lambda api: api.abort_job(self.id), _ABORT_PATIENCE)


def _submit(api: Any, folder: Path, token: str) -> str:
    """Submits with a token by which the server knows a repeated submission, if this version has such."""
    tokens = {"submit_token": token} if "submit_token" in inspect.signature(api.submit_job).parameters else {}
    return str(api.submit_job(str(folder.absolute()), **tokens))


class JobWatch:
    """Asks after the job once a second, on a thread of its own, so that a server that does not answer holds nobody up.

    Attributes:
        meta: What the federation last said of the job.
        gone: Whether the federation does not know the job any more.
        lost: Why there is no such federation any more, or "".
    """

    def __init__(self, job: FlareJob) -> None:
        self.meta: dict[str, Any] = {}
        self.gone = False
        self.lost = ""
        self._job = job
        self._heard = time.monotonic()
        self._ended = threading.Event()
        threading.Thread(target=self._watch, name="job", daemon=True).start()

    @property
    def status(self) -> str:
        """The job's status in NVFlare's words; "" while nothing is known."""
        return str(self.meta.get("status", ""))

    @property
    def is_over(self) -> bool:
        """Whether nothing of the job runs any more."""
        return self.gone or bool(self.lost) or self.status.startswith("FINISHED")

    @property
    def silence(self) -> float:
        """Seconds since the federation last answered."""
        return time.monotonic() - self._heard

    def end(self) -> None:
        """Stops asking."""
        self._ended.set()

    def _watch(self) -> None:
        while not self._ended.is_set() and not self.is_over:
            try:
                self.meta = self._job.meta()
                self._heard = time.monotonic()
            except JobGone:
                self.gone = True
            except Gone as error:
                self.lost = error.message
            except TargetError as error:
                aside(error)
            self._ended.wait(_INTERVAL)


def why_ended(meta: dict[str, Any], gone: bool = False) -> str:
    """Says why a job is over that did not end by itself, or ""."""
    if gone:
        return "The job was deleted in the federation"
    said = _ENDS.get(str(meta.get("status", "")), "")
    return f"{said} ({why})" if said and (why := why_waiting(meta)) else said


def why_waiting(meta: dict[str, Any]) -> str:
    """Says what the federation last said of why the job was not started, or ""."""
    history = meta.get("schedule_history") or []
    # "2026-01-31 09:00:00: connected sites (1) < min_sites (2)"
    return str(history[-1]).partition(": ")[2] if history else ""
