"""Every kind of store: a directory, S3 over http, S3 over https."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from reson_jupyter.backend.store import Store, open_store
from reson_jupyter.config import ResonTechConfig
from tests.servers import S3Endpoint, s3_server


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
