"""The same data at two sites: allowed, but mostly a slip of whoever made the shards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ..errors import ShardError
from .report import ShardSummary, counted
from .unpack import ZIP_ERRORS, open_zip

_CHUNK = 1 << 20


def find_twins(shards: Sequence[ShardSummary], test: ShardSummary | None = None) -> Iterator[str]:
    """Yields a warning for each shard that shares data with one before it, and for a test set that shares data with a shard.

    Samples are told by their bytes, not by their ids, which every site counts from 1. The directories of the zips have a checksum
    and a size of each; only one of what seems to be the same is read.
    """
    whole: dict[str, ShardSummary] = {}
    seen: dict[tuple[int, int], ShardSummary] = {}
    for shard in shards:
        if (twin := whole.setdefault(shard.sha256, shard)) is not shard:
            yield f"{shard.name} is the same as {twin.name}"
        elif common := _common(seen, shard):
            count, example = common
            samples = f"{counted(count, 'sample')} of {shard.name} {'are' if count > 1 else 'is'}"
            yield f"{samples} at another site, too, such as {example}"
        seen = dict.fromkeys(shard.files, shard) | seen
    if test is None:
        return
    better = "the result on it will look better than it is"
    if test.sha256 in whole:
        yield f"the test set is the same as {whole[test.sha256].name}; {better}"
    elif common := _common(seen, test):
        count, example = common
        samples = f"{counted(count, 'sample')} of the test set {'are' if count > 1 else 'is'}"
        yield f"{samples} at a site, too, such as {example}; {better}"


def _common(seen: Mapping[tuple[int, int], ShardSummary], shard: ShardSummary) -> tuple[int, str] | None:
    """Returns how many of a shard's samples others have, too, and the first of them in words; None if it only seems to be one."""
    common = shard.files.keys() & seen.keys()
    if not common:
        return None
    key = min(common, key=shard.files.__getitem__)
    first, name = seen[key], shard.files[key]
    if not _same(first, first.files[key], shard, name):
        return None
    return len(common), f"{name} ({first.files[key]} of {first.name})"


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
