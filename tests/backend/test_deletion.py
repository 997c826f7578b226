"""Deleting runs: all of one run, nothing of another, and never one that goes on."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

import reson_jupyter as reson
from reson_jupyter.backend.event_log import EventLogWriter
from reson_jupyter.backend.history import history
from reson_jupyter.backend.history.deletion import delete
from reson_jupyter.backend.progress import RunProgress
from reson_jupyter.backend.record import RunLock, RunRecord
from reson_jupyter.backend.shard_pool import content_key
from reson_jupyter.backend.store import DirectoryStore, Store
from reson_jupyter.errors import RunError, RunNotFound, StoreError
from reson_jupyter.events import Event
from tests.backend.stored_runs import Nowhere, submitted
from tests.backend.test_verdict import event, good_run
from tests.runs.conftest import write_plain_shards


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


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    (tmp_path / "shards").mkdir()
    return write_plain_shards(tmp_path / "shards", 2)


def test_a_runs_shards_go_with_it_and_are_counted(store: Store, shards: Path) -> None:
    run, _ = submitted(store, Nowhere(store), shards)
    before = list(store.list(""))
    assert len([info for info in before if info.key.startswith("shards/")]) == 4, "two shards, two claims"
    deleted = reson.delete(run.id)
    assert deleted.objects == len(before) and deleted.bytes > sum(info.bytes for info in before)
    assert repr(deleted) == f"deleted run {run.id}: {len(before)} objects, {deleted.bytes:,} bytes"
    assert list(store.list("")) == []


def test_shards_that_other_runs_need_stay_and_are_told(store: Store, shards: Path) -> None:
    first, _ = submitted(store, Nowhere(store), shards)
    (shards / "shard_1.zip").unlink()
    second, _ = submitted(store, Nowhere(store), shards)
    (digest,) = (site["sha256"] for site in second.events()[0].data["sites"].values())
    deleted = reson.delete(first.id)
    assert repr(deleted).endswith(" bytes; shards that other runs need stay: 1")
    assert [info.key for info in store.list("shards/")] == [content_key(digest), f"shards/used/{digest}/{second.id}"]


def test_a_run_of_another_machine_that_goes_on_keeps_its_shards(
    store: Store, shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = submitted(store, Nowhere(store), shards)
    monkeypatch.setenv("RESON_HOME", str(tmp_path / "another machine"))
    other, _ = submitted(store, Nowhere(store), shards)
    monkeypatch.setenv("RESON_HOME", str(tmp_path / "home"))
    assert reson.delete(first.id).shards_kept == 2
    assert {info.name for info in store.list("shards/used/")} == {other.id}


def test_a_run_whose_log_somebody_removed_by_hand_still_gives_up_its_shards(store: Store, shards: Path) -> None:
    run, _ = submitted(store, Nowhere(store), shards)
    for info in list(store.list(f"jobs/{run.id}/")):
        store.delete(info.key)
    deleted = reson.delete(run.id)
    assert deleted.objects == 4 and list(store.list("")) == []


def test_a_run_whose_log_is_damaged_still_gives_up_its_shards(store: Store, shards: Path) -> None:
    run, _ = submitted(store, Nowhere(store), shards)
    store.put(f"jobs/{run.id}/files_out/events/00000000.ndjson", b"[1]")
    reson.delete(run.id)
    assert list(store.list("")) == []


def test_a_store_that_refuses_half_way_leaves_no_shard_behind_in_the_end(
    store: Store, shards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = submitted(store, Nowhere(store), shards)
    whole = DirectoryStore.delete
    for allowed in range(len(list(store.list("")))):
        left = [None] * allowed

        def refuse(self: DirectoryStore, key: str, left: list[None] = left) -> None:
            if not left:
                raise StoreError("read-only")
            left.pop()
            whole(self, key)

        with monkeypatch.context() as patch:
            patch.setattr(DirectoryStore, "delete", refuse)
            try:
                reson.delete(run.id)
                break  # what earlier attempts removed needs no request any more
            except StoreError:
                assert history.find(run.id)
    assert allowed > 2 and list(store.list("")) == []


def test_a_run_that_nobody_knows_cannot_be_deleted() -> None:
    with pytest.raises(RunNotFound, match="this machine knows no run"):
        reson.delete("nobody-knows-me")
