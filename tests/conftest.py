"""Fixtures for all tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def home_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test touches what this machine's user keeps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RESON_HOME", str(tmp_path_factory.mktemp("home")))
        yield
