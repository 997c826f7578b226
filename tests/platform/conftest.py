"""A platform for each test, before one server of S3 for all."""

from __future__ import annotations

import dataclasses
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from reson_jupyter.backend.platform import retries
from tests.platform_server import platform_server
from tests.runs.conftest import write_image_shard, write_plain_shards
from tests.servers import S3Endpoint, s3_server

from .app import Platform
from .bucket import client_at


@pytest.fixture(scope="session")
def moto() -> Iterator[S3Endpoint]:
    with s3_server() as endpoint:
        yield endpoint


@pytest.fixture
def platform(moto: S3Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    """A platform with an account, an empty bucket and four workers; the environment names it as a user's would."""
    for name in ("STORE", "TARGET", "EMAIL", "PASSWORD", "DASHBOARD_URL", "GPU_MODELS", "MAX_PRICE_PER_GPU_HOUR", "WORKER_IDS"):
        monkeypatch.delenv(f"RESON_{name}", raising=False)
    monkeypatch.setenv("RESON_HOME", str(tmp_path / "home"))
    endpoint = dataclasses.replace(moto, bucket=f"user-{uuid.uuid4().hex[:12]}")
    client_at(dataclasses.replace(endpoint, bucket="")).create_bucket(
        Bucket=endpoint.bucket, CreateBucketConfiguration={"LocationConstraint": "garage"}
    )
    with platform_server(endpoint) as served:
        for name, value in served.environment.items():
            monkeypatch.setenv(name, value)
        yield served


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds between two attempts of one request, of which none is waited for."""
    noted: list[float] = []

    class Noting(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            noted.append(timeout or 0.0)
            return self.is_set()

    monkeypatch.setattr(retries, "threading", SimpleNamespace(Event=Noting))
    return noted


@pytest.fixture
def customer(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Platform:
    """The platform of somebody who has said which workers are wanted, and at what price."""
    monkeypatch.setenv("RESON_GPU_MODELS", "rtx_4090,rtx_3060")
    monkeypatch.setenv("RESON_MAX_PRICE_PER_GPU_HOUR", "2.5")
    return platform


@pytest.fixture(scope="session")
def image_shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two image shards of unequal size and class mix."""
    folder = tmp_path_factory.mktemp("image-shards")
    write_image_shard(folder / "shard_0.zip", [0] * 30 + [1] * 20 + [2] * 10, seed=1)
    write_image_shard(folder / "shard_1.zip", [1] * 10 + [2] * 30, seed=2)
    return folder


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """Two shards without a manifest, of the test's own."""
    folder = tmp_path / "shards"
    folder.mkdir()
    return write_plain_shards(folder, 2)
