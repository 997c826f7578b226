"""The same data at two sites: allowed, but mostly a slip of whoever made the shards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..errors import ShardError
from .report import ShardSummary, counted
from .unpack import ZIP_ERRORS, open_zip

_CHUNK = 1 << 20


def find_twins(shards: Sequence[ShardSummary]) -> Iterator[str]:
    """Yields a warning for each shard that shares data with one before it.

    Samples are told by their bytes, not by their ids, which every site counts from 1. The directories of the zips have a checksum
    and a size of each; only one of what seems to be the same is read.
    """
    whole: dict[str, ShardSummary] = {}
    seen: dict[tuple[int, int], ShardSummary] = {}
    for shard in shards:
        if (twin := whole.setdefault(shard.sha256, shard)) is not shard:
            yield f"{shard.name} is the same as {twin.name}"
        elif common := shard.files.keys() & seen.keys():
            key = min(common, key=shard.files.__getitem__)
            first, name = seen[key], shard.files[key]
            if _same(first, first.files[key], shard, name):
                samples = f"{counted(len(common), 'sample')} of {shard.name} {'are' if len(common) > 1 else 'is'}"
                yield f"{samples} at another site, too, such as {name} ({first.files[key]} of {first.name})"
        seen = dict.fromkeys(shard.files, shard) | seen


def _same(first: ShardSummary, name: str, second: ShardSummary, other: str) -> bool:
    try:
        with (
            open_zip(first.path) as left,
            open_zip(second.path) as right,
            left.open(name) as one,
            right.open(other) as two,
        ):
            while (chunk := one.read(_CHUNK)) == two.read(_CHUNK):
                if not chunk:
                    return True
        return False
    except (*ZIP_ERRORS, OSError, KeyError, ShardError):
        return False  # what is damaged is told of elsewhere
