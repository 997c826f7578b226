"""A runner fetches the sites' data: each content once, never another one than was submitted."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from reson_jupyter.backend.runner.fetch import fetch_files, fetch_shards
from reson_jupyter.backend.runner.remains import WorkFolder
from reson_jupyter.backend.shard_pool import content_key
from reson_jupyter.backend.store import DirectoryStore, Store
from reson_jupyter.errors import ShardError, StoreError
from tests.data.zips import write_zip


def stored(store: Store, path: Path) -> dict[str, str]:
    """Stores a shard; returns what a run's log says of it."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    store.put_file(content_key(digest), path)
    return {"shard": path.name, "sha256": digest}


@pytest.fixture
def work(tmp_path: Path) -> WorkFolder:
    (tmp_path / "work").mkdir()
    return WorkFolder(tmp_path / "work")


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys of what was fetched into files."""
    keys: list[str] = []
    get_file = DirectoryStore.get_file

    def note(self: DirectoryStore, key: str, path: Path, **more: Any) -> None:
        keys.append(key)
        get_file(self, key, path, **more)

    monkeypatch.setattr(DirectoryStore, "get_file", note)
    return keys


def test_each_site_gets_its_shard_and_its_digest_beside_it(
    store: Store, work: WorkFolder, tmp_path: Path, fetched: list[str]
) -> None:
    one = stored(store, write_zip(tmp_path / "one.zip", {"number.txt": b"1"}))
    two = stored(store, write_zip(tmp_path / "two.zip", {"number.txt": b"2"}))
    fetch_shards(store, {"site-1": one, "site-2": two, "site-3": one}, work, lambda: False)
    assert [(work.data / f"site-{number}" / "number.txt").read_bytes() for number in (1, 2, 3)] == [b"1", b"2", b"1"]
    assert [(work.data / f"site-{number}.sha256").read_text() for number in (1, 2, 3)] == [
        one["sha256"], two["sha256"], one["sha256"],
    ]  # fmt: skip
    assert fetched == [content_key(one["sha256"]), content_key(two["sha256"])], "what two sites have is fetched once"
    assert list(work.path.glob("*.zip")) == []


def test_a_shard_that_is_gone_is_named(store: Store, work: WorkFolder) -> None:
    with pytest.raises(StoreError, match=r"the shard one\.zip of site-1 and site-2 is not in the store file:") as caught:
        fetch_shards(
            store, {site: {"shard": "one.zip", "sha256": "1" * 64} for site in ("site-1", "site-2")}, work, lambda: False
        )
    assert "with its folder of shards" in str(caught.value)


def test_a_shard_that_is_not_what_its_key_says_reaches_no_site_and_can_be_sent_again(
    store: Store, work: WorkFolder, tmp_path: Path
) -> None:
    one = stored(store, write_zip(tmp_path / "one.zip", {"number.txt": b"1"}))
    key = content_key(one["sha256"])
    store.put(key, store.get(key).replace(b"number", b"mumber"))
    with pytest.raises(StoreError, match=r"one\.zip of site-1 was damaged in the store .*, so it was removed"):
        fetch_shards(store, {"site-1": one}, work, lambda: False)
    assert not work.data.exists() and store.stat(key) is None


def test_a_shard_that_cannot_be_unpacked_is_named_by_its_site(store: Store, work: WorkFolder, tmp_path: Path) -> None:
    (tmp_path / "one.zip").write_bytes(b"no zip")
    with pytest.raises(ShardError, match=r"site-1\.zip is not a zip file"):
        fetch_shards(store, {"site-1": stored(store, tmp_path / "one.zip")}, work, lambda: False)


def test_nothing_more_is_fetched_when_the_end_was_asked_for(
    store: Store, work: WorkFolder, tmp_path: Path, fetched: list[str]
) -> None:
    sites = {f"site-{n}": stored(store, write_zip(tmp_path / f"{n}.zip", {"n": str(n).encode()})) for n in (1, 2, 3)}
    fetch_shards(store, sites, work, lambda: len(fetched) == 1)
    assert fetched == [content_key(sites["site-1"]["sha256"])]


def test_the_jobs_own_files_are_those_below_its_prefix(store: Store) -> None:
    for key in ("scripts/a.py", "scripts/b/c.py", "configs/d.json", "model/e.pt", "requirements/f.txt", "files_out/g"):
        store.put(f"jobs/one/{key}", key.encode())
    store.put("jobs/one-more/scripts/a.py", b"another run's")
    assert fetch_files(store, "jobs/one") == {
        key: key.encode() for key in ("scripts/a.py", "scripts/b/c.py", "configs/d.json", "model/e.pt")
    }
