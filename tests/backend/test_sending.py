"""How a run's data gets into its store: what is there is not sent, and what a run needs is there for as long as it needs it."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import reson_jupyter as reson
from reson_jupyter.backend import sending
from reson_jupyter.backend.history.deletion import delete
from reson_jupyter.backend.job import build_job
from reson_jupyter.backend.placement import Survey, place
from reson_jupyter.backend.record import RunLock, RunRecord
from reson_jupyter.backend.run.handle import Run
from reson_jupyter.backend.sending import Sending, Shard
from reson_jupyter.backend.shard_pool import content_key
from reson_jupyter.backend.store import DirectoryStore, Store, open_store
from reson_jupyter.backend.store.transfer import Sent
from reson_jupyter.backend.submission import Submission, local_shards
from reson_jupyter.data.shards import check_shards
from reson_jupyter.errors import StoreError, TargetError
from tests.backend.stored_runs import Nowhere, job_parts, submitted
from tests.patience import wait_for
from tests.runs.conftest import write_plain_shards
from tests.servers import S3Endpoint, s3_server

BYTES = 300_000


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """Three shards of 300 kB, of which no two are the same."""
    (tmp_path / "shards").mkdir()
    write_plain_shards(tmp_path / "shards", 3)
    for number, path in enumerate(sorted((tmp_path / "shards").iterdir())):
        with path.open("r+b") as file:  # a zip may begin with anything
            data = file.read()
            file.seek(0)
            file.write(bytes([number]) * (BYTES - len(data)) + data)
    return tmp_path / "shards"


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """The bytes that a folder was sent, by key."""
    found: dict[str, int] = {}
    put, put_file = DirectoryStore.put, DirectoryStore.put_file

    def count(self: DirectoryStore, key: str, data: bytes, **more: Any) -> None:
        found[key] = len(data)
        put(self, key, data, **more)

    def count_file(self: DirectoryStore, key: str, path: Path, **more: Any) -> int:
        found[key] = path.stat().st_size
        return put_file(self, key, path, **more)

    monkeypatch.setattr(DirectoryStore, "put", count)
    monkeypatch.setattr(DirectoryStore, "put_file", count_file)
    return found


def digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def contents(shards: Path) -> list[str]:
    """The keys of a folder's shards."""
    return sorted({content_key(digest_of(path)) for path in shards.iterdir()})


def keys(store: Store, prefix: str) -> list[str]:
    return [info.key for info in store.list(prefix)]


def claims(store: Store, run: Run) -> list[str]:
    return sorted(key.split("/")[2] for key in keys(store, "shards/used/") if key.endswith(f"/{run.id}"))


def plans(run: Run) -> list[str]:
    return [event.data["message"] for event in run.events() if event.type == "log"]


def begin(store: Store, target: Nowhere, shards: Path) -> Run:
    """Submits, and waits for nothing."""
    parts = job_parts()
    record = RunRecord.new("digits", "local", store.url)
    data = local_shards(check_shards(shards, manifest_required=False).shards)
    return Submission(
        build_job(parts), place(Survey(), data), parts.federation, record, store, target, reson.ResonTechConfig()
    ).start()


def over(run: Run) -> Run:
    wait_for(lambda: run.state.done, 60)
    wait_for(lambda: not [thread for thread in threading.enumerate() if thread.name == f"upload {run.id}"], 60)
    return run


def test_the_first_submit_sends_the_shards_and_says_how_much_that_is(store: Store, shards: Path, sent: dict[str, int]) -> None:
    run, _ = submitted(store, Nowhere(store), shards)
    assert keys(store, "shards/sha256/") == contents(shards)
    assert {key: sent[key] for key in contents(shards)} == dict.fromkeys(contents(shards), BYTES)
    assert keys(store, f"jobs/{run.id}/shards") == [], "a target that does not need them there gets no copies"
    assert claims(store, run) == sorted(digest_of(path) for path in shards.iterdir())
    (plan,) = plans(run)
    assert plan.startswith("1.0 MB to send")
    (event,) = (event for event in run.events() if event.type == "log")
    assert event.data["level"] == "info"


def test_the_second_submit_of_a_folder_sends_the_jobs_files_only(store: Store, shards: Path, sent: dict[str, int]) -> None:
    submitted(store, Nowhere(store), shards)
    sent.clear()
    run, _ = submitted(store, Nowhere(store), shards)
    assert {key.split("/")[0] for key in sent} == {"jobs", "shards"}
    assert {key: size for key, size in sent.items() if key.startswith("shards/")} == {
        f"shards/used/{digest_of(path)}/{run.id}": 0 for path in shards.iterdir()
    }
    assert sum(sent.values()) < BYTES
    assert plans(run)[0].startswith("all 3 shards are in the store already; 0.1 MB to send")


