"""A large file's way into a bucket over a line and to a server that fail in the middle."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from botocore.awsrequest import AWSPreparedRequest
from hypothesis import given
from hypothesis import strategies as st

from reson_jupyter.backend.store import Store, multipart
from reson_jupyter.errors import StoreError
from tests.faulty_server import Fault, FaultyServer
from tests.servers import S3Endpoint

from .large import KEY, MIB, PART_BYTES, SIZE, begin, part, same


@given(st.integers(multipart.PART_BYTES + 1, 5 << 40))
def test_the_parts_of_a_file_are_the_whole_file_in_parts_that_a_server_takes(size: int) -> None:
    pieces = multipart.cut(size)
    assert [piece.number for piece in pieces] == list(range(1, len(pieces) + 1))
    assert len(pieces) <= multipart.MAX_PARTS
    assert all(piece.start + piece.bytes == following.start for piece, following in pairwise(pieces))
    assert pieces[0].start == 0 and pieces[-1].start + pieces[-1].bytes == size
    assert all(piece.bytes >= multipart.PART_BYTES for piece in pieces[:-1]) and pieces[-1].bytes > 0


def test_a_file_goes_in_parts_each_with_its_checksum_and_is_looked_at_afterwards(
    server: FaultyServer, store: Store, large: Path
) -> None:
    sent: list[tuple[str, str]] = []
    vars(store)["_client"].meta.events.register(
        "before-send.s3.UploadPart",
        lambda request, **_: sent.append((request.headers["x-amz-checksum-crc32"], request.headers["x-amz-content-sha256"])),
    )
    assert store.put_file(KEY, large, content_type="application/zip", resume=True) == SIZE
    assert same(store, large)
    assert server.received["UploadPart"] == SIZE
    assert len({checksum for checksum, _ in sent}) == 4 and {payload for _, payload in sent} == {b"UNSIGNED-PAYLOAD"}
    asked = server.asked[: server.asked.index("HeadObject") + 1]
    assert asked == [
        "ListMultipartUploads",
        "CreateMultipartUpload",
        *["UploadPart"] * 4,
        "CompleteMultipartUpload",
        "HeadObject",
    ]


def test_only_what_is_missing_is_sent_after_an_upload_was_killed(
    server: FaultyServer, store: Store, large: Path, moto_http: S3Endpoint
) -> None:
    begin(store, large, moto_http, {1: part(large, 1), 3: part(large, 3)})
    moved: list[int] = []
    assert store.put_file(KEY, large, resume=True, progress=moved.append) == PART_BYTES + 5
    assert server.received["UploadPart"] == PART_BYTES + 5
    assert sum(moved) == SIZE
    assert same(store, large)


@pytest.mark.parametrize("wrong", [b"short", b"x" * PART_BYTES], ids=["another size", "other bytes"])
def test_a_part_that_is_not_the_files_is_sent_again(
    server: FaultyServer, store: Store, large: Path, moto_http: S3Endpoint, wrong: bytes
) -> None:
    begin(store, large, moto_http, {1: part(large, 1), 2: wrong})
    assert store.put_file(KEY, large, resume=True) == SIZE - PART_BYTES
    assert same(store, large)


def test_a_list_of_parts_that_comes_in_pages_is_read_to_its_end(
    server: FaultyServer, store: Store, large: Path, moto_http: S3Endpoint
) -> None:
    begin(store, large, moto_http, {number: part(large, number) for number in (1, 2, 3)})
    server.faults.append(Fault("ListParts", times=9, query="max-parts=1"))
    assert store.put_file(KEY, large, resume=True) == 5
    assert server.asked.count("ListParts") == 3
    assert same(store, large)


def test_a_key_that_does_not_name_its_content_takes_nothing_of_an_earlier_attempt(
    server: FaultyServer, store: Store, large: Path, moto_http: S3Endpoint
) -> None:
    begin(store, large, moto_http, {1: part(large, 1)})
    assert store.put_file(KEY, large) == SIZE
    assert "ListMultipartUploads" not in server.asked[: server.asked.index("HeadObject")]


def test_a_part_whose_connection_is_reset_in_the_middle_is_sent_again_and_counted_once(
    server: FaultyServer, store: Store, large: Path
) -> None:
    server.faults.append(Fault("UploadPart", times=2, after=2 * MIB))
    moved: list[int] = []
    store.put_file(KEY, large, progress=moved.append)
    assert server.asked.count("UploadPart") == 6
    assert sum(moved) == SIZE
    assert same(store, large)


@pytest.mark.parametrize("answer", [(500, "InternalError"), (503, "SlowDown")])
def test_a_burst_of_errors_of_the_server_is_outlasted(
    server: FaultyServer, store: Store, large: Path, answer: tuple[int, str]
) -> None:
    kinds = ("CreateMultipartUpload", "UploadPart", "UploadPart", "CompleteMultipartUpload", "HeadObject")
    server.faults += [Fault(kind, answer=answer) for kind in kinds]
    moved: list[int] = []
    store.put_file(KEY, large, progress=moved.append)
    assert sum(moved) == SIZE
    assert same(store, large)


def test_an_error_in_the_answer_200_of_the_completion_is_none_that_succeeded(
    server: FaultyServer, store: Store, large: Path
) -> None:
    server.faults.append(Fault("CompleteMultipartUpload", answer=(200, "InternalError")))
    store.put_file(KEY, large)
    assert server.asked.count("CompleteMultipartUpload") == 2
    assert same(store, large)


def test_a_completion_whose_answer_is_lost_is_one(server: FaultyServer, store: Store, large: Path) -> None:
    server.faults.append(Fault("CompleteMultipartUpload", lost=True))
    assert store.put_file(KEY, large) == SIZE
    assert server.asked.count("CreateMultipartUpload") == 1
    assert same(store, large)


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("kind", ["UploadPart", "CompleteMultipartUpload"])
def test_an_upload_that_the_server_has_forgotten_begins_anew(
    server: FaultyServer, store: Store, large: Path, kind: str, resume: bool
) -> None:
    server.faults.append(Fault(kind, answer=(404, "NoSuchUpload")))
    moved: list[int] = []
    store.put_file(KEY, large, progress=moved.append, resume=resume)
    assert sum(moved) == SIZE
    assert same(store, large)


def test_a_server_that_forgets_every_upload_is_an_error(server: FaultyServer, store: Store, large: Path) -> None:
    server.faults.append(Fault("CompleteMultipartUpload", times=99, answer=(404, "NoSuchUpload")))
    with pytest.raises(StoreError, match="NoSuchUpload"):
        store.put_file(KEY, large)
    assert store.stat(KEY) is None


@pytest.mark.parametrize("kind", ["ListMultipartUploads", "ListParts"])
@pytest.mark.parametrize("answer", [(501, "NotImplemented"), (403, "AccessDenied"), (404, "NoSuchUpload")])
def test_a_server_or_a_key_that_cannot_list_uploads_or_parts_can_still_take_them(
    server: FaultyServer, store: Store, large: Path, moto_http: S3Endpoint, kind: str, answer: tuple[int, str]
) -> None:
    begin(store, large, moto_http, {1: part(large, 1)})
    server.faults.append(Fault(kind, times=99, answer=answer))
    assert store.put_file(KEY, large, resume=True) == SIZE
    assert kind in server.asked and same(store, large)


@pytest.mark.parametrize("lists", [True, False], ids=["that lists", "that does not list"])
def test_a_part_that_the_server_said_to_have_taken_and_does_not_have_is_sent_again(
    server: FaultyServer, store: Store, large: Path, lists: bool
) -> None:
    server.faults.append(Fault("UploadPart", answer=(200, "")))
    if not lists:
        server.faults.append(Fault("ListParts", times=99, answer=(403, "AccessDenied")))
    moved: list[int] = []
    store.put_file(KEY, large, progress=moved.append)
    assert server.asked.count("UploadPart") == (5 if lists else 8)
    assert sum(moved) == SIZE
    assert same(store, large)


def test_a_part_that_the_server_holds_with_another_size_in_the_end_is_sent_again(
    server: FaultyServer, store: Store, large: Path
) -> None:
    server.faults.append(Fault("CompleteMultipartUpload", answer=(400, "InvalidPart")))
    server.faults.append(Fault("ListParts", edit=(b"<Size>5</Size>", b"<Size>4</Size>")))
    moved: list[int] = []
    store.put_file(KEY, large, progress=moved.append)
    assert server.asked.count("UploadPart") == 5
    assert sum(moved) == SIZE
    assert same(store, large)


def test_a_server_that_never_holds_a_part_as_it_was_sent_makes_no_object(
    server: FaultyServer, store: Store, large: Path, unfinished: Callable[[], list[str]]
) -> None:
    server.faults.append(Fault("UploadPart", times=99, answer=(200, "")))
    with pytest.raises(StoreError, match=r"does not keep the parts of large\.zip"):
        store.put_file(KEY, large)
    assert store.stat(KEY) is None
    assert unfinished() == []


def test_the_server_is_asked_before_a_small_file_is_sent_and_not_before_each_part(
    server: FaultyServer, store: Store, large: Path, tmp_path: Path
) -> None:
    asked: dict[str, bool] = {}

    def note(request: AWSPreparedRequest, event_name: str, **_: object) -> None:
        asked[event_name.rpartition(".")[2]] = "Expect" in request.headers

    vars(store)["_client"].meta.events.register("before-send.s3.*", note)
    (tmp_path / "small.zip").write_bytes(b"x")
    for file in (large, tmp_path / "small.zip"):
        store.put_file(KEY, file)
    assert (asked["PutObject"], asked["UploadPart"]) == (True, False)
