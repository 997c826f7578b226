"""What tests of Scaleout Edge share: Scaleout's own packages, each release in an environment of its own, and a logger."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import pytest

from .client_drivers import Logger

VENVS = Path(__file__).parents[2] / ".venv-scaleout"
RELEASES = ("1.0", "1.1")


class Scaleout(Protocol):
    """Runs a script under Scaleout's own packages of a release, and returns what it printed."""

    def __call__(
        self, release: str, script: str, *args: object, cwd: Path | None = None, env: Mapping[str, str] | None = None
    ) -> str: ...


def scaleout_bin(release: str, name: str = "python") -> Path:
    """A program of a release's environment."""
    path = VENVS / release / "bin" / name
    assert path.exists(), f"{path} is missing: make scaleout"
    return path


@pytest.fixture(scope="session")
def scaleout() -> Scaleout:
    def run(release: str, script: str, *args: object, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
        command = [str(scaleout_bin(release)), "-W", "ignore::DeprecationWarning", "-c", script, *map(str, args)]
        variables = {**os.environ, "PYTHONPATH": "", **(env or {})}
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=cwd, env=variables)
        assert done.returncode == 0, f"Scaleout {release} failed:\n{done.stdout}{done.stderr}"
        return done.stdout

    return run


@pytest.fixture
def logger() -> Logger:
    """What the executor's logger is to a site."""
    return Logger()


@pytest.fixture
def own_data_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts back where data is, which a site's start sets for its process."""
    monkeypatch.setenv("RESON_DATA_ROOT", "")
