"""How an upload to a bucket ends: with the object that was sent, or with none."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from boto3.s3.transfer import TransferConfig

from reson_jupyter.backend.store import Store, open_store
from reson_jupyter.config import ResonTechConfig
from reson_jupyter.errors import StoreError
from tests.faulty_server import Fault, FaultyServer
from tests.patience import at_best, wait_for
from tests.servers import S3Endpoint, client_of, slow_line

from .large import KEY, MIB, PART_BYTES, SIZE, same


@pytest.mark.parametrize("size", [0, 1000, SIZE])
def test_an_object_that_is_not_there_after_the_server_took_it_is_an_error(
    server: FaultyServer, store: Store, tmp_path: Path, size: int
) -> None:
    (tmp_path / "s.zip").write_bytes(os.urandom(size))
    server.faults += [Fault("PutObject", answer=(200, "")), Fault("HeadObject", answer=(404, "NoSuchKey"))]
    with pytest.raises(StoreError, match="not in the bucket as it was sent"):
        store.put_file(KEY, tmp_path / "s.zip")


@pytest.mark.parametrize("size", [1000, SIZE])
def test_an_object_whose_tag_is_not_that_of_the_bytes_sent_is_an_error(
    server: FaultyServer, store: Store, moto_http: S3Endpoint, tmp_path: Path, size: int
) -> None:
    (tmp_path / "s.zip").write_bytes(os.urandom(size))
    other = os.urandom(size)

    def replaced(**_: object) -> None:
        store.put(KEY, other)

    def sent_by_another(**_: object) -> None:
        key = f"{store.url.removeprefix(f's3://{moto_http.bucket}/')}/{KEY}"
        (tmp_path / "other.zip").write_bytes(other)
        client_of(moto_http).upload_file(
            str(tmp_path / "other.zip"), moto_http.bucket, key, Config=TransferConfig(PART_BYTES, 10, PART_BYTES)
        )

    vars(store)["_client"].meta.events.register("before-send.s3.HeadObject", replaced if size < PART_BYTES else sent_by_another)
    with pytest.raises(StoreError, match="not in the bucket as it was sent"):
        store.put_file(KEY, tmp_path / "s.zip")


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("change", ["grows", "shrinks", "is another", "goes"])
def test_a_file_that_changes_while_it_is_sent_is_not_stored(
    server: FaultyServer, store: Store, tmp_path: Path, unfinished: Callable[[], list[str]], change: str, resume: bool
) -> None:
    path = tmp_path / "s.zip"
    path.write_bytes(b"a" * SIZE)

    def spoil(**_: object) -> None:
        if change == "goes":
            path.unlink()
        elif change == "is another":
            path.with_name("other").write_bytes(b"b" * SIZE)
            path.with_name("other").replace(path)
        else:
            os.truncate(path, SIZE + 1 if change == "grows" else SIZE // 4)

    vars(store)["_client"].meta.events.register("before-send.s3.CreateMultipartUpload", spoil)
    with pytest.raises(StoreError, match="has changed while it was sent"):
        store.put_file(KEY, path, resume=resume)
    assert store.stat(KEY) is None
    wait_for(lambda: unfinished() == [])


def test_two_uploaders_of_one_content_at_once_both_end_well(
    server: FaultyServer, store: Store, large: Path, unfinished: Callable[[], list[str]]
) -> None:
    begun = threading.Barrier(2)
    sent: list[int] = []

    def work(other: Store) -> None:
        begun.wait()
        sent.append(other.put_file(KEY, large, resume=True))

    threads = [threading.Thread(target=work, args=(open_store(store.url, ResonTechConfig()),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(sent) == 2
    assert same(store, large)


def test_an_uploader_whose_upload_another_one_completes_sends_no_more(server: FaultyServer, store: Store, large: Path) -> None:
    other = open_store(store.url, ResonTechConfig())

    def complete(**_: object) -> None:
        other.put_file(KEY, large, resume=True)

    vars(store)["_client"].meta.events.register("before-send.s3.CompleteMultipartUpload", complete)
    moved: list[int] = []
    assert store.put_file(KEY, large, resume=True, progress=moved.append) == SIZE
    assert server.received["UploadPart"] == SIZE
    assert sum(moved) == SIZE
    assert same(store, large)


def test_an_uploader_that_fails_while_another_one_brings_the_content_there_has_no_failure_to_tell(
    server: FaultyServer, store: Store, large: Path
) -> None:
    other = open_store(store.url, ResonTechConfig())

    def complete(**_: object) -> None:
        if not server.faults:
            other.put_file(KEY, large, resume=True)
            server.faults.append(Fault("CompleteMultipartUpload", times=4, answer=(500, "InternalError")))

    vars(store)["_client"].meta.events.register("before-send.s3.CompleteMultipartUpload", complete)
    moved: list[int] = []
    store.put_file(KEY, large, resume=True, progress=moved.append)
    assert sum(moved) == SIZE
    assert same(store, large)


@pytest.mark.parametrize("resume", [False, True])
def test_a_cancelled_upload_ends_within_a_second_in_the_middle_of_a_part_and_keeps_what_can_be_used(
    moto_http: S3Endpoint,
    monkeypatch: pytest.MonkeyPatch,
    store: Store,
    large: Path,
    unfinished: Callable[[], list[str]],
    resume: bool,
) -> None:
    def seconds_to_the_end(slow: Store) -> float:
        cancel = threading.Event()
        cancelled_at = 0.0

        def stop(moved: int) -> None:
            nonlocal cancelled_at
            cancelled_at = cancelled_at or time.monotonic()
            cancel.set()

        with pytest.raises(StoreError, match="stopped"):
            slow.put_file(KEY, large, resume=resume, progress=stop, cancel=cancel)
        return time.monotonic() - cancelled_at

    with slow_line(moto_http.url, 2 * MIB) as url:
        monkeypatch.setenv("RESON_S3_ENDPOINT", url)
        assert at_best(lambda: seconds_to_the_end(open_store(store.url, ResonTechConfig())), 1) < 1
        assert store.stat(KEY) is None
        wait_for(lambda: len(unfinished()) == resume)


def test_an_upload_to_a_server_that_hangs_is_given_up_within_a_second(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("RESON_S3_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setenv("RESON_S3_KEY", "key")
        monkeypatch.setenv("RESON_S3_SECRET", "secret")
        monkeypatch.setenv("RESON_S3_BUCKET", "bucket")
        hanging = open_store("s3://bucket", ResonTechConfig())

        def seconds_to_the_end() -> float:
            cancel = threading.Event()
            cancelled_at = 0.0

            def stop() -> None:
                nonlocal cancelled_at
                cancelled_at = time.monotonic()
                cancel.set()

            threading.Timer(0.3, stop).start()
            with pytest.raises(StoreError, match="stopped"):
                hanging.put_file(KEY, large, resume=True, cancel=cancel)
            return time.monotonic() - cancelled_at

        assert at_best(seconds_to_the_end, 1) < 1


def test_what_killed_uploads_left_long_ago_is_removed_once_and_nothing_else(
    server: FaultyServer, store: Store, large: Path, moto_http: S3Endpoint, unfinished: Callable[[], list[str]]
) -> None:
    # To moto every upload began in 2010, and a part comes when it comes.
    client = client_of(moto_http)
    below = store.url.removeprefix(f"s3://{moto_http.bucket}/")
    made = {
        key: client.create_multipart_upload(Bucket=moto_http.bucket, Key=f"{below}/{key}")["UploadId"]
        for key in ("shards/sha256/old.zip", "jobs/a/shards/old.zip", "shards/sha256/busy.zip", "anybody's")
    }
    busy = "shards/sha256/busy.zip"
    client.upload_part(Bucket=moto_http.bucket, Key=f"{below}/{busy}", UploadId=made[busy], PartNumber=1, Body=b"x")
    store.put_file(KEY, large)
    wait_for(lambda: set(unfinished()) == {made[busy], made["anybody's"]})
    late = client.create_multipart_upload(Bucket=moto_http.bucket, Key=f"{below}/jobs/late")["UploadId"]
    listed = server.asked.count("ListMultipartUploads")
    store.put_file(KEY, large)
    assert server.asked.count("ListMultipartUploads") == listed
    assert late in unfinished()


def test_an_upload_outlasts_the_main_program(server: FaultyServer, store: Store, large: Path) -> None:
    program = f"""
import threading
from pathlib import Path
from reson_jupyter.backend.store import open_store
store = open_store({store.url!r})
def upload():
    threading.main_thread().join()
    store.put_file({KEY!r}, Path({str(large)!r}))
threading.Thread(target=upload).start()
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
    assert same(store, large)
