"""The account's bucket: the shards go there through the platform's presigned URLs, everything else by the account's own keys."""

from __future__ import annotations

from pathlib import Path
from threading import Event as Flag

from ...config import ResonTechConfig
from ...errors import PlatformError, StoreError
from ..store.base import Progress, stamp_of
from ..store.body import Counter
from ..store.multipart import FileUpload
from ..store.s3 import S3Store
from ..store.unfinished import Place
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
        """Stores a file under `key`; with `resume` (the key names the content) through the platform, if it takes the key."""
        if resume:
            try:
                return self._put_presigned(key, path, content_type, progress, cancel)
            except NotTaken:
                pass
        return super().put_file(key, path, content_type=content_type, progress=progress, cancel=cancel, resume=resume)

    def _put_presigned(
        self, key: str, path: Path, content_type: str, progress: Progress | None, cancel: Flag | None
    ) -> int:  # fmt: skip
        moved = Counter()

        def look() -> None:
            if cancel is not None and cancel.is_set():
                raise StoreError(f"The upload of {path.name} was stopped.", "What was sent of it is not sent again.")
            if progress is not None and (count := moved.take()):
                progress(count)

        full = self._full(key)
        with self._explained(f"{path.name} could not be stored as {key}", key):
            place = Place(self._client, self.bucket, full)
            file = FileUpload(place, path, stamp_of(path), content_type, True, self._workers, moved, look)
            self._under_way.append(full)
            try:
                sent = PresignedUpload(self._platform, file).send()
            except PlatformError as error:
                raise StoreError(f"{path.name} could not be stored: {error.message}", error.hint) from None
            finally:
                self._under_way.remove(full)
        self._workers.submit(self._sweep)
        return sent
