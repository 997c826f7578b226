"""Uploads by presigned URLs, into the account's bucket."""

from __future__ import annotations

import dataclasses
import functools
import math
import threading
from typing import Any

from botocore.exceptions import ClientError

from tests.servers import S3Endpoint, client_of

from .answers import Refused, invalid
from .bodies import UploadAbort, UploadComplete, UploadInit
from .bucket import client_at

PART_BYTES = 50 << 20
_URL_SECONDS = 15 * 60


class Uploads:
    """What is being uploaded.

    Args:
        inside: The bucket's server as the platform reaches it.
        outside: The same, as everybody else does: presigned URLs name it.
    """

    def __init__(self, inside: S3Endpoint, outside: S3Endpoint) -> None:
        self._bucket = inside.bucket
        self._client = client_at(dataclasses.replace(inside, bucket=""))
        self._outside = outside
        # Real stores end an upload in one go; moto answers 500 where two ends of the same meet.
        self._ending = threading.Lock()

    @property
    def unfinished(self) -> list[str]:
        """The keys of uploads that were begun and neither completed nor aborted, whoever began them."""
        found = self._client.list_multipart_uploads(Bucket=self._bucket).get("Uploads", [])
        return [upload["Key"] for upload in found]

    @functools.cached_property
    def _signer(self) -> Any:
        return client_of(self._outside)

    def init(self, body: UploadInit) -> dict[str, object]:
        """Begins an upload; the size tells the number of parts."""
        if body.key in self.unfinished:
            # The store never collects them, and does not begin another on the same key.
            raise Refused(409, "upload_in_progress", f"An upload of {body.key} is unfinished", "Abort it first.")
        made = self._client.create_multipart_upload(Bucket=self._bucket, Key=body.key, ContentType=body.contentType)
        urls = [
            self._signer.generate_presigned_url(
                "upload_part",
                Params={"Bucket": self._bucket, "Key": body.key, "UploadId": made["UploadId"], "PartNumber": number},
                ExpiresIn=_URL_SECONDS,
            )
            for number in range(1, math.ceil(body.size / PART_BYTES) + 1)
        ]
        return {"uploadId": made["UploadId"], "urls": urls}

    def complete(self, body: UploadComplete) -> None:
        """Makes an object of the parts that are named, however many they are."""
        parts = [{"PartNumber": part.PartNumber, "ETag": f'"{part.ETag}"'} for part in body.parts]
        try:
            with self._ending:
                self._client.complete_multipart_upload(
                    Bucket=self._bucket, Key=body.key, UploadId=body.uploadId, MultipartUpload={"Parts": parts}
                )
        except ClientError as error:
            raise _as_refused(error) from None

    def abort(self, body: UploadAbort) -> None:
        """Drops an upload."""
        try:
            with self._ending:
                self._client.abort_multipart_upload(Bucket=self._bucket, Key=body.key, UploadId=body.uploadId)
        except ClientError as error:
            raise _as_refused(error) from None


def _as_refused(error: ClientError) -> Refused:
    code = error.response["Error"]["Code"]
    return Refused(404, "upload_not_found", "There is no such upload") if code == "NoSuchUpload" else invalid(code)
