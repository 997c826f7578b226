"""The job folder: every site gets its app and no other's shard, and nothing that is secret goes where it need not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reson_jupyter.backend.carrying.channel import Link
from reson_jupyter.backend.flare.deploy import RUN_KEY, write_job
from reson_jupyter.backend.job import build_job
from reson_jupyter.backend.shard_pool import content_key
from reson_jupyter.backend.store import Store, UploadForm, open_store
from reson_jupyter.errors import StoreError
from tests.backend.stored_runs import job_parts

OWN = {"shard": "", "sha256": ""}
SHARDS = {f"site-{number}": {"shard": f"{number}.zip", "sha256": f"{number:064d}"} for number in (1, 2)}


class Offering:
    """A store that others can reach."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def offer_download(self, key: str, seconds: int) -> str:
        return f"https://bucket/{key}?signature=s3cret"


@pytest.fixture
def store(tmp_path: Path) -> Any:
    store = open_store((tmp_path / "store").as_uri())
    for shard in SHARDS.values():
        store.put(content_key(shard["sha256"]), b"zip")
    return Offering(store)


def write(tmp_path: Path, store: Any, sites: Any, **more: Any) -> Path:
    files = {**build_job(job_parts()).files, "model/start.pt": b"weights"}
    link = Link(UploadForm("https://bucket", {"policy": "f0rm"}, "jobs/run-1/"), "https://bucket/requests")
    return write_job(tmp_path / "run-1", "run-1", files, sites, store, link, **more)


def read(path: Path) -> Any:
    return json.loads(path.read_bytes())


def test_sites_that_have_their_data_share_the_servers_app_and_nobody_else_gets_one(tmp_path: Path, store: Any) -> None:
    folder = write(tmp_path, store, {"clinic-a": OWN, "clinic-b": OWN})
    meta = read(folder / "meta.json")
    assert meta["deploy_map"] == {"app": ["server", "clinic-a", "clinic-b"]}
    assert (meta["min_clients"], meta[RUN_KEY], meta["name"]) == (2, "run-1", "digits")
    assert sorted(path.name for path in folder.iterdir()) == ["app", "meta.json"]


def test_each_site_sees_its_own_shard_and_neither_the_others_nor_the_servers_secrets(tmp_path: Path, store: Any) -> None:
    folder = write(tmp_path, store, {**SHARDS, "site-3": OWN})
    assert read(folder / "meta.json")["deploy_map"] == {"app": ["server", "site-3"], "app_1": ["site-1"], "app_2": ["site-2"]}
    for number in (1, 2):
        app = folder / f"app_{number}"
        config = read(app / "config" / "config_fed_client.json")
        entry = next(entry for entry in config["executors"] if entry["tasks"] == ["reson_prepare"])
        key = content_key(f"{number:064d}")
        assert entry["executor"]["args"]["shard"] == {
            "name": f"{number}.zip", "url": f"https://bucket/{key}?signature=s3cret", "sha256": f"{number:064d}", "bytes": 3,
        }  # fmt: skip
        text = "".join(path.read_text() for path in app.rglob("*") if path.is_file())
        assert f"{3 - number:064d}" not in text and "f0rm" not in text
        assert not (app / "custom" / "start.pt").exists(), "only the server starts from it"
    assert (folder / "app" / "custom" / "start.pt").read_bytes() == b"weights"
    assert "signature=s3cret" not in (folder / "app" / "config" / "config_fed_client.json").read_text()


def test_sites_ask_for_tasks_often_unless_the_job_says_how_often(tmp_path: Path, store: Any) -> None:
    near = write(tmp_path / "near", store, {"a": OWN}, loopback=True)
    far = write(tmp_path / "far", store, {"a": OWN})
    asked = [
        read(folder / "app" / "config" / "config_fed_server.json")["server"]["task_request_interval"] for folder in (near, far)
    ]
    assert asked == [0.1, 0.5]


def test_a_shard_that_is_gone_or_out_of_reach_is_named(tmp_path: Path, store: Any) -> None:
    store.delete(content_key(SHARDS["site-2"]["sha256"]))
    with pytest.raises(StoreError, match=r"the shard 2\.zip is not in the store"):
        write(tmp_path, store, SHARDS)
    with pytest.raises(StoreError, match=r"the sites cannot fetch the shard 1\.zip from file:"):
        write(tmp_path / "other", open_store((tmp_path / "store").as_uri()), {"site-1": SHARDS["site-1"]})
