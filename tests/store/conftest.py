"""Every kind of store: a directory, S3 over http, S3 over https."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reson_jupyter.backend.store import Store, multipart, open_store
from reson_jupyter.config import ResonTechConfig
from tests.faulty_server import FaultyServer, faulty_server
from tests.servers import S3Endpoint, client_of, s3_server

from .large import KEY, PART_BYTES, SIZE


@pytest.fixture(scope="session")
def moto_http() -> Iterator[S3Endpoint]:
    with s3_server() as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def moto_https() -> Iterator[S3Endpoint]:
    with s3_server(tls=True) as endpoint:
        yield endpoint


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STORE", "S3_ENDPOINT", "S3_KEY", "S3_SECRET", "S3_BUCKET", "S3_REGION"):
        monkeypatch.delenv(f"RESON_{name}", raising=False)
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)


def use(endpoint: S3Endpoint, monkeypatch: pytest.MonkeyPatch) -> ResonTechConfig:
    """Sets the variables that name `endpoint` and returns the connection they make."""
    for name, value in endpoint.environment.items():
        monkeypatch.setenv(name, value)
    return ResonTechConfig()


@pytest.fixture(params=["directory", "http", "https"])
def any_store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """An empty store of each kind."""
    if request.param == "directory":
        return open_store((tmp_path / "a store").as_uri())
    endpoint = request.getfixturevalue(f"moto_{request.param}")
    return open_store(f"s3://{endpoint.bucket}/{uuid.uuid4()}", use(endpoint, monkeypatch))


@pytest.fixture
def s3_store(moto_http: S3Endpoint, monkeypatch: pytest.MonkeyPatch) -> Store:
    return open_store(f"s3://{moto_http.bucket}/{uuid.uuid4()}", use(moto_http, monkeypatch))


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three parts and a bit, each of other bytes."""
    path = tmp_path_factory.mktemp("large") / "large.zip"
    path.write_bytes(os.urandom(SIZE))
    return path


@pytest.fixture
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multipart, "PART_BYTES", PART_BYTES)


@pytest.fixture
def server(_small_parts: None, moto_http: S3Endpoint, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyServer]:
    use(moto_http, monkeypatch)
    with faulty_server(moto_http.url) as (url, faulty):
        monkeypatch.setenv("RESON_S3_ENDPOINT", url)
        yield faulty


@pytest.fixture
def store(server: FaultyServer, moto_http: S3Endpoint) -> Iterator[Store]:
    store = open_store(f"s3://{moto_http.bucket}/{uuid.uuid4()}", ResonTechConfig())
    yield store
    server.faults.clear()
    store.delete(KEY)


@pytest.fixture
def unfinished(store: Store, moto_http: S3Endpoint) -> Callable[[], list[str]]:
    """Tells the ids of the store's uploads that are not complete."""
    prefix = store.url.removeprefix(f"s3://{moto_http.bucket}/")

    def look() -> list[str]:
        found = client_of(moto_http).list_multipart_uploads(Bucket=moto_http.bucket, Prefix=prefix).get("Uploads", [])
        return [item["UploadId"] for item in found]

    return look
