"""A store that hangs does not hold the start of a run up, and a start that is stopped starts nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import reson_jupyter as reson
from reson_jupyter.backend import starting
from reson_jupyter.backend.event_log import EventLogReader
from reson_jupyter.backend.history import history
from reson_jupyter.backend.job import build_job
from reson_jupyter.backend.record import RunRecord
from reson_jupyter.backend.starting import Start, answer_of, stoppable
from reson_jupyter.backend.store import DirectoryStore
from reson_jupyter.backend.submission import Submission
from reson_jupyter.errors import RunError, StoreError
from reson_jupyter.events import RunState
from tests.backend.stored_runs import Nowhere, job_parts
from tests.patience import wait_for


class Hanging(DirectoryStore):
    """A store that answers nothing until it is let go."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.asked, self.let_go = threading.Event(), threading.Event()

    def get_if_changed(self, key: str, etag: str | None) -> tuple[bytes, str] | None:
        self.asked.set()
        assert self.let_go.wait(20)
        return super().get_if_changed(key, etag)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hanging]:
    monkeypatch.setenv("RESON_HOME", str(tmp_path / "home"))
    store = Hanging(tmp_path / "store")
    yield store
    store.let_go.set()


def submission(store: Hanging) -> tuple[Submission, RunRecord]:
    parts = job_parts()
    record = RunRecord.new("digits", "local", store.url)
    return Submission(build_job(parts), {}, parts.federation, record, store, Nowhere(store), reson.ResonTechConfig()), record


def said(store: Hanging, record: RunRecord) -> RunState:
    reader = EventLogReader(store, record.prefix)
    reader.read()
    return reader.state


def assert_no_run(record: RunRecord) -> None:
    assert not record.folder.exists() and not history.load()


def test_a_store_that_hangs_is_told_in_time_and_no_run_comes_of_its_late_answer(
    store: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starting, "_PATIENCE", 0.3)
    begun, record = submission(store)
    with pytest.raises(StoreError, match="did not answer within") as told:
        begun.start()
    assert told.value.hint and "No run was started" in told.value.hint
    store.let_go.set()
    wait_for(lambda: said(store, record) is RunState.ABORTED)
    assert_no_run(record)


def test_a_start_that_is_stopped_ends_at_once_and_no_run_comes_of_it(store: Hanging) -> None:
    start, (begun, record), told = Start(), submission(store), []

    def submit() -> None:
        with stoppable(start), pytest.raises(RunError, match="was stopped") as refused:
            begun.start()
        told.append(refused.value)

    thread = threading.Thread(target=submit)
    thread.start()
    assert store.asked.wait(60) and start.stop()
    thread.join(60)
    assert told
    store.let_go.set()
    wait_for(lambda: said(store, record) is RunState.ABORTED)
    assert_no_run(record)


def test_a_start_that_was_stopped_before_asks_the_store_nothing(store: Hanging) -> None:
    start, (begun, record) = Start(), submission(store)
    start.stop()
    with stoppable(start), pytest.raises(RunError):
        begun.start()
    assert not store.asked.is_set()
    assert_no_run(record)


def test_a_run_that_has_begun_is_not_stopped_so(store: Hanging) -> None:
    start, (begun, _) = Start(), submission(store)
    store.let_go.set()
    with stoppable(start):
        begun.start()
    assert not start.stop() and not start.stopped


def test_what_the_store_answers_or_raises_is_passed_on() -> None:
    assert answer_of("file:///x", lambda: 3) == 3
    with pytest.raises(ZeroDivisionError):
        answer_of("file:///x", lambda: 1 // 0)
