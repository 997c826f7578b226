"""A home, a store and a staged run of each test's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from reson_jupyter.backend.store import Store
from reson_jupyter.backend.store.directory import DirectoryStore
from tests.backend.staged import Staged


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the runs of the machine's user, or of another test."""
    monkeypatch.setenv("RESON_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("RESON_STORE", raising=False)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return DirectoryStore(tmp_path / "store")


@pytest.fixture
def staged(tmp_path: Path) -> Staged:
    """A run whose log the test writes itself."""
    return Staged(tmp_path)
