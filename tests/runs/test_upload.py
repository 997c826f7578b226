"""What becomes of a run whose files cannot be uploaded."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

import reson_jupyter as reson
from reson_jupyter.backend import sending
from reson_jupyter.backend.event_log import EventLogWriter
from reson_jupyter.backend.store.transfer import Sent
from reson_jupyter.errors import StoreError
from tests.runs.models import Line, fl_train

pytestmark = pytest.mark.usefixtures("home")


def refuse(*_: Any, **__: Any) -> int:
    raise StoreError("the bucket is full")


def test_it_is_failed_with_the_stores_reason(plain_shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "upload", refuse)
    run = reson.submit(Line, train=fl_train, name="full", shards_dir=plain_shards, check=False)
    with pytest.raises(reson.RunFailed, match="the bucket is full"):
        run.wait(20)
    assert run.state == reson.RunState.FAILED


def test_it_is_lost_when_not_even_that_can_be_written(plain_shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def upload(*_: Any, **__: Any) -> int:
        monkeypatch.setattr(EventLogWriter, "append", refuse)
        return refuse()

    monkeypatch.setattr(sending, "upload", upload)
    run = reson.submit(Line, train=fl_train, name="gone", shards_dir=plain_shards, check=False)
    with pytest.raises(reson.RunFailed, match="lost"):
        run.wait(30)


def test_it_is_aborted_when_that_was_asked_for(plain_shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def upload(*_: Any, progress: Any, cancel: Any) -> int:
        while not cancel.is_set():
            progress(Sent(1, 2, {"key": (1, 2)}, None))
            time.sleep(0.3)
        raise StoreError("The upload was stopped.")

    monkeypatch.setattr(sending, "upload", upload)
    run = reson.submit(Line, train=fl_train, name="stopped", shards_dir=plain_shards, check=False)
    run.abort()
    with pytest.raises(reson.RunFailed, match="Stopped on request during the upload"):
        run.wait(20)
    assert run.state == reson.RunState.ABORTED


def test_it_is_aborted_within_seconds_although_the_store_hangs(plain_shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = threading.Event()
    monkeypatch.setattr(sending, "upload", lambda *_, **__: answers.wait(1000))
    run = reson.submit(Line, train=fl_train, name="hanging", shards_dir=plain_shards, check=False)
    run.abort()
    with pytest.raises(reson.RunFailed, match="Stopped on request during the upload"):
        run.wait(60)
    answers.set()
