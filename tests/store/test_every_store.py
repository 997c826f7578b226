"""What every kind of store does alike."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reson_jupyter.backend.store import Store, open_store
from reson_jupyter.errors import NotFound, StoreError
from tests.patience import at_best

BAD_KEYS = [
    "",
    "/",
    "/etc/passwd",
    "a//b",
    "a/",
    ".",
    "..",
    "../a",
    "a/../b",
    "a/./b",
    "a\\b",
    "a\0b",
    "a\nb",
    "a\x7fb",
    "e\u0301",
    "\ud800",
    "x" * 256,
    "/".join(["abcdefgh"] * 120),
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """40 MiB: three parts of a multipart upload."""
    path = tmp_path / "shard.zip"
    path.write_bytes(bytes(range(256)) * (40 << 12))
    return path


def keys(store: Store, prefix: str = "") -> list[str]:
    return [info.key for info in store.list(prefix)]


def test_an_object_comes_back_as_it_was_stored(any_store: Store) -> None:
    any_store.put("jobs/a/scripts/model_def.py", b"import torch\r\n\x00", content_type="text/x-python")
    any_store.put("empty", b"")
    assert any_store.get("jobs/a/scripts/model_def.py") == b"import torch\r\n\x00"
    assert any_store.get("empty") == b""


def test_a_later_object_replaces_an_earlier_one(any_store: Store) -> None:
    any_store.put("a", b"one")
    before = any_store.stat("a")
    any_store.put("a", b"two")
    after = any_store.stat("a")
    assert any_store.get("a") == b"two"
    assert before is not None and after is not None
    assert (before.key, before.bytes) == ("a", 3)
    assert before.etag != after.etag


def test_names_of_people_are_good_keys(any_store: Store) -> None:
    for key in ("a b/c+d&e=f?g#h%20.txt", "Größe/手紙.json", "trailing./dots", "-rf", "~", "...", "C:x", "'quotes\""):
        any_store.put(key, key.encode())
        assert any_store.get(key) == key.encode()
        assert keys(any_store, key) == [key]


def test_what_is_not_there_is_not_found(any_store: Store, tmp_path: Path) -> None:
    any_store.put("a/b", b"x")
    for key in ("nothing", "a", "a/b/c"):
        with pytest.raises(NotFound, match=key):
            any_store.get(key)
        with pytest.raises(NotFound, match=key):
            any_store.get_if_changed(key, None)
        with pytest.raises(NotFound, match=key):
            any_store.get_file(key, tmp_path / "out")
        assert any_store.stat(key) is None
        any_store.delete(key)
    assert not (tmp_path / "out").exists()
    assert any_store.get("a/b") == b"x"


def test_deleting_removes_only_that_object(any_store: Store) -> None:
    any_store.put("a/b", b"")
    any_store.put("a/c", b"")
    any_store.delete("a/b")
    assert keys(any_store) == ["a/c"]


def test_listing_gives_the_keys_under_a_prefix_in_their_order(any_store: Store) -> None:
    stored = ["a/1", "a/10", "a/2", "a-b", "a.c", "ab/1", "b", "é", "a/Z", "a/é"]
    for key in stored:
        any_store.put(key, key.encode())
    assert keys(any_store) == sorted(stored)
    assert keys(any_store, "a/") == ["a/1", "a/10", "a/2", "a/Z", "a/é"]
    assert keys(any_store, "a/1") == ["a/1", "a/10"]
    assert keys(any_store, "a") == sorted(key for key in stored if key.startswith("a"))
    assert keys(any_store, "nothing/") == []
    assert [info.bytes for info in any_store.list("a/1")] == [3, 4]
    assert all(any_store.stat(info.key) == info for info in any_store.list(""))


def test_a_poll_brings_the_object_only_when_it_changed(any_store: Store) -> None:
    any_store.put("latest.json", b"1")
    found = any_store.get_if_changed("latest.json", None)
    assert found is not None and found[0] == b"1"
    assert any_store.get_if_changed("latest.json", found[1]) is None
    any_store.put("latest.json", b"2")
    changed = any_store.get_if_changed("latest.json", found[1])
    assert changed is not None and changed[0] == b"2"


def test_a_poll_sees_every_change_however_quick(any_store: Store) -> None:
    etag = None
    for number in range(50):
        any_store.put("latest.json", b"%02d" % number)
        found = any_store.get_if_changed("latest.json", etag)
        assert found is not None and found[0] == b"%02d" % number
        etag = found[1]


def test_a_file_goes_there_and_back_with_its_progress_told_in_the_callers_thread(
    any_store: Store, file: Path, tmp_path: Path
) -> None:
    up: list[int] = []
    down: list[int] = []
    threads = set()

    def note(moved: int) -> None:
        threads.add(threading.current_thread())
        up.append(moved)

    any_store.put_file("shards/s.zip", file, content_type="application/zip", progress=note)
    any_store.get_file("shards/s.zip", tmp_path / "back.zip", progress=down.append)
    assert (tmp_path / "back.zip").read_bytes() == file.read_bytes()
    assert sum(up) == sum(down) == file.stat().st_size
    assert threads == {threading.current_thread()}
    info = any_store.stat("shards/s.zip")
    assert info is not None and info.bytes == file.stat().st_size


def test_a_copy_has_the_objects_bytes_and_outlives_it(any_store: Store, file: Path) -> None:
    any_store.put_file("a/shards/s.zip", file)
    any_store.copy("a/shards/s.zip", "b/shards/s.zip")
    any_store.put("a/shards/s.zip", b"changed")
    assert any_store.get("b/shards/s.zip") == file.read_bytes()
    any_store.delete("a/shards/s.zip")
    assert keys(any_store) == ["b/shards/s.zip"] and any_store.get("b/shards/s.zip") == file.read_bytes()


def test_a_copy_replaces_what_was_there_also_when_that_is_a_copy(any_store: Store) -> None:
    any_store.put("a", b"one")
    any_store.put("b", b"two")
    for _ in range(2):
        any_store.copy("a", "b")
        assert any_store.get("a") == any_store.get("b") == b"one"


def test_what_is_not_there_cannot_be_copied(any_store: Store) -> None:
    with pytest.raises(NotFound, match="gone"):
        any_store.copy("gone", "b")
    assert keys(any_store) == []


def test_an_empty_file_can_be_stored(any_store: Store, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    any_store.put_file("empty", tmp_path / "empty")
    any_store.get_file("empty", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == b""


def test_a_fetched_file_replaces_an_older_one_and_leaves_nothing_beside_it(any_store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "model.pt").write_bytes(b"old")
    any_store.put("model.pt", b"new")
    any_store.get_file("model.pt", folder / "model.pt")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"model.pt": b"new"}


def test_a_file_that_cannot_be_fetched_to_its_place_is_a_store_error(any_store: Store, tmp_path: Path) -> None:
    any_store.put("model.pt", b"new")
    with pytest.raises(StoreError, match=r"model\.pt"):
        any_store.get_file("model.pt", tmp_path / "no such folder" / "model.pt")


def test_a_missing_file_cannot_be_stored(any_store: Store, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"gone\.zip") as caught:
        any_store.put_file("s.zip", tmp_path / "gone.zip")
    assert not isinstance(caught.value, NotFound)
    assert keys(any_store) == []


@pytest.mark.parametrize("there_before", [False, True])
def test_a_cancelled_upload_leaves_what_was_there(any_store: Store, file: Path, there_before: bool) -> None:
    if there_before:
        any_store.put("s.zip", b"old")
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(StoreError, match="stopped"):
        any_store.put_file("s.zip", file, cancel=cancel)
    assert keys(any_store) == (["s.zip"] if there_before else [])
    if there_before:
        assert any_store.get("s.zip") == b"old"


def test_an_interrupt_in_the_middle_leaves_nothing_and_takes_less_than_a_second(any_store: Store, file: Path) -> None:
    def seconds_to_the_end() -> float:
        interrupted = 0.0

        def interrupt(moved: int) -> None:
            nonlocal interrupted
            interrupted = time.monotonic()
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            any_store.put_file("s.zip", file, progress=interrupt)
        return time.monotonic() - interrupted

    assert at_best(seconds_to_the_end, 1) < 1
    # A transfer that was all sent when the interrupt came may have become an object, but then a whole one.
    info = any_store.stat("s.zip")
    assert info is None or info.bytes == file.stat().st_size
    any_store.put_file("s.zip", file)
    assert any_store.get("s.zip") == file.read_bytes()


@pytest.mark.parametrize("key", BAD_KEYS)
def test_a_key_that_some_store_could_not_hold_is_refused_by_all(any_store: Store, key: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    for attempt in (
        lambda: any_store.put(key, b"x"),
        lambda: any_store.put_file(key, tmp_path / "file"),
        lambda: any_store.copy(key, "b"),
        lambda: any_store.copy("b", key),
        lambda: any_store.get(key),
        lambda: any_store.get_if_changed(key, None),
        lambda: any_store.get_file(key, tmp_path / "out"),
        lambda: any_store.stat(key),
        lambda: any_store.delete(key),
    ):
        with pytest.raises(StoreError, match="cannot be the name") as caught:
            attempt()
        assert not isinstance(caught.value, NotFound)
    assert keys(any_store) == []


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=st.text(st.sampled_from("ab./\\ é:%~\0\n"), max_size=12) | st.text(max_size=20))
def test_any_text_is_a_key_that_works_or_is_refused(any_store: Store, key: str) -> None:
    try:
        any_store.put(key, b"content")
    except StoreError:
        return
    try:
        assert any_store.get(key) == b"content"
        assert keys(any_store) == [key]
    finally:
        any_store.delete(key)


def test_readers_never_see_half_an_object(any_store: Store) -> None:
    size = 300_000
    any_store.put("a", b"0" * size)
    over = threading.Event()

    def write() -> None:
        for number in range(40):
            any_store.put("a", b"%d" % (number % 10) * size)
        over.set()

    writer = threading.Thread(target=write)
    writer.start()
    torn = []
    by_tag: dict[str, set[bytes]] = {}
    while not over.is_set():
        data, tag = any_store.get_if_changed("a", None) or (b"", "")
        by_tag.setdefault(tag, set()).add(data[:1])
        if len(data) != size or len(set(data)) != 1:
            torn.append(data)
    writer.join()
    assert not torn
    # A tag that went with other bytes would make a reader miss a change.
    assert all(len(contents) == 1 for contents in by_tag.values())


def test_the_url_of_a_store_opens_it_again(any_store: Store) -> None:
    any_store.put("a", b"x")
    assert open_store(any_store.url).get("a") == b"x"
    assert open_store(any_store.url).url == any_store.url
