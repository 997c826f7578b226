"""What the carrier decides while a run goes on: how it ends what is to end, and what it gives up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reson_jupyter.backend.carrying.channel import Telemetry
from reson_jupyter.backend.carrying.journal import Journal
from reson_jupyter.backend.event_log import EventLogWriter
from reson_jupyter.backend.flare import follow as module
from reson_jupyter.backend.flare import job as job_module
from reson_jupyter.backend.flare.follow import Following
from reson_jupyter.backend.flare.session import Gone, NotAllowed, Unreachable
from reson_jupyter.backend.store import open_store
from reson_jupyter.events import Event, RunState
from tests.backend.test_verdict import event, good_run


class Job:
    """A job whose status the test sets; it ends when it is aborted."""

    id = "job-1"

    def __init__(self, status: str = "RUNNING", deaf: int = 0) -> None:
        self.status = status
        self.aborts = 0
        self._deaf = deaf

    def meta(self) -> dict[str, Any]:
        return {"status": self.status, "schedule_history": ["now: connected sites (0) < min_sites (2)"]}

    def abort(self) -> None:
        self.aborts += 1
        if self.aborts <= self._deaf:
            raise Unreachable("gone")
        self.status = "FINISHED:ABORTED"


class Listener:
    """Brings what the test says, once."""

    silence = 0.0
    telemetry = Telemetry()

    def __init__(self, journal: Journal, events: list[Event], *, obeys: bool = True) -> None:
        self._journal = journal
        self._events = events
        self._obeys = obeys
        self.channel = self

    def take(self, running: bool) -> list[Event]:
        events, self._events = self._events, []
        for each in events:
            self._journal.add(each)
        return events

    def stop(self) -> None:
        if not self._obeys:
            raise NotAllowed("not you")
        self._events = [event("run_ended")]


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STOP_GRACE", "_END_GRACE", "_HOPELESS_GRACE", "_UNREACHED_GRACE"):
        monkeypatch.setattr(module, name, 0.2)
    monkeypatch.setattr(module, "_ABORT_GRACE", 1.0)
    for place, name in ((module, "_POLL"), (module, "_ABORT_AGAIN"), (job_module, "_INTERVAL")):
        monkeypatch.setattr(place, name, 0.01)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    store = open_store((tmp_path / "store").as_uri())
    submitted = good_run()[0]
    data = submitted.data | {"site_timeout": 30, "round_timeout": 0}
    queued = event("state", state="queued", reason="")
    EventLogWriter(store, "jobs/run-1").append([submitted.model_copy(update={"data": data}), queued])
    journal = Journal(store, "jobs/run-1")
    yield journal
    journal.close(5)


def followed(tmp_path: Path, journal: Journal, job: Job, listener: Listener, *, abort: bool = False) -> tuple[str, Following]:
    fake: Any = (job, listener)
    following = Following(tmp_path, journal, *fake, lambda name, offset: "", lambda: abort)
    return following.follow(), following


STARTED = event("run_started", num_rounds=2, min_clients=2, nvflare="2.9.0")


def test_a_job_that_waits_stays_queued_and_it_is_said_why_and_its_abort_needs_no_grace(tmp_path: Path, journal: Journal) -> None:
    job = Job("SUBMITTED")
    reason, following = followed(tmp_path, journal, job, Listener(journal, []), abort=True)
    assert (reason, following.stopping, job.aborts) == ("", True, 1)
    assert journal.progress.state is RunState.QUEUED


def test_a_run_is_asked_to_end_before_its_job_is_aborted(
    tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_END_GRACE", 1000.0)  # which is for runs that nobody asked to end
    job = Job()
    reason, following = followed(tmp_path, journal, job, Listener(journal, [STARTED]), abort=True)
    assert following.stopping and journal.progress.run_ended
    assert "stopping" in [each.type for each in journal.progress.events]
    assert (reason, job.aborts) == ("", 1)


def test_a_job_that_does_not_end_with_its_run_is_aborted(tmp_path: Path, journal: Journal) -> None:
    job = Job()
    reason, following = followed(tmp_path, journal, job, Listener(journal, [STARTED, event("run_ended")]))
    assert (reason, following.stopping, job.aborts) == ("NVFlare did not end the job by itself", False, 1)


def test_where_the_run_cannot_be_asked_its_job_is_aborted_at_once(tmp_path: Path, journal: Journal) -> None:
    job = Job()
    reason, following = followed(tmp_path, journal, job, Listener(journal, [STARTED], obeys=False), abort=True)
    assert (reason, following.stopping, job.aborts) == ("", True, 1)


def test_an_abort_that_does_not_arrive_is_tried_again_and_at_last_it_is_said_that_the_job_may_go_on(
    tmp_path: Path, journal: Journal
) -> None:
    job = Job(deaf=3)
    assert module._UNREACHED_GRACE < module._ABORT_GRACE, "who does not hear is not waited for as long as who is at it"
    assert followed(tmp_path, journal, job, Listener(journal, [STARTED], obeys=False), abort=True)[0] == ""
    assert job.aborts == 4
    deaf = Job(deaf=10_000)
    reason, _ = followed(tmp_path, journal, deaf, Listener(journal, [], obeys=False), abort=True)
    assert reason == "The federation did not confirm the end of its job job-1"


def test_a_round_that_cannot_get_its_sites_any_more_ends_the_run(tmp_path: Path, journal: Journal) -> None:
    failed = event("error", "site-2", 0, message="no memory", traceback="")
    job = Job()
    said = [STARTED, event("round_started", None, 0), failed]
    reason, following = followed(tmp_path, journal, job, Listener(journal, said))
    assert (reason, following.stopping, job.aborts) == ("Too few sites were left for the round", False, 1)


@pytest.mark.parametrize("abort", [False, True])
def test_a_federation_that_is_no_more_ends_the_run_at_once(tmp_path: Path, journal: Journal, abort: bool) -> None:
    class Stopped(Job):
        def meta(self) -> dict[str, Any]:
            raise Gone("The federation was stopped")

        def abort(self) -> None:
            raise Gone("The federation was stopped")

    reason, following = followed(tmp_path, journal, Stopped(), Listener(journal, [STARTED]), abort=abort)
    assert reason == following.watch.lost == "The federation was stopped"
    assert not [each for each in journal.progress.events if each.type == "log"], "that it cannot be told to end is no news then"
