"""What an upload will send, known before it begins."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ...errors import StoreError
from .base import ObjectInfo, Stamp, Store, check_key, stamp_of
from .rates import rate_of
from .workers import Workers, finish

REQUESTS_AT_ONCE = 8


@dataclass(frozen=True)
class Upload:
    """One object to be.

    Attributes:
        key: Its key.
        source: Its bytes, their file, or an object of the store that has them already and is copied there.
        content_type: Its MIME type.
        once: The key names the content. What is there with the same size is not sent, and an upload that was cut off is
            taken up where it ended.
    """

    key: str
    source: bytes | Path | ObjectInfo
    content_type: str = "application/octet-stream"
    once: bool = False


@dataclass(frozen=True)
class Plan:
    """What is to be sent and what is in the store already.

    Attributes:
        new: What will be sent or copied, in the order given.
        there: What is in the store already.
        sizes: The bytes of each item, by key.
        stamps: How each item's file was when it was looked at, by key.
        rate: Bytes per second of earlier uploads to this store; None: unknown.
    """

    new: tuple[Upload, ...]
    there: tuple[Upload, ...]
    sizes: Mapping[str, int]
    stamps: Mapping[str, Stamp]
    rate: float | None

    @property
    def bytes(self) -> int:
        """The bytes of everything, whether it is sent or not."""
        return sum(self.sizes.values())

    @property
    def new_bytes(self) -> int:
        """The bytes that will be sent; what is copied within the store is not."""
        return sum(self.to_send(item) for item in self.new)

    @property
    def seconds(self) -> float | None:
        """How long that will take, by earlier uploads to this store; None: unknown."""
        return None if self.rate is None else self.new_bytes / self.rate

    def to_send(self, item: Upload) -> int:
        """Returns the bytes that must travel for an item: none for a copy."""
        return 0 if isinstance(item.source, ObjectInfo) else self.sizes[item.key]

    def __str__(self) -> str:
        once = sum(item.once for item in (*self.new, *self.there))
        known = ""
        if self.there:
            which = "the shard is" if once == 1 else f"all {once} shards are" if len(self.there) == once else None
            known = f"{which or f'{len(self.there)} of {once} shards are'} in the store already; "
        if not self.new_bytes:
            return f"{known}nothing to send"
        return f"{known}{self.new_bytes / 1e6:.1f} MB to send{'' if self.seconds is None else f', about {_time(self.seconds)}'}"


def make_plan(store: Store, items: Iterable[Upload]) -> Plan:
    """Looks at every source and asks the store what it has; nothing is sent.

    Of two items with one key the later one counts.

    Raises:
        StoreError: a source cannot be read, a key cannot be used, or the store does not answer.
    """
    wanted = {item.key: item for item in items}
    stamps = {item.key: _look_at(item.source) for item in wanted.values() if isinstance(item.source, Path)}
    sizes = {item.key: _size(item, stamps) for item in wanted.values()}
    once = [item for item in wanted.values() if item.once]
    there = {info.key for info in found_in(store, once) if info is not None and info.bytes == sizes[info.key]}
    return Plan(
        new=tuple(item for item in wanted.values() if item.key not in there),
        there=tuple(item for item in once if item.key in there),
        sizes=sizes,
        stamps=stamps,
        rate=rate_of(store),
    )


def found_in(store: Store, items: Iterable[Upload], look: Callable[[], None] = lambda: None) -> list[ObjectInfo | None]:
    """Asks the store for some items at once; `look` is called meanwhile, and what it raises ends the waiting."""
    workers = Workers(REQUESTS_AT_ONCE, "ask the store")
    return finish([workers.submit(partial(store.stat, item.key)) for item in items], look, lambda: None)


def _look_at(path: Path) -> Stamp:
    try:
        if path.is_file():
            with path.open("rb"):
                return stamp_of(path)
    except OSError:
        pass
    raise StoreError(f"{path} is not a file that can be read, so nothing was uploaded.", "Check the path.")


def _size(item: Upload, stamps: Mapping[str, Stamp]) -> int:
    check_key(item.key)
    if isinstance(item.source, bytes):
        return len(item.source)
    if isinstance(item.source, ObjectInfo):
        return item.source.bytes
    return stamps[item.key].bytes


def _time(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes} min" if seconds >= 90 else f"{max(1, round(seconds))} s"
