"""A store in an S3 bucket: AWS, Garage, or any other server that speaks S3."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event as Flag
from typing import TYPE_CHECKING, Any

from boto3.s3.transfer import TransferConfig, create_transfer_manager
from botocore.exceptions import ClientError
from s3transfer.subscribers import BaseSubscriber

from ...config import ResonTechConfig
from ...errors import NotFound, StoreError
from .base import ObjectInfo, Progress, UploadForm, check_key, check_prefix, stamp_of
from .body import Counter
from .multipart import PART_BYTES, FileUpload
from .s3_client import FAILURES, explain, is_code, make_client, wait
from .s3_upload import send
from .unfinished import Place, sweep
from .workers import Workers

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import CopySourceTypeDef
    from s3transfer.futures import TransferFuture
    from s3transfer.manager import TransferManager

# Over a long line each part costs the way there and back; nearby, more than four neither help nor harm.
THREADS = 8
# No signature of S3 is good for longer.
LONGEST_OFFER = 7 * 24 * 3600
_OFFERED_BYTES = 8 << 20
# Only below these may a bucket's unfinished uploads be removed; the rest may be anybody's.
_OURS = ("jobs/", "shards/sha256/")
# One request copies up to 5 GiB; before that it may take longer than a server, or a proxy before it, lets a request take.
# Without threads of boto3's: they cannot be begun any more while the main program ends, and an upload outlasts it.
_COPY = TransferConfig(
    multipart_threshold=1 << 30, multipart_chunksize=256 << 20, use_threads=False, preferred_transfer_client="classic"
)
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


class S3Store:
    """Objects in a bucket, under a prefix that may be "". Any thread may use it; nothing is requested before it is used.

    The secret key stays inside botocore. Bytes are checked on the way by the checksums that boto3 adds.

    Raises:
        StoreError: the bucket's name or the prefix cannot be right.
    """

    def __init__(self, bucket: str, prefix: str, connection: ResonTechConfig) -> None:
        if not _BUCKET.fullmatch(bucket):
            raise StoreError(f"{bucket!r} cannot be a bucket's name.", "Use s3://bucket or s3://bucket/prefix.")
        self.bucket = bucket
        self.prefix = f"{check_key(prefix)}/" if prefix else ""
        self.endpoint = connection.s3_endpoint
        # "garage" is a label of servers with an endpoint of their own; on AWS the AWS configuration names the region.
        named = connection.s3_region != "garage" or self.endpoint
        self._client = make_client(connection, connection.s3_region if named else None)
        self._lock = threading.Lock()
        self._manager: TransferManager | None = None
        self._workers = Workers(THREADS, "upload to a bucket")
        self._under_way: list[str] = []
        self._swept = False

    def __repr__(self) -> str:
        return f"S3Store({self.url!r}, endpoint={self.endpoint!r})"

    @property
    def url(self) -> str:
        """The URL that `open_store` opens this store from."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    def put(self, key: str, data: bytes, *, content_type: str = "application/octet-stream") -> None:
        """Stores `data` under `key`, over what was there."""
        with self._explained(f"{key} could not be stored", key):
            self._client.put_object(Bucket=self.bucket, Key=self._full(key), Body=data, ContentType=content_type)

    def put_file(
        self,
        key: str,
        path: Path,
        *,
        content_type: str = "application/octet-stream",
        progress: Progress | None = None,
        cancel: Flag | None = None,
        resume: bool = False,
    ) -> int:
        """Stores a file of any size under `key`, in parts of 16 MiB; `StoreError` when `cancel` is set or it changes meanwhile.

        With `resume` the key names the content: parts that an earlier attempt left are not sent again, and an attempt that is
        cut off leaves its own. Returns the bytes that were sent.
        """
        moved = Counter()

        def look() -> None:
            if cancel is not None and cancel.is_set():
                raise StoreError(f"The upload of {path.name} was stopped.", "It is not in the store.")
            if progress is not None and (count := moved.take()):
                progress(count)

        full = self._full(key)
        with self._explained(f"{path.name} could not be stored as {key}", key):
            place = Place(self._client, self.bucket, full)
            file = FileUpload(place, path, stamp_of(path), content_type, resume, self._workers, moved, look)
            self._under_way.append(full)
            try:
                sent = self._send(file)
            finally:
                self._under_way.remove(full)
        if file.in_parts:
            self._workers.submit(self._sweep)
        return sent

    def _send(self, file: FileUpload) -> int:
        """Brings one file there, and returns the bytes that were sent."""
        return send(file)

    def copy(self, source: str, key: str) -> None:
        """Stores under `key` what lies under `source`; the server copies it, a large object in parts. Raises `NotFound`."""
        origin: CopySourceTypeDef = {"Bucket": self.bucket, "Key": self._full(source)}
        full = self._full(key)
        # Without it a server may hand the checksum of an upload in parts on to a copy in one, which then seems damaged.
        extra = {"ChecksumAlgorithm": "CRC32"}
        with self._explained(f"{source} could not be copied to {key}", source):
            self._client.copy(origin, self.bucket, full, ExtraArgs=extra, Config=_COPY)

    def get(self, key: str) -> bytes:
        """Returns an object's bytes. Raises `NotFound`."""
        with self._explained(f"{key} could not be read", key):
            return self._client.get_object(Bucket=self.bucket, Key=self._full(key))["Body"].read()

    def get_if_changed(self, key: str, etag: str | None) -> tuple[bytes, str] | None:
        """Returns an object's bytes and tag in one request, or None while its tag still is `etag`. Raises `NotFound`."""
        full = self._full(key)
        with self._explained(f"{key} could not be read", key):
            try:
                if etag is None:
                    found = self._client.get_object(Bucket=self.bucket, Key=full)
                else:
                    found = self._client.get_object(Bucket=self.bucket, Key=full, IfNoneMatch=etag)
            except ClientError as error:
                if is_code(error, "304", "NotModified"):
                    return None
                raise
            return found["Body"].read(), found["ETag"]

    def get_file(self, key: str, path: Path, *, progress: Progress | None = None) -> None:
        """Writes an object to a file, which appears whole or not at all. Raises `NotFound`."""
        full = self._full(key)

        def start(subscriber: BaseSubscriber) -> TransferFuture:
            return self._downloads().download(self.bucket, full, str(path), subscribers=[subscriber])

        with self._explained(f"{key} could not be read into {path}", key):
            wait(start, progress)

    def stat(self, key: str) -> ObjectInfo | None:
        """Returns what is known of an object, or None if there is none."""
        try:
            with self._explained(f"{key} could not be looked up", key):
                found = self._client.head_object(Bucket=self.bucket, Key=self._full(key))
        except NotFound:
            return None
        return ObjectInfo(key, found["ContentLength"], found["ETag"])

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yields the objects whose keys start with `prefix`, in order of their keys."""
        full = self.prefix + check_prefix(prefix)
        with self._explained(f"{self.url} could not be listed", prefix):
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=full):
                for item in page.get("Contents", []):
                    yield ObjectInfo(item["Key"].removeprefix(self.prefix), item["Size"], item["ETag"])

    def delete(self, key: str) -> None:
        """Removes an object; none there is no error."""
        with self._explained(f"{key} could not be deleted", key):
            self._client.delete_object(Bucket=self.bucket, Key=self._full(key))

    def offer_uploads(self, prefix: str, seconds: int) -> UploadForm:
        """Returns a form to add objects of up to 8 MiB below `prefix` with; AWS and Garage take it for up to 7 days."""
        full = self.prefix + check_prefix(prefix)
        limits: list[Any] = [["starts-with", "$key", full], ["content-length-range", 0, _OFFERED_BYTES]]
        with self._explained(f"no upload below {prefix} could be offered", prefix):
            made = self._client.generate_presigned_post(
                self.bucket, f"{full}${{filename}}", Conditions=limits, ExpiresIn=min(seconds, LONGEST_OFFER)
            )
        fields = {name: value for name, value in made["fields"].items() if name != "key"}
        return UploadForm(made["url"], fields, full)

    def offer_download(self, key: str, seconds: int) -> str:
        """Returns a URL that gives one object to whoever has it, for up to 7 days."""
        place = {"Bucket": self.bucket, "Key": self._full(key)}
        with self._explained(f"no download of {key} could be offered", key):
            return self._client.generate_presigned_url("get_object", Params=place, ExpiresIn=min(seconds, LONGEST_OFFER))

    def _full(self, key: str) -> str:
        return check_key(self.prefix + check_key(key))

    def _downloads(self) -> TransferManager:
        with self._lock:
            if self._manager is None:
                config = TransferConfig(
                    multipart_threshold=PART_BYTES,
                    multipart_chunksize=PART_BYTES,
                    max_concurrency=THREADS,
                    preferred_transfer_client="classic",
                )
                self._manager = create_transfer_manager(self._client, config)
            return self._manager

    def _sweep(self) -> None:
        """Removes, once, what uploads left behind that were killed a day ago or earlier."""
        with self._lock:
            swept, self._swept = self._swept, True
        if not swept:
            with suppress(*FAILURES):  # not every server can list them, and not every key may
                for prefix in _OURS:
                    sweep(Place(self._client, self.bucket, self.prefix + prefix), self._under_way)

    @contextmanager
    def _explained(self, problem: str, key: str) -> Iterator[None]:
        """Turns every failure of a request into a `StoreError` that says what to do."""
        try:
            yield
        except FAILURES as error:
            if is_code(error, "404", "NoSuchKey", "NotFound"):
                raise NotFound(f"There is no {key} in {self.url}.") from None
            reason, hint = explain(error, bucket=self.bucket, endpoint=self.endpoint)
            raise StoreError(f"{problem}: {reason}.", hint) from None
