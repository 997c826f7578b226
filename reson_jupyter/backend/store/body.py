"""The bytes of one request: a piece of a file, counted as it goes, and stoppable in the middle."""

from __future__ import annotations

import base64
import hashlib
import threading
import zlib
from collections.abc import Iterator
from threading import Event as Flag
from typing import IO, BinaryIO, cast

from s3transfer.utils import ReadFileChunk

from .base import Progress

_BLOCK = 1 << 20


class Stopped(BaseException):
    """Nothing more can be read. No `Exception`: botocore would take it for a broken line, wait, and try again."""


def body(file: BinaryIO, size: int, moved: Progress, stop: Flag) -> IO[bytes]:
    """Returns what botocore sends. When it begins again after a failure, what it had sent counts as not sent.

    Args:
        file: An open file that stands where the piece begins.
        size: The piece's bytes.
        moved: Told of everything that is sent.
        stop: Once set, nothing more is read from here.
    """
    # It has what botocore needs of a file.
    return cast("IO[bytes]", _Body(file, size, moved, stop))


class _Body(ReadFileChunk):
    def __init__(self, file: BinaryIO, size: int, moved: Progress, stop: Flag) -> None:
        def count(bytes_transferred: int) -> None:
            moved(bytes_transferred)

        super().__init__(file, size, file.tell() + size, callbacks=[count], enable_callbacks=True)
        self._stop = stop

    def read(self, amount: int | None = None) -> bytes:
        """Returns the next bytes. Raises `Stopped`, also where the file has become shorter."""
        data = b"" if self._stop.is_set() else super().read(amount)
        # The server would wait for the rest, and we for the server.
        if not data and self.tell() < len(self):
            raise Stopped
        return data


class Counter:
    """Bytes that threads have moved, for the thread that tells of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._news = 0
        self.total = 0

    def add(self, count: int) -> None:
        """Counts bytes; negative: they have to be moved again."""
        with self._lock:
            self._news += count
            self.total += count

    def take(self) -> int:
        """Returns what was counted since the last call."""
        with self._lock:
            news, self._news = self._news, 0
        return news


def crc32(file: BinaryIO, size: int) -> str:
    """Returns the CRC32 of a file's next bytes as S3 writes it; the file stands where it stood afterwards."""
    checksum = 0
    for block in _blocks(file, size):
        checksum = zlib.crc32(block, checksum)
    return base64.b64encode(checksum.to_bytes(4, "big")).decode()


def md5(file: BinaryIO, size: int) -> str:
    """Returns the MD5 of a file's next bytes in hex, which most servers use as tag; the file stands where it stood."""
    digest = hashlib.md5(usedforsecurity=False)
    for block in _blocks(file, size):
        digest.update(block)
    return digest.hexdigest()


def _blocks(file: BinaryIO, size: int) -> Iterator[bytes]:
    start = file.tell()
    while block := file.read(min(_BLOCK, size - (file.tell() - start))):
        yield block
    file.seek(start)
