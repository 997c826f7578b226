"""The account's bucket: the shards go there through the platform's presigned URLs, everything else by the account's own keys."""

from __future__ import annotations

from ...config import ResonTechConfig
from ...errors import PlatformError, StoreError
from ..store.multipart import FileUpload
from ..store.s3 import S3Store
from .api import Platform
from .uploads import NotTaken, PresignedUpload

_KEYS = "They are on the platform's pages, Profile -> Storage: set RESON_S3_KEY and RESON_S3_SECRET."


class PlatformStore(S3Store):
    """A bucket whose large immutable objects, the shards, go through the platform. Any thread may use it.

    Args:
        bucket: The account's bucket.
        connection: Its endpoint and keys.
        platform: Where its presigned URLs come from.

    Raises:
        StoreError: the keys, or the bucket's name, cannot be right.
    """

    def __init__(self, bucket: str, connection: ResonTechConfig, platform: Platform) -> None:
        if not connection.s3_access_key_id:
            raise StoreError("the keys of the account's bucket are not set", _KEYS)
        if not connection.s3_endpoint:
            raise StoreError(
                f"nobody knows the address of the bucket that belongs to {connection.base_url}", "Set RESON_S3_ENDPOINT to it."
            )
        super().__init__(bucket, "", connection)
        self._platform = platform

    def _send(self, file: FileUpload) -> int:
        """Brings one file there: what the key names the content of through the platform, if that takes the key."""
        if file.resume:
            try:
                return PresignedUpload(self._platform, file).send()
            except NotTaken:
                pass
            except PlatformError as error:
                raise StoreError(f"{file.path.name} could not be stored: {error.message}", error.hint) from None
        return super()._send(file)
