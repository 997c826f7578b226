"""Shards on their way into the account's bucket, by presigned URLs in parts."""

from __future__ import annotations

import hashlib
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from reson_jupyter import ResonTechConfig
from reson_jupyter.backend.platform import client as client_module
from reson_jupyter.backend.platform import retries, uploads
from reson_jupyter.backend.platform.store import PlatformStore
from reson_jupyter.backend.store.workers import Workers
from reson_jupyter.backend.targets.platform import PlatformTarget
from reson_jupyter.errors import StoreError
from tests.faulty_server import Fault
from tests.servers import serving

from . import uploads as server_uploads
from .answers import WireFault
from .app import Platform

INIT, COMPLETE, ABORT = (f"POST /api/users/storage/upload/{what}" for what in ("init", "complete", "abort"))
# S3 takes no smaller ones but the last.
PART = 5 << 20
PARTS, LAST = 3, 96 << 10


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "PART_BYTES", PART)
    monkeypatch.setattr(server_uploads, "PART_BYTES", PART)
    monkeypatch.setattr(retries, "_FIRST_PAUSE", 0.01)


@pytest.fixture
def store(platform: Platform) -> PlatformStore:
    store = PlatformTarget().open_store(f"s3://{platform.account.bucket}", ResonTechConfig())
    assert isinstance(store, PlatformStore)
    return store


