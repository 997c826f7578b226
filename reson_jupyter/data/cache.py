"""The decoded images that local runs keep on this machine, so that the next run of the same shards need not decode them again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ..card import html_root
from ..home import home
from ..table import html_table, text_table
from ..units import size
from .balance import shortened
from .digests import path_of

_TITLES = ("shard", "img_size", "size", "last used")
_NUMBERS = ("size",)


@dataclass(frozen=True)
class CachedImages:
    """The decoded images of one shard in one size.

    Attributes:
        path: The file.
        bytes: Its size.
        used: When a run last used it, in seconds since 1970.
    """

    path: Path
    bytes: int
    used: float

    @property
    def sha256(self) -> str:
        """The shard's digest, in hex."""
        return self.path.name.partition("-")[0]

    @property
    def kind(self) -> str:
        """Pixels of each side, and how the images were read, such as "224" or "224 exact"."""
        size, *exact = self.path.name.split("-")[1:-1]
        return " ".join([size, *exact])


class ImageCache(tuple[CachedImages, ...]):
    """What is kept, the last used first. When there is too much of it, a run drops what was not used for the longest time."""

    @property
    def bytes(self) -> int:
        """The size of it all."""
        return sum(images.bytes for images in self)

    def clear(self) -> int:
        """Deletes what no run is using, and returns how many bytes that were."""
        from ..worker.image_cache import _rt_remove  # numpy with it, which an import of this package should not wait for

        return sum(images.bytes for images in self if _rt_remove(str(images.path)))

    def __repr__(self) -> str:
        return "\n".join([self._headline(), *([text_table(_TITLES, self._rows(), _NUMBERS)] if self else [])])

    def _repr_html_(self) -> str:
        table = html_table(_TITLES, self._rows(), _NUMBERS) if self else ""
        return html_root(f"<b>{self._headline()}</b>{table}")

    def _headline(self) -> str:
        return f"Decoded images kept on this machine: {size(self.bytes) if self else 'none'}"

    def _rows(self) -> list[tuple[str, ...]]:
        return [
            (
                self._shard(images.sha256),
                images.kind,
                size(images.bytes),
                datetime.fromtimestamp(images.used).strftime("%Y-%m-%d %H:%M"),
            )
            for images in self
        ]

    @staticmethod
    def _shard(sha256: str) -> str:
        path = path_of(sha256)
        return f"{shortened(path.name)} ({sha256[:12]})" if path else sha256[:12]


def image_cache() -> ImageCache:
    """Returns what this machine keeps of decoded images for local runs; `image_cache().clear()` deletes it."""
    folder = home() / "cache" / "images"
    return ImageCache(sorted(_found(folder), key=lambda images: images.used, reverse=True) if folder.is_dir() else ())


def _found(folder: Path) -> Iterator[CachedImages]:
    from ..worker.image_cache import _rt_cache_files

    for path in _rt_cache_files(str(folder)):
        with suppress(FileNotFoundError):  # a run may drop it meanwhile
            status = os.stat(path)
            yield CachedImages(Path(path), status.st_size, status.st_mtime)
