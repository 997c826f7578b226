"""Whether a bucket has what was sent to it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from ...errors import StoreError
from .s3_client import is_code
from .unfinished import Part, Place

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef

_DIGEST = re.compile(r"[0-9a-f]{32}")


def head(place: Place) -> HeadObjectOutputTypeDef | None:
    """Returns what the server says of an object, or None if there is none."""
    try:
        return place.client.head_object(Bucket=place.bucket, Key=place.key)
    except ClientError as error:
        if is_code(error, "404", "NoSuchKey", "NotFound"):
            return None
        raise


def check(place: Place, size: int, expected: str) -> None:
    """Compares an object that was just stored with what was sent.

    Args:
        place: Where it should be.
        size: Its bytes.
        expected: Its tag, where that can be told.

    Raises:
        StoreError: it is not there, or is another one.
    """
    found = head(place)
    if found is None or found["ContentLength"] != size or (_is_like(found, expected) and tag(found) != expected):
        raise StoreError(
            f"{place.key} is not in the bucket as it was sent.", "Somebody may be deleting or replacing it; send it again."
        )


def tag(found: Mapping[str, Any] | None) -> str:
    """Returns the tag in a server's answer, or ""."""
    return str(found.get("ETag", "")).strip('"') if found else ""


def tag_of(parts: Sequence[Part]) -> str:
    """Returns the tag that most servers give to an object of these parts; "-" if theirs are no digests."""
    tags = [part.etag for part in parts]
    if not all(_DIGEST.fullmatch(tag) for tag in tags):
        return "-"
    return f"{hashlib.md5(bytes.fromhex(''.join(tags)), usedforsecurity=False).hexdigest()}-{len(tags)}"


def _is_like(found: HeadObjectOutputTypeDef, expected: str) -> bool:
    """Whether an object's tag is made as the expected one is, so that the two can be compared."""
    # The tag of an object that is encrypted with a key of its owner is no digest of its bytes.
    if "SSECustomerAlgorithm" in found or "kms" in found.get("ServerSideEncryption", ""):
        return False
    return _DIGEST.sub("", tag(found)) == _DIGEST.sub("", expected)
