"""What a store can do. A store holds immutable or overwritten objects under keys, as S3 does."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event as Flag
from typing import Protocol

from ...errors import StoreError

Progress = Callable[[int], None]
"""Called in the caller's thread with the number of bytes that have just been moved; negative when a part is sent again."""

MAX_KEY_BYTES = 1024
MAX_PART_BYTES = 255


@dataclass(frozen=True)
class ObjectInfo:
    """One stored object: its key, its size in bytes, and a tag that changes with its content."""

    key: str
    bytes: int
    etag: str

    @property
    def name(self) -> str:
        """The last part of the key."""
        return self.key.rpartition("/")[2]


@dataclass(frozen=True)
class UploadForm:
    """What lets somebody without keys add objects below one prefix, and nothing else: a form for a browser's POST.

    Attributes:
        url: Where it is posted to.
        fields: What goes with it, besides "key" and "file"; it is a secret for as long as it is good.
        prefix: What every key has to start with, as the bucket has it.
    """

    url: str
    fields: Mapping[str, str] = field(repr=False)
    prefix: str


@dataclass(frozen=True)
class Stamp:
    """By what a change of a file shows without reading it."""

    bytes: int
    mtime_ns: int
    inode: int


def stamp_of(path: Path) -> Stamp:
    """Returns a file's stamp. Raises `OSError`."""
    found = path.stat()
    return Stamp(found.st_size, found.st_mtime_ns, found.st_ino)


def is_as(path: Path, before: Stamp) -> bool:
    """Whether a file is as it was."""
    try:
        return stamp_of(path) == before
    except OSError:
        return False


def changed(path: Path) -> StoreError:
    """Returns the error of a file that did not stay as it was while it was sent."""
    return StoreError(f"{path} has changed while it was sent, so it was not stored.", "Send it again when it stays as it is.")


class Store(Protocol):
    """Objects under keys. Keys are relative, with "/" between parts.

    A reader sees an object whole or not at all: an interrupted `put` or `put_file` leaves the old object, or none.
    No method depends on conditional writes, which some S3 servers ignore silently (Garage 1.2).
    Every failure is a `StoreError` that names the key and what to do.
    """

    @property
    def url(self) -> str:
        """The URL that `open_store` opens this store from, such as "file:///data/reson" or "s3://bucket"."""

    def put(self, key: str, data: bytes, *, content_type: str = "application/octet-stream") -> None:
        """Stores `data` under `key`, over what was there."""

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
        """Stores a file of any size under `key` and returns the bytes that were sent.

        A file that changes meanwhile is a `StoreError` and nothing becomes visible; so it is soon after `cancel` is set.
        With `resume` the key names the content: what an attempt that was cut off left in the store is used, and left there
        by this one if it is cut off; it counts as moved, not as sent.
        """

    def copy(self, source: str, key: str) -> None:
        """Stores under `key` what lies under `source`; the bytes do not come here. Raises `NotFound`."""

    def get(self, key: str) -> bytes:
        """Returns an object's bytes. Raises `NotFound`."""

    def get_if_changed(self, key: str, etag: str | None) -> tuple[bytes, str] | None:
        """Returns an object's bytes and tag in one request, or None while its tag still is `etag`. Raises `NotFound`."""

    def get_file(self, key: str, path: Path, *, progress: Progress | None = None) -> None:
        """Writes an object to a file, which appears whole or not at all. Raises `NotFound`."""

    def stat(self, key: str) -> ObjectInfo | None:
        """Returns what is known of an object, or None if there is none."""

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yields the objects whose keys start with `prefix`, in order of their keys."""

    def delete(self, key: str) -> None:
        """Removes an object; none there is no error."""

    def offer_uploads(self, prefix: str, seconds: int) -> UploadForm | None:
        """Returns a form to add objects below `prefix` with; None if no other machine could reach this store."""

    def offer_download(self, key: str, seconds: int) -> str | None:
        """Returns a URL that gives one object to whoever has it; None if no other machine could reach this store."""


def check_key(key: str) -> str:
    """Returns `key` if every kind of store can hold it: relative, no ".." or empty parts, NFC, no control characters.

    Raises:
        StoreError: any other key.
    """
    problem = _key_problem(key)
    if problem:
        raise StoreError(f"{key!r} cannot be the name of a stored object: {problem}.", "Use names such as jobs/a/b.json.")
    return key


def check_prefix(prefix: str) -> str:
    """Returns `prefix` if some allowed key could start with it; "" is every key.

    Raises:
        StoreError: no allowed key starts with it.
    """
    # "jobs/a", "jobs/" and "jobs/." all start allowed keys; a letter at the end completes the last two.
    if prefix:
        check_key(f"{prefix}x")
    return prefix


def _key_problem(key: str) -> str | None:
    try:
        encoded = key.encode()
    except UnicodeEncodeError:
        return "it is not valid Unicode"
    parts = key.split("/")
    if "" in parts:
        return "a part of it is empty"
    if "." in parts or ".." in parts:
        return "it has a part that is . or .."
    if "\\" in key or any(ord(char) < 32 or ord(char) == 127 for char in key):
        return "it has a backslash or a control character"
    if not unicodedata.is_normalized("NFC", key):
        return "it is not in Unicode normal form C"
    if len(encoded) > MAX_KEY_BYTES or any(len(part.encode()) > MAX_PART_BYTES for part in parts):
        return f"it is longer than {MAX_KEY_BYTES} bytes, or a part of it than {MAX_PART_BYTES}"
    return None
