"""What the tests of the worker files share."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from reson_jupyter.backend.store import Store, open_store
from reson_jupyter.config import ResonTechConfig
from reson_jupyter.worker import control, messenger
from reson_jupyter.worker import shard as shard_module
from tests.servers import S3Endpoint, s3_server

from .images import Entry
from .loopback import Server


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Path]:
    """The file of NVFlare's log, here one for the server and the site."""
    path = tmp_path / "log.txt"
    handler = logging.FileHandler(path)
    logging.getLogger().addHandler(handler)
    yield path
    logging.getLogger().removeHandler(handler)
    handler.close()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server and its site with our components, in a run that ends with the test."""
    monkeypatch.setattr(control, "_reson_POLL", 0.02)
    monkeypatch.setattr(messenger, "_reson_FLUSH_INTERVAL", 0.05)
    server = Server(tmp_path)
    yield server
    server.end()


@pytest.fixture(scope="session")
def bucket() -> Iterator[S3Endpoint]:
    """A server of S3 with a bucket."""
    with s3_server() as endpoint:
        yield endpoint


@pytest.fixture
def store(bucket: S3Endpoint, monkeypatch: pytest.MonkeyPatch) -> Store:
    """An empty store in the bucket."""
    for name, value in bucket.environment.items():
        monkeypatch.setenv(name, value)
    return open_store(f"s3://{bucket.bucket}/{uuid.uuid4()}", ResonTechConfig())


@pytest.fixture
def _empty_cache() -> Iterator[None]:
    shard_module._rt_shards.clear()
    yield
    shard_module._rt_shards.clear()


@pytest.fixture
def shard(tmp_path: Path, _empty_cache: None) -> Callable[..., dict[str, Any]]:
    """Writes a shard and returns the env of a run on it."""

    def write(entries: list[Entry] | str, **env: Any) -> dict[str, Any]:
        lines = entries if isinstance(entries, str) else "".join(json.dumps(entry) + "\n" for entry in entries)
        (tmp_path / "manifest.ndjson").write_text(lines)
        base = {"DATA_ROOT": str(tmp_path), "SITE_NAME": "site-1", "CURRENT_ROUND": 0, "DEVICE": "cpu"}
        training = {"num_classes": 0, "local_epochs": 1, "batch_size": 4, "learning_rate": 0.01, "img_size": 8}
        return base | training | {"manifest_file": "manifest.ndjson"} | env

    return write


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As on the sites; sums of floats depend on it."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
