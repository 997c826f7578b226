"""A job is submitted once, whatever becomes of the answer, and its end is explained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reson_jupyter.backend.flare import job as module
from reson_jupyter.backend.flare.deploy import RUN_KEY
from reson_jupyter.backend.flare.job import FlareJob, why_ended, why_waiting
from reson_jupyter.backend.flare.session import Unreachable
from tests.flare.conftest import FakeSession


class Api:
    """Keeps what is submitted; loses as many answers as told, before or after it has taken the job."""

    def __init__(self, lost: int = 0, *, taken: bool = True) -> None:
        self.jobs: list[dict[str, Any]] = []
        self.tokens: list[str] = []
        self._lost = lost
        self._taken = taken

    def list_jobs(self, **_: object) -> list[dict[str, Any]]:
        return [{"job_id": "job-0", "name": "another's"}, *self.jobs]

    def submit_job(self, folder: str, submit_token: str) -> str:
        assert Path(folder).is_absolute()
        self.tokens.append(submit_token)
        self._lost -= 1
        if self._taken or self._lost < 0:
            self.jobs.append({"job_id": f"job-{len(self.jobs) + 1}", RUN_KEY: "run-1"})
        if self._lost >= 0:
            raise Unreachable("gone")
        return str(self.jobs[-1]["job_id"])


class OldApi(Api):
    def submit_job(self, folder: str) -> str:  # type: ignore[override]
        return super().submit_job(folder, "")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_INTERVAL", 0.0)


@pytest.mark.parametrize("api", [Api(), Api(2), Api(2, taken=False), OldApi(1)])
def test_a_job_is_submitted_once_however_many_answers_are_lost(api: Api) -> None:
    job = FlareJob(FakeSession(api), "run-1", "")  # type: ignore[arg-type]
    job.submit(Path("job"))
    assert job.id == "job-1" and len(api.jobs) == 1
    assert set(api.tokens) <= {"run-1", ""}


def test_a_server_that_never_answers_is_given_up() -> None:
    with pytest.raises(Unreachable):
        FlareJob(FakeSession(Api(99, taken=False)), "run-1", "").submit(Path("job"))  # type: ignore[arg-type]


def test_a_job_of_a_carrier_that_died_is_found_among_others() -> None:
    api = Api()
    job = FlareJob(FakeSession(api), "run-1", "")  # type: ignore[arg-type]
    assert not job.find() and job.id == ""
    api.jobs = [{"job_id": "job-7", RUN_KEY: "run-1"}, {"job_id": "job-8", RUN_KEY: "run-2"}]
    assert job.find() and job.id == "job-7"


def test_every_end_that_is_no_end_of_the_run_is_explained() -> None:
    waits = {"schedule_history": ["2026-01-31 09:00:00: connected sites (1) < min_sites (2)"]}
    assert why_waiting(waits) == "connected sites (1) < min_sites (2)" and why_waiting({}) == ""
    assert why_ended({"status": "FINISHED:COMPLETED"}) == ""
    for status in ("CAN_NOT_SCHEDULE", "ABANDONED", "FAILED_TO_RUN", "EXECUTION_EXCEPTION", "ABNORMAL", "ABORTED"):
        assert why_ended({"status": f"FINISHED:{status}"}).startswith(("The ", "Somebody "))
    assert why_ended({"status": "FINISHED:CAN_NOT_SCHEDULE", **waits}).endswith("(connected sites (1) < min_sites (2))")
    assert why_ended({}, gone=True) == "The job was deleted in the federation"
