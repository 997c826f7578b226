"""What is particular to a store in a directory."""

from __future__ import annotations

import os
import stat
import threading
import time
from pathlib import Path

import pytest

from reson_jupyter.backend.store import DirectoryStore
from reson_jupyter.errors import NotFound, StoreError


def test_objects_are_plain_files_named_by_their_keys(tmp_path: Path) -> None:
    DirectoryStore(tmp_path / "s").put("jobs/a/meta.json", b"{}")
    assert (tmp_path / "s/jobs/a/meta.json").read_bytes() == b"{}"


def test_a_new_store_is_its_owners_alone(tmp_path: Path) -> None:
    DirectoryStore(tmp_path / "s")
    assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o700


def test_a_folder_that_is_there_keeps_its_permissions(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o775)
    DirectoryStore(tmp_path / "shared")
    assert stat.S_IMODE((tmp_path / "shared").stat().st_mode) == 0o775


def test_a_file_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "s").touch()
    with pytest.raises(StoreError, match="cannot be used"):
        DirectoryStore(tmp_path / "s")


def test_a_link_out_of_the_store_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"canary")
    store = DirectoryStore(tmp_path / "s")
    (tmp_path / "s/folder").symlink_to(outside)
    (tmp_path / "s/file").symlink_to(outside / "secret")
    for key in ("folder/secret", "file"):
        with pytest.raises(StoreError, match="leads out") as caught:
            store.get(key)
        assert not isinstance(caught.value, NotFound)
        with pytest.raises(StoreError, match="leads out"):
            store.put(key, b"overwritten")
    assert list(store.list("")) == []
    assert (outside / "secret").read_bytes() == b"canary"


def test_an_object_cannot_lie_under_another_object(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    store.put("a", b"x")
    with pytest.raises(StoreError, match="a/b"):
        store.put("a/b", b"y")
    store.put("c/d", b"x")
    with pytest.raises(StoreError, match="c could not be stored"):
        store.put("c", b"y")
    assert [info.key for info in store.list("")] == ["a", "c/d"]


def test_no_empty_folder_stays_behind_where_objects_were(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "s")
    store.put("jobs/a/scripts/model_def.py", b"x")
    store.put("jobs/b/meta.json", b"x")
    store.delete("jobs/a/scripts/model_def.py")
    assert [path.name for path in (tmp_path / "s/jobs").iterdir()] == ["b"]
    store.delete("jobs/b/meta.json")
    assert [path.name for path in (tmp_path / "s").iterdir()] == [".incoming"]


def test_an_object_is_stored_whoever_removes_its_folder_meanwhile(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "s")
    over = threading.Event()

    def put_and_delete() -> None:
        while not over.is_set():
            store.put("jobs/a/x", b"x")
            store.delete("jobs/a/x")

    other = threading.Thread(target=put_and_delete)
    other.start()
    try:
        for number in range(300):
            store.put(f"jobs/a/{number}", b"y")
            store.delete(f"jobs/a/{number}")
    finally:
        over.set()
        other.join()


def test_a_copy_takes_no_room_of_its_own(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "s")
    store.put("a", b"x" * 1000)
    store.copy("a", "jobs/b")
    assert (tmp_path / "s/a").samefile(tmp_path / "s/jobs/b")


def test_where_a_disk_knows_no_links_a_copy_is_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    store = DirectoryStore(tmp_path / "s")
    store.put("a", b"x")
    store.copy("a", "b")
    assert store.get("b") == b"x" and not (tmp_path / "s/a").samefile(tmp_path / "s/b")


def test_a_half_written_file_is_not_listed_and_cannot_be_named(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x" * (3 << 20))
    store = DirectoryStore(tmp_path / "s")
    seen = []
    store.put_file("a", source, progress=lambda _: seen.append([info.key for info in store.list("")]))
    assert seen == [[], [], []]
    with pytest.raises(StoreError, match="kept for uploads"):
        store.put(".incoming/a", b"x")


def test_a_failed_write_leaves_nothing_anywhere(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x" * (3 << 20))
    store = DirectoryStore(tmp_path / "s")
    cancel = threading.Event()
    with pytest.raises(StoreError, match="stopped"):
        store.put_file("a", source, progress=lambda _: cancel.set(), cancel=cancel)
    assert [path for path in (tmp_path / "s").rglob("*") if path.is_file()] == []


def test_what_a_killed_upload_left_is_removed_a_day_later(tmp_path: Path) -> None:
    DirectoryStore(tmp_path)
    old, fresh = tmp_path / ".incoming/old", tmp_path / ".incoming/fresh"
    old.touch()
    fresh.touch()
    os.utime(old, (time.time() - 90_000,) * 2)
    DirectoryStore(tmp_path)
    assert not old.exists()
    assert fresh.exists()


def test_two_changes_at_once_are_a_change(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    for _ in range(100):
        # The third file may get the first one's place on the disk, within one tick of the file system's clock.
        store.put("a", b"1")
        before = store.get_if_changed("a", None)
        store.put("a", b"2")
        store.put("a", b"3")
        assert before is not None and store.get_if_changed("a", before[1]) is not None


def test_several_processes_worth_of_writers_leave_one_whole_object(tmp_path: Path) -> None:
    stores = [DirectoryStore(tmp_path) for _ in range(4)]
    threads = [threading.Thread(target=store.put, args=("a/b/c", b"%d" % n * 100_000)) for n, store in enumerate(stores)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(stores[0].get("a/b/c"))) == 1
    assert list((tmp_path / ".incoming").iterdir()) == []
