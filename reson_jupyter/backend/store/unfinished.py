"""Uploads in parts that never came to their end: the parts that are there can be used, and old ones are removed."""

from __future__ import annotations

import datetime
import threading
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from .body import crc32, md5

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef, MultipartUploadTypeDef, PartTypeDef

_STALE = datetime.timedelta(days=1)
# For its first paginator botocore looks through all its services: every thread for itself, if several ask at once.
_LOADING = threading.Lock()


@dataclass(frozen=True)
class Place:
    """Where an object is to be, or a prefix of such places."""

    client: S3Client
    bucket: str
    key: str


@dataclass(frozen=True)
class Part:
    """A part that the server has: its number from 1, its size, its tag, and its CRC32 if the server keeps one."""

    number: int
    bytes: int
    etag: str
    crc32: str | None

    def holds(self, file: BinaryIO, size: int) -> bool:
        """Whether it is the file's next bytes, as far as its checksum or its tag tells."""
        if self.bytes != size:
            return False
        return self.crc32 == crc32(file, size) if self.crc32 else self.etag == md5(file, size)

    def completed(self) -> CompletedPartTypeDef:
        """What the server wants to hear of it in the end."""
        part: CompletedPartTypeDef = {"PartNumber": self.number, "ETag": f'"{self.etag}"'}
        return {**part, "ChecksumCRC32": self.crc32} if self.crc32 else part


def newest(place: Place) -> str | None:
    """Returns the id of the newest unfinished upload of exactly this key, if any."""
    found = [item for item in _uploads(place) if item["Key"] == place.key]
    return max(found, key=lambda item: item["Initiated"])["UploadId"] if found else None


def parts_of(place: Place, upload_id: str) -> dict[int, Part]:
    """Returns the parts that an upload has so far, by number."""
    return {
        part["PartNumber"]: Part(part["PartNumber"], part["Size"], part["ETag"].strip('"'), part.get("ChecksumCRC32"))
        for part in _parts(place, upload_id)
    }


def abort(place: Place, upload_id: str) -> None:
    """Removes an unfinished upload and its parts."""
    place.client.abort_multipart_upload(Bucket=place.bucket, Key=place.key, UploadId=upload_id)


def sweep(below: Place, under_way: Collection[str]) -> None:
    """Removes the uploads below a prefix to which nothing has been added for a day, but for those of the keys under way."""
    before = datetime.datetime.now(datetime.UTC) - _STALE
    for item in list(_uploads(below)):
        if item["Key"] in under_way:
            continue
        place = Place(below.client, below.bucket, item["Key"])
        # A large file over a slow line takes more than a day, too.
        if item["Initiated"] < before and all(part["LastModified"] < before for part in _parts(place, item["UploadId"])):
            abort(place, item["UploadId"])


def _uploads(below: Place) -> Iterator[MultipartUploadTypeDef]:
    with _LOADING:
        paginator = below.client.get_paginator("list_multipart_uploads")
    for page in paginator.paginate(Bucket=below.bucket, Prefix=below.key):
        yield from page.get("Uploads", [])


def _parts(place: Place, upload_id: str) -> Iterator[PartTypeDef]:
    with _LOADING:
        paginator = place.client.get_paginator("list_parts")
    for page in paginator.paginate(Bucket=place.bucket, Key=place.key, UploadId=upload_id):
        yield from page.get("Parts", [])
