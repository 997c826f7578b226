"""Packs: many small segments in one object, so that a long run leaves few objects and a late reader makes few requests.

There are packs of packs, because a run may go on for days: a day with four segments a second, 345,600 of them, leaves about 400
objects, of which a late reader asks for at most 240. Without them it would be 3,500 of each.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ..store.base import Store
from .format import NDJSON, Latest, pack_key

PACK = 100
LEVELS = 2
THREADS = 8


@dataclass(frozen=True)
class Part:
    """One object that holds segments: its key, and the number of the first segment that it does not hold."""

    key: str
    end: int


def parts_from(latest: Latest, prefix: str, start: int) -> Iterator[Part]:
    """Yields the fewest objects that hold the segments from `start` on, and perhaps some before."""
    while start < latest.segments:
        packed = [latest.segments, *(count * _size(level) for level, count in enumerate(latest.packs, 1))]
        level = max(level for level, until in enumerate(packed) if start < until)
        number = start // _size(level)
        start = (number + 1) * _size(level)
        yield Part(pack_key(prefix, level, number), start)


def tidy(store: Store, prefix: str, latest: Latest) -> Latest:
    """Does the next thing that is due for packs to be: stores one, or deletes the parts of one.

    A pack's parts are deleted when the next pack has been announced: until then a reader may know of the parts only.

    Args:
        store: Where the log lies.
        prefix: The run's prefix.
        latest: What is announced.

    Returns:
        What is to be announced next; `latest` itself if nothing was due.

    Raises:
        StoreError: it could not be done; doing it once more does no harm.
    """
    packs, swept = _padded(latest.packs), _padded(latest.swept)
    for place, level in enumerate(range(1, LEVELS + 1)):
        if swept[place] < packs[place] - 1:
            _sweep(store, prefix, level, swept[place])
            return latest.model_copy(update={"swept": _one_more(swept, place)})
        parts = latest.segments if level == 1 else packs[place - 1]
        if packs[place] < parts // PACK:
            _pack(store, prefix, level, packs[place])
            return latest.model_copy(update={"packs": _one_more(packs, place)})
    return latest


def _pack(store: Store, prefix: str, level: int, number: int) -> None:
    with ThreadPoolExecutor(THREADS) as pool:
        data = b"".join(pool.map(store.get, _parts_of(prefix, level, number)))
    store.put(pack_key(prefix, level, number), data, content_type=NDJSON)


def _sweep(store: Store, prefix: str, level: int, number: int) -> None:
    # Segment 0 tells whoever has nothing but the store what the run is.
    keys = [key for key in _parts_of(prefix, level, number) if key != pack_key(prefix, 0, 0)]
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(store.delete, keys))


def _parts_of(prefix: str, level: int, number: int) -> list[str]:
    return [pack_key(prefix, level - 1, part) for part in range(number * PACK, (number + 1) * PACK)]


def _size(level: int) -> int:
    """How many segments a pack of a level holds."""
    size: int = PACK**level
    return size


def _padded(counts: list[int]) -> list[int]:
    return [*counts, *[0] * (LEVELS - len(counts))]


def _one_more(counts: list[int], place: int) -> list[int]:
    return [count + (index == place) for index, count in enumerate(counts)]
