"""A large file's way into a bucket: in parts, side by side, and from where an earlier attempt was cut off."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event as Flag
from typing import TYPE_CHECKING, TypeVar

from botocore.exceptions import ClientError

from ...errors import StoreError
from .base import Stamp, changed, is_as
from .body import Counter, Stopped, body, crc32
from .s3_client import FAILURES, is_code
from .stored import check, head, tag, tag_of
from .unfinished import Part, Place, abort, newest, parts_of
from .workers import Workers, finish

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import CompletedMultipartUploadTypeDef

T = TypeVar("T")

PART_BYTES = 16 << 20
MAX_PARTS = 10_000
# How often parts that the server lost, or holds with another size, are sent again.
_ROUNDS = 3
_ABORT_SECONDS = 0.2


@dataclass(frozen=True)
class Piece:
    """A part to be: its number from 1, where it begins in the file, and its bytes."""

    number: int
    start: int
    bytes: int


def cut(size: int) -> list[Piece]:
    """Returns the parts of a file of so many bytes: always the same ones, so that parts of an earlier attempt fit."""
    least = -(-size // MAX_PARTS)
    step = max(PART_BYTES, -(-least >> 20 << 20))
    return [Piece(number, start, min(step, size - start)) for number, start in enumerate(range(0, size, step), start=1)]


@dataclass(frozen=True)
class FileUpload:
    """A file, the place of its object, and who carries it there.

    Attributes:
        place: Where the object is to be.
        path: The file.
        stamp: How it was before.
        content_type: The object's MIME type.
        resume: Whether the key names the content, so that what an earlier attempt left can be used.
        workers: The threads that send.
        moved: Counts the bytes.
        look: Called all the while in the thread that waits; what it raises ends the upload.
    """

    place: Place
    path: Path
    stamp: Stamp
    content_type: str
    resume: bool
    workers: Workers
    moved: Counter
    look: Callable[[], None]

    @property
    def in_parts(self) -> bool:
        """Whether it is too large to be sent in one."""
        return self.stamp.bytes > PART_BYTES

    @property
    def is_unchanged(self) -> bool:
        """Whether the file is as it was."""
        return is_as(self.path, self.stamp)


class Attempt:
    """One attempt to send a file in parts; `run` may be called once."""

    def __init__(self, upload: FileUpload) -> None:
        self._upload = upload
        self._place = upload.place
        self._stop = Flag()
        self._kept = Counter()
        self._sending: list[Future[Part]] = []

    @property
    def sent(self) -> int:
        """The bytes that were sent, as opposed to those that were there."""
        return self._upload.moved.total - self._kept.total

    def run(self) -> None:
        """Sends what the server does not have and makes the object of it.

        Raises:
            StoreError: the file changed meanwhile, or the server does not keep its parts.
            ClientError: whatever the server says; NoSuchUpload when it has forgotten the upload.
        """
        upload_id, there = self._one(self._begin)
        try:
            self._bring_all(upload_id, there)
        except BaseException as error:
            unchanged = self._upload.is_unchanged
            if not (self._upload.resume and unchanged):
                self._abort(upload_id)
            if isinstance(error, Exception | Stopped) and not unchanged:
                raise changed(self._upload.path) from None
            raise

    def _begin(self) -> tuple[str, dict[int, Part]]:
        if self._upload.resume:
            # Not every server can list them, and not every key may.
            with suppress(ClientError):
                if found := newest(self._place):
                    return found, parts_of(self._place, found)
        begun = self._place.client.create_multipart_upload(
            Bucket=self._place.bucket, Key=self._place.key, ContentType=self._upload.content_type, ChecksumAlgorithm="CRC32"
        )
        if self._stop.is_set():  # nobody waits for the answer any more
            abort(self._place, begun["UploadId"])
        return begun["UploadId"], {}

    def _bring_all(self, upload_id: str, there: dict[int, Part]) -> None:
        """Brings all parts there and makes the object; parts that the server then turns out not to have are sent again."""
        pieces = wanting = cut(self._upload.stamp.bytes)
        parts: dict[int, Part] = {}
        for _ in range(_ROUNDS):
            sent = self._all([partial(self._bring, upload_id, piece, there.get(piece.number)) for piece in wanting])
            parts |= {part.number: part for part in sent}
            if not self._upload.is_unchanged:
                raise changed(self._upload.path)
            if self._one(partial(self._complete, upload_id, [parts[piece.number] for piece in pieces])):
                return
            # Only now, for a list costs the way there and back.
            listed = self._one(partial(self._listed, upload_id))
            wanting = [piece for piece in pieces if not _same(listed.get(piece.number), parts[piece.number], piece)]
            there = {}
            self._upload.moved.add(-sum(piece.bytes for piece in wanting))
        raise StoreError(f"The server does not keep the parts of {self._upload.path.name}.", "Ask the server's operator.")

    def _bring(self, upload_id: str, piece: Piece, there: Part | None) -> Part:
        with self._upload.path.open("rb") as file:
            file.seek(piece.start)
            if there is not None and there.holds(file, piece.bytes):
                self._kept.add(piece.bytes)
                self._upload.moved.add(piece.bytes)
                return there
            answer = self._place.client.upload_part(
                Bucket=self._place.bucket,
                Key=self._place.key,
                UploadId=upload_id,
                PartNumber=piece.number,
                ChecksumCRC32=crc32(file, piece.bytes),
                Body=body(file, piece.bytes, self._upload.moved.add, self._stop),
            )
        return Part(piece.number, piece.bytes, answer.get("ETag", "").strip('"'), answer.get("ChecksumCRC32"))

    def _listed(self, upload_id: str) -> dict[int, Part]:
        with suppress(ClientError):  # not every key may list them; then everything is sent again
            return parts_of(self._place, upload_id)
        return {}

    def _complete(self, upload_id: str, parts: list[Part]) -> bool:
        """Makes the object; False if the server does not have all parts as they were sent."""
        whole: CompletedMultipartUploadTypeDef = {"Parts": [part.completed() for part in parts]}
        try:
            self._place.client.complete_multipart_upload(
                Bucket=self._place.bucket, Key=self._place.key, UploadId=upload_id, MultipartUpload=whole
            )
        except ClientError as error:
            if is_code(error, "InvalidPart"):
                return False
            # Forgotten also means completed: the answer was lost, or another uploader of the same content was quicker.
            if not is_code(error, "NoSuchUpload") or tag(head(self._place)) != tag_of(parts):
                raise
        check(self._place, self._upload.stamp.bytes, tag_of(parts))
        return True

    def _abort(self, upload_id: str) -> None:
        """Removes the parts: once nobody sends any more, or some would be stored after it."""

        def work() -> None:
            wait(self._sending)
            with suppress(*FAILURES):
                abort(self._place, upload_id)

        wait([self._upload.workers.submit(work)], _ABORT_SECONDS)

    def _one(self, work: Callable[[], T]) -> T:
        return finish([self._upload.workers.submit(work, first=True)], self._upload.look, self._stop.set)[0]

    def _all(self, works: list[Callable[[], Part]]) -> list[Part]:
        self._sending = [self._upload.workers.submit(work) for work in works]
        return finish(self._sending, self._upload.look, self._stop.set)


def _same(listed: Part | None, sent: Part, piece: Piece) -> bool:
    return listed is not None and (listed.bytes, listed.etag) == (piece.bytes, sent.etag)
