"""A file's way into a bucket, small or large."""

from __future__ import annotations

import io
from contextlib import suppress
from functools import partial
from threading import Event as Flag

from botocore.exceptions import ClientError

from .base import changed
from .body import body, crc32
from .multipart import Attempt, FileUpload
from .s3_client import is_code
from .stored import check, head, tag
from .workers import finish

_ATTEMPTS = 3


def send(upload: FileUpload) -> int:
    """Stores a file and returns the bytes that were sent.

    Raises:
        StoreError: the file changed meanwhile, or the object is not as it was sent.
        ClientError: whatever the server says.
    """
    upload.look()
    if not upload.in_parts:
        stop = Flag()
        finish([upload.workers.submit(partial(_send_whole, upload, stop), first=True)], upload.look, stop.set)
        return upload.stamp.bytes
    sent = 0
    for last in (*[False] * (_ATTEMPTS - 1), True):
        attempt = Attempt(upload)
        try:
            attempt.run()
            return sent + attempt.sent
        except ClientError as error:
            sent += attempt.sent
            # Another uploader of the same content, with whom this one shared the parts, may have been quicker.
            if upload.resume and _is_there(upload):
                upload.moved.add(upload.stamp.bytes - upload.moved.total)
                return sent
            # A server may forget what was begun.
            if last or not is_code(error, "NoSuchUpload"):
                raise
            upload.moved.add(-upload.moved.total)
    raise AssertionError("the last attempt returns or raises")


def _send_whole(upload: FileUpload, stop: Flag) -> None:
    # Held in memory, what is sent is what was looked at, whatever becomes of the file.
    data = upload.path.read_bytes()
    if len(data) != upload.stamp.bytes or not upload.is_unchanged:
        raise changed(upload.path)
    file = io.BytesIO(data)
    answer = upload.place.client.put_object(
        Bucket=upload.place.bucket,
        Key=upload.place.key,
        ContentType=upload.content_type,
        ChecksumCRC32=crc32(file, len(data)),
        Body=body(file, len(data), upload.moved.add, stop),
    )
    check(upload.place, len(data), tag(answer))


def _is_there(upload: FileUpload) -> bool:
    with suppress(ClientError):  # what went wrong before is the one to tell of
        found = head(upload.place)
        return found is not None and found["ContentLength"] == upload.stamp.bytes
    return False
