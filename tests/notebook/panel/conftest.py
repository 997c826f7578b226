from __future__ import annotations

from collections.abc import Iterator

import pytest

from reson_jupyter.session import Session
from tests.notebook.fake_comm import fake_comms

from .page import SECRETS, Page


@pytest.fixture(autouse=True)
def comms(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("STORE", "TARGET", "S3_BUCKET", "BASE_URL", *(secret.removeprefix("RESON_") for secret in SECRETS)):
        monkeypatch.delenv(f"RESON_{name}", raising=False)
    with fake_comms():
        yield


@pytest.fixture
def session() -> Session:
    return Session()


@pytest.fixture
def page(session: Session) -> Page:
    return Page(session)
