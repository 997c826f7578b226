"""Runs that lie in their store as a submit leaves them and are over at once, for previews to be compared with."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import reson_jupyter as reson
from reson_jupyter.backend.event_log import EventLogWriter
from reson_jupyter.backend.record import RunLock, RunRecord
from reson_jupyter.backend.targets import Target
from reson_jupyter.backend.targets.detached import DetachedTarget
from reson_jupyter.config import ResonTechConfig
from reson_jupyter.events import Event, EventType
from reson_jupyter.session import Session
from tests.patience import wait_for
from tests.runs.conftest import write_image_shard
from tests.runs.models import SmallNet

_VARIABLES = ("STORE", "TARGET", "S3_ENDPOINT", "S3_KEY", "S3_SECRET", "S3_BUCKET", "S3_REGION", "BASE_URL", "API_KEY")


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home, a session and a memory of submits of the test's own; runs on this machine end before they begin."""

    for name in _VARIABLES:
        monkeypatch.delenv(f"RESON_{name}", raising=False)
    monkeypatch.setenv("RESON_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sys.modules["reson_jupyter.session"], "_current", Session())
    monkeypatch.setattr("reson_jupyter.backend.submission._submitted", [])
    monkeypatch.setattr(DetachedTarget, "start", end_at_once)
    yield tmp_path / "home"


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """Two shards of images."""
    folder = tmp_path / "shards"
    folder.mkdir()
    write_image_shard(folder / "a.zip", [0, 1, 2], seed=1)
    write_image_shard(folder / "b.zip", [0, 1, 2], seed=2)
    return folder


def end_at_once(target: Target, record: RunRecord, lock: RunLock, connection: ResonTechConfig) -> None:
    """Takes the place of a target's `start`: nobody carries the run."""
    log = EventLogWriter(target.open_store(record.store, connection), record.prefix)
    log.append([Event(time=time.time(), type=EventType.STATE, data={"state": "aborted", "reason": ""})])


def submitted(**given: Any) -> reson.Run:
    """Submits without a rehearsal, and waits until all is stored."""
    run = reson.submit(**{"model": SmallNet, "name": "digits", "check": False, **given})
    wait_for(lambda: run.state.done, 20)
    return run


def previewed(**given: Any) -> reson.Preview:
    """Previews the same."""
    return reson.preview(**{"model": SmallNet, "name": "digits", **given})
