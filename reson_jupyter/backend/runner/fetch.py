"""What a runner takes from the store before its run begins: the job's files, and every site's data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ...data.shards import unpack_shard
from ...errors import NotFound, StoreError
from ..carrying.storing import sha256
from ..shard_pool import content_key
from ..store import Store
from .remains import WorkFolder

_AGAIN = "Submit the run again, with its folder of shards."


def fetch_files(store: Store, prefix: str, folders: Sequence[str] = ("scripts", "configs", "model")) -> dict[str, bytes]:
    """Returns the job's files, by their keys below the run's prefix. Raises `StoreError`."""
    files = {}
    for folder in folders:
        for info in store.list(f"{prefix}/{folder}/"):
            files[info.key.removeprefix(f"{prefix}/")] = store.get(info.key)
    return files


def fetch_shards(store: Store, sites: Mapping[str, Mapping[str, str]], work: WorkFolder, stopped: Callable[[], bool]) -> None:
    """Unpacks each site's shard into its folder of the work folder, and writes its digest beside it.

    Args:
        store: The run's store.
        sites: {site: {"shard": its file's name, "sha256"}}; what several sites have is fetched once. A site without
            a shard gets an empty folder.
        work: The run's work folder.
        stopped: Asked before each download whether to leave it.

    Raises:
        StoreError: a shard is not in the store, or is not the one that was submitted.
        ShardError: one cannot be unpacked.
    """
    by_digest: dict[str, list[str]] = {}
    for site, shard in sites.items():
        if shard["sha256"]:
            by_digest.setdefault(shard["sha256"], []).append(site)
        else:
            (work.data / site).mkdir(parents=True)
    for digest, having in by_digest.items():
        if stopped():
            return
        archive = work.path / f"{having[0]}.zip"
        _fetch(store, digest, f"the shard {sites[having[0]]['shard']} of {' and '.join(having)}", archive)
        for site in having:
            unpack_shard(archive, work.data / site)
            # Told by this, the cache of decoded images knows the shard again in the next run.
            (work.data / f"{site}.sha256").write_text(digest)
        archive.unlink()


def _fetch(store: Store, digest: str, what: str, path: Path) -> None:
    try:
        store.get_file(content_key(digest), path)
    except NotFound:
        raise StoreError(f"{what} is not in the store {store.url}", _AGAIN) from None
    if sha256(path) != digest:
        store.delete(content_key(digest))  # a submit sends only what is not there, so nobody would ever mend it
        raise StoreError(f"{what} was damaged in the store {store.url}, so it was removed from there", _AGAIN)