def test_of_a_folder_with_one_changed_shard_that_one_is_sent(store: Store, shards: Path, sent: dict[str, int]) -> None:
    submitted(store, Nowhere(store), shards)
    changed = shards / "shard_1.zip"
    changed.write_bytes(b"x" + changed.read_bytes())
    sent.clear()
    run, _ = submitted(store, Nowhere(store), shards)
    assert [key for key in sent if key.startswith("shards/sha256/")] == [content_key(digest_of(changed))]
    assert plans(run)[0].startswith("2 of 3 shards are in the store already; 0.4 MB to send")


def test_a_shard_that_two_sites_have_is_sent_once(store: Store, shards: Path) -> None:
    (shards / "shard_1.zip").write_bytes((shards / "shard_0.zip").read_bytes())
    run, _ = submitted(store, Nowhere(store), shards)
    assert len(keys(store, "shards/sha256/")) == 2 and len(claims(store, run)) == 2
    assert [site["shard"] for site in run.events()[0].data["sites"].values()] == ["shard_0.zip", "shard_1.zip", "shard_2.zip"]


def test_how_far_it_is_stands_beside_the_state(store: Store, shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def upload(_: Store, plan: Any, progress: Any, cancel: Any) -> int:
        first, *others = contents(shards)
        for left, done in ((None, 0), (75.0, 150_000), (0.4, BYTES)):
            items = {first: (BYTES, BYTES), **dict.fromkeys(others, (done, BYTES))}
            progress(Sent(BYTES + 2 * done, 3 * BYTES, items, left))
        return 3 * BYTES

    monkeypatch.setattr(sending, "upload", upload)
    monkeypatch.setattr(sending, "_BETWEEN_NOTES", 0)
    shown: list[str] = []
    data = local_shards(check_shards(shards, manifest_required=False).shards)
    record = RunRecord.new("digits", "local", store.url)
    Sending(store, record, {}, data, False, threading.Event()).send(lambda plan: None, shown.append)
    assert shown == [
        "Uploading: 0.3 of 0.9 MB, 1 of 3 shards.",
        "Uploading: 0.6 of 0.9 MB, 1 of 3 shards, 01:15 left.",
        "Uploading: 0.9 of 0.9 MB, 3 of 3 shards.",
    ]


class InJob(Nowhere):
    """A target that takes the shards from the job."""

    shards_in_job = True

    def start(self, record: RunRecord, lock: RunLock, connection: reson.ResonTechConfig) -> None:
        self.found = keys(self._store, f"{record.prefix}/shards")
        super().start(record, lock, connection)


def test_a_target_that_needs_the_shards_in_the_job_gets_copies_that_no_byte_is_sent_for(
    store: Store, shards: Path, sent: dict[str, int]
) -> None:
    target = InJob(store)
    for _ in range(2):
        sent.clear()
        run, _ = submitted(store, target, shards)
        assert target.found == [f"jobs/{run.id}/shards/shard_{number}.zip" for number in range(3)]
        for path in shards.iterdir():
            assert store.get(f"jobs/{run.id}/shards/{path.name}") == path.read_bytes()
        assert not [key for key in sent if key.startswith(f"jobs/{run.id}/shards")]
    assert not [key for key in sent if key.startswith("shards/sha256/")]


def test_a_shard_that_has_changed_since_it_was_checked_is_not_stored_as_what_it_is_not(
    store: Store, shards: Path, tmp_path: Path
) -> None:
    data = local_shards(check_shards(shards, manifest_required=False).shards)
    (shards / "shard_1.zip").write_bytes(b"y" + (shards / "shard_1.zip").read_bytes()[1:])
    record = RunRecord.new("digits", "local", store.url)
    with pytest.raises(StoreError, match=r"shard_1\.zip has changed since it was checked"):
        Sending(store, record, {}, data, False, threading.Event()).send(print, print)
    assert keys(store, "shards/sha256/") == []


def test_a_shard_of_the_store_that_is_gone_is_named(store: Store, shards: Path) -> None:
    submitted(store, Nowhere(store), shards)
    info = store.stat(contents(shards)[0])
    assert info is not None
    store.delete(info.key)
    record = RunRecord.new("digits", "local", store.url)
    gone = Shard("s.zip", info.key.split("/")[-1].removesuffix(".zip"), info)
    with pytest.raises(StoreError, match=r"the shard s\.zip is no longer in the store") as caught:
        Sending(store, record, {}, [gone], False, threading.Event()).send(print, print)
    assert "with its folder of shards" in str(caught.value)


@pytest.mark.parametrize("asked_for", [False, True])
def test_an_upload_that_ends_before_its_time_gives_the_claims_up_and_keeps_what_was_sent(
    store: Store, shards: Path, monkeypatch: pytest.MonkeyPatch, asked_for: bool
) -> None:
    first = threading.Event()
    whole = sending.upload

    def upload(store: Store, plan: Any, progress: Any, cancel: threading.Event) -> int:
        store.put_file(plan.new[-1].key, plan.new[-1].source)
        first.set()
        if asked_for:
            assert cancel.wait(60)
        raise StoreError("the upload was stopped" if asked_for else "the bucket is full")

    monkeypatch.setattr(sending, "upload", upload)
    run = begin(store, Nowhere(store), shards)
    assert first.wait(60)
    if asked_for:
        (RunRecord.load(run.id).folder / "abort").touch()
    assert over(run).state == ("aborted" if asked_for else "failed")
    assert claims(store, run) == [] and len(keys(store, "shards/sha256/")) == 1
    monkeypatch.setattr(sending, "upload", whole)
    again, _ = submitted(store, Nowhere(store), shards)
    assert plans(again)[0].startswith("1 of 3 shards are in the store already")
    delete(RunRecord.load(run.id), store, Nowhere(store))
    assert keys(store, "shards/sha256/") == contents(shards), "the other run needs it"


def test_the_shards_of_a_run_whose_upload_failed_go_when_it_is_deleted(
    store: Store, shards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def upload(store: Store, plan: Any, progress: Any, cancel: threading.Event) -> int:
        store.put_file(plan.new[-1].key, plan.new[-1].source)
        raise StoreError("the bucket is full")

    monkeypatch.setattr(sending, "upload", upload)
    run = over(begin(store, Nowhere(store), shards))
    assert len(keys(store, "shards/")) == 1
    deleted = delete(RunRecord.load(run.id), store, Nowhere(store))
    assert keys(store, "") == [] and deleted.shards_kept == 0 and deleted.bytes >= BYTES


def test_claims_that_cannot_be_given_up_hold_nobody_up(store: Store, shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hangs = threading.Event()
    came_back: list[bool] = []

    def upload(*_: Any, **__: Any) -> int:
        monkeypatch.setattr(sending, "unclaim", lambda *_: came_back.append(hangs.wait(200)))
        raise StoreError("the bucket is full")

    monkeypatch.setattr(sending, "upload", upload)
    run = over(begin(store, Nowhere(store), shards))
    assert came_back == []
    hangs.set()
    assert run.state == "failed" and run.reason == "the bucket is full"


def test_a_run_that_its_target_does_not_take_keeps_its_claims_and_can_be_run_again(
    store: Store, shards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = Nowhere(store)

    def refuse(*_: Any) -> None:
        raise TargetError("nobody is there")

    monkeypatch.setattr(target, "start", refuse)
    run = over(begin(store, target, shards))
    assert run.state == "failed" and len(claims(store, run)) == 3


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Endpoint]:
    """A bucket, and the environment of its user."""
    with s3_server() as endpoint:
        for name, value in endpoint.environment.items():
            monkeypatch.setenv(name, value)
        yield endpoint


def test_over_a_bucket_the_second_submit_sends_no_byte_of_the_data_and_copies_are_made_there(
    bucket: S3Endpoint, shards: Path
) -> None:
    store = open_store(f"s3://{bucket.bucket}")
    submitted(store, Nowhere(store), shards)
    sent: dict[str, int] = {}
    asked: list[str] = []

    def note(request: Any, event_name: str, **_: Any) -> None:
        asked.append(event_name.rpartition(".")[2])
        sent[request.url] = sent.get(request.url, 0) + int(request.headers.get("Content-Length", 0))

    vars(store)["_client"].meta.events.register("before-send.s3.*", note)
    target = InJob(store)
    run, _ = submitted(store, target, shards)
    assert sum(sent.values()) < BYTES and sum(size for url, size in sent.items() if "/shards/" in url) == 0
    assert asked.count("CopyObject") == 3 and len(target.found) == 3
    assert store.get(f"jobs/{run.id}/shards/shard_2.zip") == (shards / "shard_2.zip").read_bytes()


def test_two_submits_at_once_of_the_same_shards_both_have_them(bucket: S3Endpoint, store: Store, shards: Path) -> None:
    for where in (store, open_store(f"s3://{bucket.bucket}")):
        target = Nowhere(where)
        runs = [begin(where, target, shards) for _ in range(2)]
        assert [over(run).state for run in runs] == ["aborted", "aborted"], [run.reason for run in runs]
        assert {record.id for record in target.started} == {run.id for run in runs}, "the target got both"
        assert keys(where, "shards/sha256/") == contents(shards)
        assert [len(claims(where, run)) for run in runs] == [3, 3]
        delete(RunRecord.load(runs[0].id), where, target)
        assert keys(where, "shards/sha256/") == contents(shards)
        delete(RunRecord.load(runs[1].id), where, target)
        assert keys(where, "") == []
