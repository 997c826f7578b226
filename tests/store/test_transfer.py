"""Sending a run's files in one go."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from reson_jupyter.backend.store import Store
from reson_jupyter.backend.store.transfer import Upload, upload
from reson_jupyter.errors import StoreError


def test_what_the_store_has_already_is_copied_there_and_counts_as_sent(any_store: Store) -> None:
    any_store.put("old/shards/s.zip", b"shard")
    (info,) = any_store.list("old/")
    done: list[tuple[int, int]] = []
    items = [Upload("new/a", b"abc"), Upload("new/shards/s.zip", info)]
    assert upload(any_store, items, progress=lambda moved, total, _: done.append((moved, total))) == 8
    assert any_store.get("new/shards/s.zip") == b"shard" and done[-1] == (8, 8)


@pytest.fixture
def items(tmp_path: Path) -> list[Upload]:
    (tmp_path / "s.zip").write_bytes(b"s" * (20 << 20))
    return [
        Upload("j/scripts/model_def.py", b"import torch", "text/x-python"),
        Upload("j/configs/empty.json", b""),
        Upload("j/shards/s.zip", tmp_path / "s.zip", "application/zip"),
        Upload("j/model/m.pt", b"m"),
    ]


def test_everything_is_stored_in_order_and_the_total_is_known_from_the_start(any_store: Store, items: list[Upload]) -> None:
    calls: list[tuple[int, int, str]] = []
    assert upload(any_store, items, progress=lambda *call: calls.append(call)) == 12 + (20 << 20) + 1
    assert {info.key: info.bytes for info in any_store.list("")} == {
        "j/scripts/model_def.py": 12,
        "j/configs/empty.json": 0,
        "j/shards/s.zip": 20 << 20,
        "j/model/m.pt": 1,
    }
    assert {total for _, total, _ in calls} == {13 + (20 << 20)}
    assert list(dict.fromkeys(key for _, _, key in calls)) == [item.key for item in items]
    assert calls[0][0] == 0
    assert calls[-1][0] == calls[-1][1]


@pytest.mark.parametrize("bad", [Upload("j/x", Path("/no/such/file")), Upload("j/x", Path("/")), Upload("../x", b"")])
def test_nothing_is_sent_when_something_of_it_cannot_be(any_store: Store, items: list[Upload], bad: Upload) -> None:
    with pytest.raises(StoreError):
        upload(any_store, [*items, bad])
    assert list(any_store.list("")) == []


def test_a_cancelled_upload_stops_within_a_second_with_only_whole_objects(any_store: Store, items: list[Upload]) -> None:
    cancel = threading.Event()

    def stop_at_the_shard(done: int, total: int, key: str) -> None:
        if key.endswith(".zip"):
            cancel.set()

    started = time.monotonic()
    with pytest.raises(StoreError, match="stopped"):
        upload(any_store, items, progress=stop_at_the_shard, cancel=cancel)
    assert time.monotonic() - started < 2
    assert [info.key for info in any_store.list("")] == ["j/configs/empty.json", "j/scripts/model_def.py"]


def test_an_interrupted_upload_can_simply_be_done_again(any_store: Store, items: list[Upload]) -> None:
    def interrupt(done: int, total: int, key: str) -> None:
        if key.endswith(".zip"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        upload(any_store, items, progress=interrupt)
    assert any_store.stat("j/shards/s.zip") is None
    upload(any_store, items)
    assert any_store.get("j/shards/s.zip") == b"s" * (20 << 20)
