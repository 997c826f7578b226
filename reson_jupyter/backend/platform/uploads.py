"""A file's way into the account's bucket by the platform's presigned URLs, in parts of 50 MiB.

The platform begins an upload and gives a URL for each part, good for 15 minutes. What an earlier attempt left is known to the
bucket, whoever made it and on which machine: its parts are used, and the URLs for those that are missing are made with the
account's own keys. So a line that needs an hour for a shard, or a kernel that was killed, costs no part twice.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import requests
from botocore.exceptions import ClientError

from ...errors import PlatformError, StoreError
from ..store.base import changed
from ..store.body import Counter, Stopped, body
from ..store.multipart import FileUpload
from ..store.s3_client import FAILURES, is_code
from ..store.stored import check, head, tag_of
from ..store.unfinished import Part, newest, parts_of
from ..store.workers import finish
from .api import Platform

T = TypeVar("T")

PART_BYTES = 50 << 20  # on both sides; nothing tells the platform another size
_ATTEMPTS = 3
_URL_SECONDS = 900
_CODE = re.compile(r"<Code>(\w+)</Code>")


class NotTaken(Exception):
    """The platform takes no upload of this key."""


class Lapsed(Exception):
    """A presigned URL is no longer good, or the bucket has forgotten the upload: it has to be begun, or taken up, again."""


@dataclass(frozen=True)
class Piece:
    """A part to be: its number from 1, where it begins in the file, and its bytes."""

    number: int
    start: int
    bytes: int


def cut(size: int) -> list[Piece]:
    """Returns the parts of a file of so many bytes."""
    starts = range(0, max(size, 1), PART_BYTES)
    return [Piece(number, start, min(PART_BYTES, size - start)) for number, start in enumerate(starts, start=1)]


class _PartRefused(StoreError):
    """The bucket took a part no more; perhaps another uploader of the same content was quicker."""


class _Stop(threading.Event):
    """Set when nothing more is to be sent; `reason` is the failure that is to be told, where there was one."""

    reason: Exception | None = None


class PresignedUpload:
    """One file; `send` may be called once.

    Args:
        platform: Who begins and ends the upload.
        file: The file and its place.
    """

    def __init__(self, platform: Platform, file: FileUpload) -> None:
        self._platform = platform
        self._file = file
        self._place = file.place
        self._kept = Counter()
        self._pieces = cut(file.stamp.bytes)

    def send(self) -> int:
        """Sends what the bucket does not have, makes the object of it, and returns the bytes that were sent.

        Raises:
            NotTaken: the platform takes no upload of this key; nothing was sent.
            StoreError: the file changed meanwhile, or is not in the bucket as it was sent.
            PlatformError: the platform, or the bucket, refused it or did not answer.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self._try()
                return self._file.moved.total - self._kept.total
            except (Lapsed, _PartRefused) as error:
                if self._is_there():  # another uploader of the same content was quicker
                    self._count(self._file.stamp.bytes - self._file.moved.total, self._kept)
                    return 0
                if isinstance(error, _PartRefused):
                    raise
                if attempt == _ATTEMPTS:
                    raise StoreError(
                        f"the bucket does not take the parts of {self._file.path.name}: {error}",
                        "Its keys may have been rotated meanwhile: see Profile -> Storage, and set RESON_S3_SECRET.",
                    ) from None
                self._count(-self._file.moved.total)
                self._kept.add(-self._kept.total)
        raise AssertionError("the last attempt returns or raises")

    def _try(self) -> None:
        upload_id, urls, there = self._one(self._begin)
        stop = _Stop()
        sending = [
            self._file.workers.submit(partial(self._bring, piece, urls[piece.number - 1], there.get(piece.number), stop))
            for piece in self._pieces
        ]
        try:
            tags = finish(sending, self._file.look, stop.set)
        except (Exception, Stopped) as error:
            if self._file.is_unchanged:
                raise stop.reason or error from None
        if not self._file.is_unchanged:
            with suppress(PlatformError):
                self._one(partial(self._platform.abort_upload, self._place.key, upload_id))
            raise changed(self._file.path) from None
        self._one(partial(self._complete, upload_id, tags))

    def _begin(self) -> tuple[str, list[str], Mapping[int, Part]]:
        """Takes up an upload that was cut off, or begins one: its id, a URL for each part, and the parts that are there."""
        found = None
        with suppress(*FAILURES):  # not every server can list them
            found = newest(self._place)
            there = parts_of(self._place, found) if found else {}
        if found:
            return found, [self._url(found, piece) for piece in self._pieces], there
        try:
            begun = self._platform.begin_upload(self._place.key, self._file.stamp.bytes, self._file.content_type)
        except PlatformError as error:
            if error.status in (400, 404, 405):
                raise NotTaken(str(error)) from None
            if error.status == 409:  # it was begun, but nobody heard of that
                raise Lapsed(error.message) from None
            raise
        if len(begun.urls) != len(self._pieces):
            with suppress(PlatformError):
                self._platform.abort_upload(self._place.key, begun.upload_id)
            raise StoreError(
                f"the platform wants {self._file.path.name} in {len(begun.urls)} parts; it has {len(self._pieces)} of 50 MiB",
                "Nothing of it was sent. Its part size may have changed: update reson_jupyter, or ask the platform's support.",
            )
        return begun.upload_id, list(begun.urls), {}

    def _url(self, upload_id: str, piece: Piece) -> str:
        place = {
            "Bucket": self._place.bucket, "Key": self._place.key, "UploadId": upload_id, "PartNumber": piece.number,
        }  # fmt: skip
        return self._place.client.generate_presigned_url("upload_part", Params=place, ExpiresIn=_URL_SECONDS)

    def _bring(self, piece: Piece, url: str, there: Part | None, stop: _Stop) -> str:
        """Brings a part there, unless `stop` is set; returns its tag."""
        if stop.is_set():
            raise Stopped
        try:
            return self._sent(piece, url, there, stop)
        except Exception as error:
            # The others are not to begin, or go on, until somebody has seen this; what fails after a stop is no reason for it.
            if not stop.is_set():
                stop.reason = error
                stop.set()
            raise

    def _sent(self, piece: Piece, url: str, there: Part | None, stop: threading.Event) -> str:
        with self._file.path.open("rb") as file:
            file.seek(piece.start)
            if there is not None and there.holds(file, piece.bytes):
                self._count(piece.bytes, self._kept)
                return there.etag
            answer = self._platform.client.put(url, body(file, piece.bytes, self._file.moved.add, stop), stop)
        self._check(answer, piece)
        tag = answer.headers.get("ETag", "").strip('"')
        if not tag:
            raise StoreError(
                f"part {piece.number} of {self._file.path.name} was answered without a tag (ETag)",
                "A proxy in between removes it, and no upload can be completed without it; send without that proxy.",
            )
        return tag

    def _check(self, answer: requests.Response, piece: Piece) -> None:
        if 200 <= answer.status_code < 300:
            return
        found = _CODE.search(answer.text[:4096])
        said = f"{answer.status_code} {found[1]}" if found else f"{answer.status_code}"
        if answer.status_code in (403, 404):
            raise Lapsed(said)
        raise _PartRefused(
            f"the bucket refused part {piece.number} of {self._file.path.name} ({said})",
            "Try again; what it has is not sent again.",
        )

    def _complete(self, upload_id: str, tags: list[str]) -> None:
        expected = tag_of([Part(piece.number, piece.bytes, tag, None) for piece, tag in zip(self._pieces, tags, strict=True)])
        self._check_parts(upload_id)
        try:
            self._platform.complete_upload(self._place.key, upload_id, tags)
        except PlatformError as error:
            # Its answer may have been lost, or another uploader of the same content was quicker.
            if not self._is_there():
                if error.status in (404, 410):
                    raise Lapsed(str(error.status)) from None
                raise
        check(self._place, self._file.stamp.bytes, expected)

    def _check_parts(self, upload_id: str) -> None:
        """Makes sure that the bucket's own list of the parts says the same, where it can be had."""
        try:
            listed = parts_of(self._place, upload_id)
        except ClientError as error:
            if is_code(error, "NoSuchUpload"):
                raise Lapsed("NoSuchUpload") from None
            return
        missing = [
            piece.number for piece in self._pieces if piece.number not in listed or listed[piece.number].bytes != piece.bytes
        ]
        if missing:
            raise Lapsed(f"parts {', '.join(map(str, missing))} are not there")

    def _is_there(self) -> bool:
        with suppress(*FAILURES):  # what went wrong before is the one to tell of
            found = self._one(partial(head, self._place))
            return found is not None and found["ContentLength"] == self._file.stamp.bytes
        return False

    def _count(self, count: int, also: Counter | None = None) -> None:
        self._file.moved.add(count)
        if also is not None:
            also.add(count)

    def _one(self, work: Callable[[], T]) -> T:
        return finish([self._file.workers.submit(work, first=True)], self._file.look, lambda: None)[0]
