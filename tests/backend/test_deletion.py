"""Deleting runs: all of one run, nothing of another, and never one that goes on."""

from __future__ import annotations

import time

import pytest

import reson_jupyter as reson
from reson_jupyter.backend.event_log import EventLogWriter
from reson_jupyter.backend.history import history
from reson_jupyter.backend.history.deletion import delete
from reson_jupyter.backend.progress import RunProgress
from reson_jupyter.backend.record import RunLock, RunRecord
from reson_jupyter.backend.store import DirectoryStore, Store
from reson_jupyter.errors import RunError, RunNotFound, StoreError
from reson_jupyter.events import Event
from tests.backend.stored_runs import Nowhere
from tests.backend.test_verdict import event, good_run


def stored(store: Store, state: str = "finished", *, here: bool = True, **more: str) -> RunRecord:
    """A run with a log and a model in the store, and perhaps a folder and a place in the history of this machine."""
    record = RunRecord.new("digits", "local", store.url)
    events: list[Event] = [*good_run(), event("state", state=state)]
    EventLogWriter(store, record.prefix).append(events)
    store.put(f"{record.prefix}/model_out/GLOBAL_MODEL.pt", b"x" * 1000)
    if here:
        record.save()
        RunLock(record.folder).release()
        progress = RunProgress()
        progress.apply(events)
        history.add(record, progress)
    return record


def test_a_deleted_run_leaves_nothing_and_other_runs_stay(store: Store) -> None:
    gone, stays = stored(store), stored(store)
    objects = list(store.list(f"{gone.prefix}/"))
    deleted = delete(gone, store, Nowhere(store))
    assert deleted.objects == len(objects) == 3
    assert deleted.bytes > sum(info.bytes for info in objects), "its folder here counts as well"
    assert repr(deleted) == f"deleted run {gone.id}: 3 objects, {deleted.bytes:,} bytes"
    assert list(store.list(f"{gone.prefix}/")) == [] and not gone.folder.exists()
    assert [run.id for run in reson.runs()] == [stays.id]
    assert len(list(store.list(f"{stays.prefix}/"))) == 3 and stays.folder.exists()
    with pytest.raises(RunNotFound):
        reson.attach(gone.id)


def test_a_run_whose_id_begins_like_anothers_is_left_alone(store: Store) -> None:
    record = RunRecord(id="digits-1", name="n", target="local", store=store.url, created=1.0)
    for run_id in ("digits-1", "digits-12"):
        store.put(f"jobs/{run_id}/model_out/a.pt", b"x")
    delete(record, store, Nowhere(store))
    assert [info.key for info in store.list("")] == ["jobs/digits-12/model_out/a.pt"]


def test_a_run_that_goes_on_is_not_deleted(store: Store) -> None:
    record = stored(store, "running")
    lock = RunLock(record.folder)
    with pytest.raises(RunError, match="goes on") as caught:
        reson.delete(record.id)
    lock.release()
    assert "run.abort()" in str(caught.value)
    assert len(list(store.list(f"{record.prefix}/"))) == 3 and record.folder.exists() and history.find(record.id)


def test_a_run_that_has_just_ended_is_deleted_when_its_runner_has_left(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    record = stored(store)
    answers = [True, True, False]
    target = Nowhere(store)
    monkeypatch.setattr(target, "is_carried", lambda _: answers.pop(0))
    delete(record, store, target)
    assert not record.folder.exists() and answers == []


def test_a_run_that_another_machine_may_carry_is_deleted_only_after_a_day_of_silence(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = stored(store, "running", here=False)
    with pytest.raises(RunError, match="cannot be told from here"):
        reson.delete(record.id, store=store.url)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 25 * 3600)
    assert reson.delete(record.id, store=store.url).objects == 3


def test_what_a_lost_run_left_behind_is_cleared_up_before_its_folder_goes(store: Store) -> None:
    record, target = stored(store, "running"), Nowhere(store)
    delete(record, store, target)
    assert target.settled == [record.id] and not record.folder.exists()


def test_a_run_whose_files_are_gone_already_can_still_be_taken_off_the_list(store: Store) -> None:
    record = stored(store)
    for info in list(store.list("")):
        store.delete(info.key)
    assert reson.delete(record.id).objects == 0
    assert list(reson.runs()) == []


def test_a_store_that_refuses_leaves_the_run_known_so_that_it_can_be_deleted_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = stored(store)

    def refuse(*_: object) -> None:
        raise StoreError("read-only")

    with monkeypatch.context() as patch:
        patch.setattr(DirectoryStore, "delete", refuse)
        with pytest.raises(StoreError, match="read-only"):
            reson.delete(record.id)
    assert record.folder.exists() and history.find(record.id)
    reson.delete(record.id)
    assert list(store.list("")) == [] and not record.folder.exists()


def test_a_run_that_nobody_knows_cannot_be_deleted() -> None:
    with pytest.raises(RunNotFound, match="this machine knows no run"):
        reson.delete("nobody-knows-me")
