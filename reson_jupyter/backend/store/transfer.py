"""Sending a run's files: a plan with its total first, then one object after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event as Flag

from ...errors import StoreError
from .base import ObjectInfo, Store, check_key

UploadProgress = Callable[[int, int, str], None]
"""Called in the uploading thread with the bytes done, the bytes in all, and the key under way."""


@dataclass(frozen=True)
class Upload:
    """One object to be: its key, its content type, and its bytes, their file, or an object that has them already."""

    key: str
    source: bytes | Path | ObjectInfo
    content_type: str = "application/octet-stream"


def upload(store: Store, items: Sequence[Upload], *, progress: UploadProgress | None = None, cancel: Flag | None = None) -> int:
    """Stores all items in their order and returns the number of bytes.

    Every source is looked at before the first byte is sent. Cancelled or interrupted, it stops within a second: what was
    stored before stays, the object under way never becomes visible.

    Args:
        store: Where to.
        items: What, in this order.
        progress: Told of the bytes; at least once for each item.
        cancel: Set by another thread to stop.

    Raises:
        StoreError: a source cannot be read, the store refused, or `cancel` was set.
    """
    total = sum(_size(item) for item in items)
    done = 0
    for item in items:
        if cancel is not None and cancel.is_set():
            raise StoreError("The upload was stopped.", f"{item.key} and what follows it was not stored.")
        sent = _Sent(done, total, item.key, progress)
        sent(0)
        if isinstance(item.source, bytes):
            store.put(item.key, item.source, content_type=item.content_type)
            sent(len(item.source))
        elif isinstance(item.source, ObjectInfo):
            store.copy(item.source.key, item.key)
            sent(item.source.bytes)
        else:
            store.put_file(item.key, item.source, content_type=item.content_type, progress=sent, cancel=cancel)
        done = sent.done
    return done


class _Sent:
    """Adds up the bytes of the item under way."""

    def __init__(self, done: int, total: int, key: str, progress: UploadProgress | None) -> None:
        self.done = done
        self._total = total
        self._key = key
        self._progress = progress

    def __call__(self, moved: int) -> None:
        self.done += moved
        if self._progress is not None:
            self._progress(self.done, self._total, self._key)


def _size(item: Upload) -> int:
    check_key(item.key)
    if isinstance(item.source, bytes):
        return len(item.source)
    if isinstance(item.source, ObjectInfo):
        return item.source.bytes
    try:
        if item.source.is_file():
            return item.source.stat().st_size
    except OSError:
        pass
    raise StoreError(f"{item.source} is not a file that can be read, so nothing was uploaded.", "Check the path.")
