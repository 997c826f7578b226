"""The shards in a store: each content once, however many runs train on it.

    shards/sha256/<hex>.zip          the content, by its SHA-256
    shards/used/<hex>/<run id>       a claim, an empty object: that run needs this content

A shard goes when the last run that claimed it is deleted. No store here has locks, so the order does it: who claims looks only
then whether the content is there, and once more after the upload (`upload` does, for what is sent `once`); who gives a claim up
looks only then for the claims of others. So where a claim and a release meet, the release sees the claim, or the upload sees that
the content is gone. What is left is a release that is held up, between its last look and its deletion, for as long as an upload
takes from its claims to its end; the run that claimed then ends with the message that the shard is not in the store.

A run's log is begun before its claims are made, and deleted after they are given up. So a claim of a run without a log is
nobody's, as when somebody removed a run's folder by hand; it keeps nothing, and goes with the next release of its shard. A run
that another machine carries has a log, so its claims hold. A run whose upload was stopped or failed gives its claims up at once;
what it has sent stays for the next submit, until a run that had the same shard is deleted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from .event_log import latest_key
from .store import ObjectInfo, Store

_THREADS = 8
_USED = "shards/used/"
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Released:
    """What a release removed, claims and contents, and how many shards stay because other runs need them."""

    objects: int
    bytes: int
    kept: int


def content_key(sha256: str) -> str:
    """Returns where the shard of that digest lies."""
    return f"shards/sha256/{sha256}.zip"


def claim(store: Store, run_id: str, digests: Iterable[str]) -> None:
    """Has shards kept for a run, whether they are in the store yet or not. Raises `StoreError`."""
    for sha256 in dict.fromkeys(digests):
        store.put(_claim_key(sha256, run_id), b"")


def unclaim(store: Store, run_id: str, digests: Iterable[str]) -> None:
    """Gives a run's claims up and leaves the shards, which the next upload need not send then. Raises `StoreError`."""
    for sha256 in dict.fromkeys(digests):
        store.delete(_claim_key(sha256, run_id))


def release(store: Store, run_id: str, digests: Iterable[str]) -> Released:
    """Gives a run's claims up and removes those shards that no other run needs.

    Args:
        store: The run's store.
        run_id: The run.
        digests: The digests of its shards; what is none is passed over.

    Raises:
        StoreError: the store does not let go of one; release them again, what is gone by then does no harm.
    """
    with ThreadPoolExecutor(_THREADS) as pool:
        released = list(pool.map(partial(_release, store, run_id), dict.fromkeys(filter(_SHA256.fullmatch, digests))))
    removed = [info for infos, _ in released for info in infos]
    return Released(len(removed), sum(info.bytes for info in removed), sum(kept for _, kept in released))


def claimed_by(store: Store, run_id: str) -> list[str]:
    """Returns the digests of the shards that a run has claimed, by looking at every claim of the store. Raises `StoreError`."""
    return [info.key.removeprefix(_USED).partition("/")[0] for info in store.list(_USED) if info.name == run_id]


def _claim_key(sha256: str, run_id: str) -> str:
    return f"{_USED}{sha256}/{run_id}"


def _release(store: Store, run_id: str, sha256: str) -> tuple[list[ObjectInfo], bool]:
    """Gives up one claim; returns what was removed, and whether the shard stays because another run needs it."""
    claimed, content = store.stat(_claim_key(sha256, run_id)), store.stat(content_key(sha256))
    store.delete(_claim_key(sha256, run_id))
    kept = _is_needed(store, sha256)
    if not kept:
        store.delete(content_key(sha256))  # at once after the look for claims: what is claimed in between is lost
    return [info for info in (claimed, None if kept else content) if info], kept


def _is_needed(store: Store, sha256: str) -> bool:
    """Whether a run that exists has claimed a shard; claims of others are dropped on the way."""
    for info in store.list(f"{_USED}{sha256}/"):
        if store.stat(latest_key(f"jobs/{info.name}")):
            return True
        store.delete(info.key)
    return False