@pytest.fixture
def one_by_one(store: PlatformStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts are sent one after another, so that a test knows which it strikes."""
    monkeypatch.setattr(store, "_workers", Workers(1, "one by one"))


@pytest.fixture(scope="module")
def shard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of three parts, none like another."""
    path = tmp_path_factory.mktemp("shard") / "shard_0.zip"
    blocks = (hashlib.sha256(str(number).encode()).digest() * 32 for number in range(((PARTS - 1) * PART + LAST) // 1024))
    path.write_bytes(b"".join(blocks))
    return path


def key_of(path: Path) -> str:
    return f"shards/sha256/{hashlib.sha256(path.read_bytes()).hexdigest()}.zip"


def put(store: PlatformStore, path: Path, **more: object) -> int:
    return store.put_file(key_of(path), path, content_type="application/zip", resume=True, **more)


def is_there(platform: Platform, path: Path) -> bool:
    return platform.bucket.keys("shards/sha256/") != [] and platform.bucket.get(key_of(path)) == path.read_bytes()


def test_a_shard_goes_through_the_platform_in_parts(platform: Platform, store: PlatformStore, shard: Path) -> None:
    told: list[int] = []
    assert put(store, shard, progress=told.append) == shard.stat().st_size
    assert is_there(platform, shard)
    assert sum(told) == shard.stat().st_size
    assert platform.asked == [INIT, COMPLETE]
    assert platform.s3.asked.count("UploadPart") == PARTS
    assert not {"PutObject", "CreateMultipartUpload", "CompleteMultipartUpload"} & set(platform.s3.asked)
    assert platform.uploads.unfinished == []


@pytest.mark.parametrize("size", [1, PART, PART + 1])
def test_any_size_is_cut_as_the_platform_cuts_it(platform: Platform, store: PlatformStore, tmp_path: Path, size: int) -> None:
    path = tmp_path / "shard.zip"
    path.write_bytes(b"x" * size)
    assert put(store, path) == size
    assert platform.bucket.sizes("shards/sha256/") == {key_of(path).removeprefix("shards/sha256/"): size}
    assert platform.s3.asked.count("UploadPart") == -(-size // PART)


def test_other_files_go_by_the_accounts_own_keys(platform: Platform, store: PlatformStore, tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    path.write_bytes(b"weights")
    store.put_file("jobs/run/model/weights.pt", path)
    assert platform.bucket.get("jobs/run/model/weights.pt") == b"weights"
    assert platform.asked == []


@pytest.mark.parametrize("count", [PARTS - 1, PARTS + 1, 0])
def test_a_list_of_parts_that_does_not_fit_is_refused_before_a_byte_is_sent(
    platform: Platform, store: PlatformStore, shard: Path, count: int
) -> None:
    platform.faults.append(WireFault(INIT, edit=lambda body: {**body, "urls": (body["urls"] * 2)[:count]}))
    with pytest.raises(StoreError, match=rf"in {count} parts; it has {PARTS} of 50 MiB"):
        put(store, shard)
    assert "UploadPart" not in platform.s3.asked
    assert platform.uploads.unfinished == []
    assert put(store, shard)
    assert is_there(platform, shard)


@pytest.mark.parametrize(
    "fault",
    [
        Fault("UploadPart", after=100_000),
        Fault("UploadPart", times=3, answer=(503, "SlowDown")),
        Fault("UploadPart", times=2, answer=(429, "")),
        Fault("UploadPart", lost=True),
    ],
)
def test_a_part_is_sent_again(platform: Platform, store: PlatformStore, shard: Path, fault: Fault) -> None:
    platform.s3.faults.append(fault)
    told: list[int] = []
    put(store, shard, progress=told.append)
    assert is_there(platform, shard)
    assert sum(told) == shard.stat().st_size  # what was sent in vain does not count
    assert platform.asked == [INIT, COMPLETE]


@pytest.mark.parametrize("fault", [WireFault("*", reset=True), WireFault("*", answer=(500, {"message": "oops"}))])
@pytest.mark.parametrize("request_", [INIT, COMPLETE])
def test_a_word_to_the_platform_is_said_again(
    platform: Platform, store: PlatformStore, shard: Path, fault: WireFault, request_: str
) -> None:
    platform.faults.append(WireFault(request_, times=2, reset=fault.reset, answer=fault.answer))
    put(store, shard)
    assert is_there(platform, shard)


def test_an_answer_that_is_lost_after_the_end_does_no_harm(platform: Platform, store: PlatformStore, shard: Path) -> None:
    platform.faults.append(WireFault(COMPLETE, lost=True))
    put(store, shard)
    assert is_there(platform, shard)
    assert platform.asked == [INIT, COMPLETE, COMPLETE]


def test_an_upload_whose_begin_was_not_heard_of_is_taken_up(platform: Platform, store: PlatformStore, shard: Path) -> None:
    platform.faults.append(WireFault(INIT, lost=True))
    put(store, shard)
    assert is_there(platform, shard)
    assert platform.uploads.unfinished == []


def test_what_was_said_to_be_complete_is_looked_at(platform: Platform, store: PlatformStore, shard: Path) -> None:
    platform.faults.append(WireFault(COMPLETE, answer=(204, "")))
    with pytest.raises(StoreError, match="is not in the bucket as it was sent"):
        put(store, shard)


def test_a_url_that_is_no_longer_good_costs_no_part_twice(
    platform: Platform, store: PlatformStore, shard: Path, one_by_one: None
) -> None:
    platform.s3.faults += [Fault("UploadPart"), Fault("UploadPart", answer=(403, "AccessDenied"))]
    put(store, shard)
    assert is_there(platform, shard)
    assert platform.asked == [INIT, COMPLETE]
    assert platform.s3.asked.count("UploadPart") == PARTS + 1


def test_keys_that_were_rotated_meanwhile_are_told_and_no_url_is_shown(
    platform: Platform, store: PlatformStore, shard: Path
) -> None:
    platform.s3.faults.append(Fault("UploadPart", times=999, answer=(403, "InvalidAccessKeyId")))
    with pytest.raises(StoreError, match="403 InvalidAccessKeyId") as raised:
        put(store, shard)
    assert "RESON_S3_SECRET" in str(raised.value)
    assert not [secret for secret in platform.secrets if secret in f"{raised.value} {raised.value!r}"]


def test_a_part_that_is_refused_ends_the_upload_at_once(
    platform: Platform, store: PlatformStore, shard: Path, one_by_one: None
) -> None:
    platform.s3.faults.append(Fault("UploadPart", times=999, answer=(400, "BadDigest")))
    with pytest.raises(StoreError, match=r"refused part 1 of shard_0\.zip \(400 BadDigest\)"):
        put(store, shard)
    assert platform.s3.asked.count("UploadPart") == 1


def test_an_attempt_that_was_killed_is_taken_up_where_it_ended(
    platform: Platform, store: PlatformStore, shard: Path, one_by_one: None
) -> None:
    platform.s3.faults += [Fault("UploadPart", times=2), Fault("UploadPart", times=999, answer=(400, "Killed"))]
    with pytest.raises(StoreError):
        put(store, shard)
    platform.s3.faults.clear()
    platform.s3.asked.clear()
    told: list[int] = []
    again = PlatformTarget().open_store(f"s3://{platform.account.bucket}", ResonTechConfig())
    assert put(again, shard, progress=told.append) == LAST
    assert is_there(platform, shard)
    assert sum(told) == shard.stat().st_size
    assert platform.s3.asked.count("UploadPart") == 1
    assert platform.asked == [INIT, COMPLETE]


def test_parts_of_another_size_that_lie_there_are_not_taken_for_ours(
    platform: Platform, store: PlatformStore, shard: Path
) -> None:
    client, bucket, key = store._client, platform.account.bucket, key_of(shard)
    begun = client.create_multipart_upload(Bucket=bucket, Key=key)
    for number, size in ((1, PART + 1), (9, 17)):
        client.upload_part(Bucket=bucket, Key=key, UploadId=begun["UploadId"], PartNumber=number, Body=b"y" * size)
    put(store, shard)
    assert is_there(platform, shard)
    assert platform.uploads.unfinished == []


@pytest.fixture
def stuck(platform: Platform, one_by_one: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first part is refused, and would be sent again when the time of any test is long over."""
    monkeypatch.setattr(retries, "_FIRST_PAUSE", 10_000.0)
    monkeypatch.setattr(retries, "_LONGEST_PAUSE", 10_000.0)
    platform.s3.faults.append(Fault("UploadPart", answer=(503, "SlowDown")))


def test_it_stops_at_once_when_it_is_to(platform: Platform, store: PlatformStore, shard: Path, stuck: None) -> None:
    cancel = threading.Event()
    with pytest.raises(StoreError, match="was stopped"):
        put(store, shard, cancel=cancel, progress=lambda _: cancel.set())
    assert platform.s3.asked.count("UploadPart") == 1
    assert platform.bucket.keys("shards/") == []
    put(store, shard)
    assert is_there(platform, shard)


def test_an_interrupt_stops_it_at_once_too(platform: Platform, store: PlatformStore, shard: Path, stuck: None) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        put(store, shard, progress=interrupt)
    assert COMPLETE not in platform.asked
    assert platform.s3.asked.count("UploadPart") == 1


def test_a_file_that_changes_meanwhile_never_becomes_visible(
    platform: Platform, store: PlatformStore, shard: Path, tmp_path: Path
) -> None:
    path = tmp_path / "shard_0.zip"
    path.write_bytes(shard.read_bytes())
    key = key_of(path)

    def change(_: int) -> None:
        path.write_bytes(b"other")

    with pytest.raises(StoreError, match="has changed while it was sent"):
        store.put_file(key, path, resume=True, progress=change)
    assert platform.bucket.keys("shards/") == []


def test_a_tag_that_a_proxy_removes_is_said(platform: Platform, store: PlatformStore, shard: Path) -> None:
    class NoTags(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with serving(NoTags) as url:
        platform.faults.append(WireFault(INIT, edit=lambda body: {**body, "urls": [f"{url}/part"] * PARTS}))
        with pytest.raises(StoreError, match=r"answered without a tag \(ETag\)") as raised:
            put(store, shard)
    assert "proxy" in str(raised.value)


@pytest.mark.parametrize("status", [400, 404])
def test_a_platform_that_takes_no_such_key_is_done_without(
    platform: Platform, store: PlatformStore, shard: Path, status: int
) -> None:
    platform.faults.append(WireFault(INIT, answer=(status, {"message": "key must begin with jobs/"})))
    assert put(store, shard) == shard.stat().st_size
    assert is_there(platform, shard)
    assert platform.asked == [INIT]


def test_a_key_that_was_revoked_is_told_and_what_was_sent_stays(
    platform: Platform, store: PlatformStore, shard: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.faults.append(WireFault(COMPLETE, answer=(401, {"code": "invalid_api_key", "message": "revoked"})))
    with pytest.raises(StoreError, match="the platform key was refused") as raised:
        put(store, shard)
    assert platform.account.key not in str(raised.value)
    assert put(store, shard) == 0
    assert is_there(platform, shard)
    assert platform.s3.asked.count("UploadPart") == PARTS


def test_two_who_send_the_same_do_each_other_no_harm(platform: Platform, store: PlatformStore, shard: Path) -> None:
    stores = [store, PlatformTarget().open_store(f"s3://{platform.account.bucket}", ResonTechConfig())]
    raised: list[BaseException] = []

    def send(one: PlatformStore) -> None:
        try:
            put(one, shard)
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=send, args=(one,)) for one in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert raised == []
    assert is_there(platform, shard)
    assert platform.uploads.unfinished == []


def test_a_part_is_never_held_in_memory(platform: Platform, store: PlatformStore, shard: Path) -> None:
    largest = 0
    real = client_module.Client.put

    def put_watched(self, url, body, stop):
        read = body.read

        def read_watched(amount=None):
            nonlocal largest
            data = read(amount)
            largest = max(largest, len(data))
            return data

        body.read = read_watched
        return real(self, url, body, stop)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client_module.Client, "put", put_watched)
        put(store, shard)
    assert 0 < largest <= 1 << 20
