"""The job folder as a federation takes it: who gets which app, and each site no more than its own shard's address."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import StoreError
from ..carrying.channel import Link
from ..federated import federated, with_shard
from ..job import Job, as_json, write_nvflare_folder
from ..shard_pool import content_key
from ..store import Store

# By this a carrier knows its job again among those of the federation.
RUN_KEY = "reson_run"
_CLIENT, _SERVER, _META = (f"configs/{name}.json" for name in ("config_fed_client", "config_fed_server", "meta"))
# As long as any S3 server takes a signature.
_OFFER_SECONDS = 7 * 24 * 3600
# Seconds between a site's questions for its next task. NVFlare's own 2.0 make rounds slow; 0.5 costs a distant server little.
_TASK_INTERVAL = 0.5
_TASK_INTERVAL_LOOPBACK = 0.1


def write_job(
    folder: Path,
    run_id: str,
    files: Mapping[str, bytes],
    sites: Mapping[str, Mapping[str, str]],
    store: Store,
    link: Link | None,
    *,
    loopback: bool = False,
) -> Path:
    """Writes the job folder of a run and returns it. It holds secrets: whoever calls this removes it.

    Args:
        folder: Where to; it must not exist.
        run_id: The run.
        files: The job's files by their keys.
        sites: {site: {"shard", "sha256"}}, both "" for a site that has its data itself.
        store: Where the shards are.
        link: How the server reaches the store, if it does.
        loopback: Whether the server is this machine.

    Raises:
        StoreError: a shard is not in the store, or cannot be reached from elsewhere.
    """
    job = federated(Job(run_id, files), link, keep_outputs=True)
    ours = dict(job.files)
    server = job.config("config_fed_server.json")
    server["server"].setdefault("task_request_interval", _TASK_INTERVAL_LOOPBACK if loopback else _TASK_INTERVAL)
    ours[_SERVER] = as_json(server)
    shards = {site: shard_reference(store, data) for site, data in sites.items() if data["sha256"]}
    deploy = {"app": ["server", *(site for site in sites if site not in shards)]}
    for number, (site, shard) in enumerate(shards.items(), start=1):
        app = f"app_{number}"
        deploy[app] = [site]
        own = {key: data for key, data in ours.items() if key.startswith("scripts/")}
        own[_CLIENT] = as_json(with_shard(job.config("config_fed_client.json"), shard))
        write_nvflare_folder(own, folder / "part")
        os.rename(folder / "part" / "app", folder / app)
        (folder / "part").rmdir()
    ours[_META] = as_json({**job.config("meta.json"), "deploy_map": deploy, RUN_KEY: run_id})
    return write_nvflare_folder(ours, folder)


def shard_reference(store: Store, data: Mapping[str, str]) -> dict[str, Any]:
    """Returns what a site needs to fetch its shard; the URL in it is a secret. Raises `StoreError`."""
    key = content_key(data["sha256"])
    info = store.stat(key)
    if info is None:
        raise StoreError(f"the shard {data['shard']} is not in the store {store.url}", "Submit the run again, with its shards.")
    url = store.offer_download(key, _OFFER_SECONDS)
    if url is None:
        raise StoreError(f"the sites cannot fetch the shard {data['shard']} from {store.url}", "Use a bucket as the store.")
    return {"name": data["shard"], "url": url, "sha256": data["sha256"], "bytes": info.bytes}
