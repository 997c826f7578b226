"""What a carrier leaves behind when it fails, or was killed: no job that nobody follows, and no secrets."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from reson_jupyter.backend.event_log import EventLogReader, EventLogWriter
from reson_jupyter.backend.flare import carry as module
from reson_jupyter.backend.flare.session import Unreachable
from reson_jupyter.backend.flare.state import FlareState, read_state, write_state
from reson_jupyter.backend.record import RunRecord
from reson_jupyter.backend.store import Store, open_store
from reson_jupyter.events import Event
from tests.backend.test_verdict import event, good_run


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("RESON_HOME", str(tmp_path / "home"))
    return open_store((tmp_path / "store").as_uri())


@pytest.fixture
def record(store: Store) -> RunRecord:
    """A run whose job is under way in its federation."""
    record = RunRecord.new("digits", "flare", store.url)
    record.save()
    (record.folder / "lock").touch()
    EventLogWriter(store, record.prefix).append([good_run()[0], event("state", state="running", reason="")])
    return record


def carried(
    store: Store, record: RunRecord, folder: Path, monkeypatch: pytest.MonkeyPatch, *, deaf: bool
) -> tuple[list[str], list[Event]]:
    """Has a carrier fail at an odd answer; returns the jobs that it had ended, and what the run's log has then."""
    ended: list[str] = []

    class Job:
        def __init__(self, session: object, run: str, job: str) -> None:
            self.id = job

        def abort(self) -> None:
            if deaf:
                raise Unreachable("the server does not answer")
            ended.append(self.id)

    def odd(*_: Any) -> None:
        raise ValueError("an odd answer")

    monkeypatch.setattr(module, "why_gone", lambda *_, **__: "")
    monkeypatch.setattr(module, "read_kit", lambda path: SimpleNamespace(path=path))
    monkeypatch.setattr(module, "FlareSession", lambda kit, work: SimpleNamespace(close=lambda: None))
    monkeypatch.setattr(module, "FlareJob", Job)
    monkeypatch.setattr(module, "Following", odd)
    monkeypatch.setattr(module.signal, "signal", lambda *_: None)
    module.Carrier(record, store, FlareState(kit="/kit", job="job-1"), folder).carry()
    return ended, EventLogReader(store, record.prefix).read()


def test_a_job_that_nobody_will_follow_any_more_is_ended(
    store: Store, record: RunRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended, events = carried(store, record, tmp_path, monkeypatch, deaf=False)
    assert ended == ["job-1"]
    assert events[-1].data["state"] == "failed" and "an odd answer" in events[-1].data["reason"]


def test_where_the_job_cannot_be_ended_the_run_says_that_it_may_go_on(
    store: Store, record: RunRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended, events = carried(store, record, tmp_path, monkeypatch, deaf=True)
    assert ended == []
    (said,) = [each.data["message"] for each in events if each.data.get("note")]
    assert said == "the job job-1 may go on in the federation: the server does not answer"


def test_what_a_killed_carrier_left_is_removed_by_the_next(
    store: Store, record: RunRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = tmp_path / "reson-left"
    left.mkdir()
    (left / "config_fed_server.json").write_text("a form that is good for a week")
    write_state(record.folder, FlareState(kit="/kit", work=str(left)))
    seen = []

    class Carrier:
        def __init__(self, record: RunRecord, store: Store, state: FlareState, work: Path) -> None:
            self.work = work

        def carry(self) -> None:
            state = read_state(record.folder)
            seen.append((left.exists(), state and state.work == str(self.work), (self.work / "run").read_text()))

    monkeypatch.setattr(module, "Carrier", Carrier)
    module.main(str(record.folder))
    assert seen == [(False, True, str(record.folder))]
