"""A site's shard: how it comes from the store, is checked, unpacked and kept."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import io
import logging
import os
import shutil
import traceback
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from reson_jupyter.backend.store import Store
from reson_jupyter.worker import shard_cache, shard_fetch
from reson_jupyter.worker.shard import _rt_digest
from reson_jupyter.worker.shard_cache import _reson_ShardCache
from reson_jupyter.worker.shard_fetch import _reson_NoShard
from tests.data.evil import EVIL
from tests.servers import Line

from .shelf import SECRET, Shelf, shelf

MEMBERS = {"manifest.ndjson": b'{"id": "1", "uri": "images/a.png", "y": 0}\n', "images/a.png": os.urandom(300_000)}


def packed(members: dict[str, bytes] = MEMBERS) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


ZIP = packed()


def reference(url: str, content: bytes = ZIP) -> dict[str, Any]:
    return {"name": "clinic.zip", "url": url, "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def contents(folder: str) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


class Site:
    """A site's cache, and what it said."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.told: list[str] = []
        self.used: list[_reson_ShardCache] = []
        self.check: Callable[[], None] = lambda: None

    def fetch(self, shard: dict[str, Any]) -> str:
        cache = _reson_ShardCache(str(self.folder), lambda: self.check(), self.told.append)
        place = cache.fetch(shard)
        self.used.append(cache)
        return place

    def end_runs(self) -> None:
        """Ends the runs that use a shard, which are processes of their own on a real site."""
        while self.used:
            self.used.pop().release()

    def refuses(self, shard: dict[str, Any]) -> str:
        """Why a shard cannot be had: in one line without its address, and nothing of it is left but what can be gone on with."""
        with pytest.raises(_reson_NoShard) as caught:
            self.fetch(shard)
        text = "".join(traceback.format_exception(caught.value))
        assert "sesame" not in text and "\n" not in str(caught.value)
        assert {path.suffix for path in self.folder.iterdir()} <= {".lock", ".zip"}
        return str(caught.value)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(shard_fetch, "_reson_FETCH_PAUSES", (0.0, 0.0))
    site = Site(tmp_path / "cache")
    yield site
    site.end_runs()


@pytest.fixture
def web() -> Iterator[Shelf]:
    with shelf(ZIP) as found:
        yield found


def test_a_shard_is_fetched_unpacked_and_known_by_its_digest(site: Site, web: Shelf) -> None:
    place = site.fetch(reference(web.url))
    assert contents(place) == MEMBERS
    assert _rt_digest(place) == hashlib.sha256(ZIP).hexdigest()
    assert not list(site.folder.glob("*.zip"))


def test_it_is_fetched_once(site: Site, web: Shelf) -> None:
    assert site.fetch(reference(web.url)) == site.fetch(reference("http://127.0.0.1:1/nobody-is-there"))
    assert len(web.asked) == 1


@pytest.mark.parametrize("change", ["content", "removed", "added", "sidecar"])
def test_one_that_was_changed_since_is_fetched_anew(site: Site, web: Shelf, change: str) -> None:
    place = Path(site.fetch(reference(web.url)))
    if change == "content":
        (place / "images/a.png").write_bytes(bytes(300_000))
    elif change == "removed":
        (place / "manifest.ndjson").unlink()
    elif change == "added":
        (place / "new").touch()
    else:
        Path(f"{place}.files").write_text("other")
    site.end_runs()
    assert contents(site.fetch(reference(web.url))) == MEMBERS
    assert len(web.asked) == 2


def test_a_connection_that_is_cut_goes_on_where_it_was(site: Site, web: Shelf) -> None:
    web.faults = [("cut", 100_000), ("cut", 0), ("cut", 1), ("cut", 50_000)]
    assert contents(site.fetch(reference(web.url))) == MEMBERS
    begins = [int(asked.removeprefix("bytes=").removesuffix("-")) for asked in web.asked]
    assert begins[0] == 0 and sorted(begins) == begins and begins[-1] >= 100_001


def test_so_does_the_next_run_where_one_gave_up(site: Site, web: Shelf) -> None:
    web.faults = [("cut", 100_000), *[("cut", 0)] * 3]
    assert site.refuses(reference(web.url)).startswith("the shard clinic.zip cannot be fetched from 127.0.0.1:")
    site.fetch(reference(web.url))
    assert web.asked[-1] == web.asked[-2] != "bytes=0-"


def test_a_server_that_knows_no_ranges_is_read_from_the_start(site: Site, web: Shelf) -> None:
    web.ranges, web.faults = False, [("cut", 100_000)]
    assert contents(site.fetch(reference(web.url))) == MEMBERS


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_store_that_is_busy_is_asked_again(site: Site, web: Shelf, status: int) -> None:
    web.faults = [("status", status)] * 2
    assert contents(site.fetch(reference(web.url))) == MEMBERS


@pytest.mark.parametrize("status", [403, 404])
def test_an_address_that_has_expired_is_told_at_once(site: Site, web: Shelf, status: int) -> None:
    web.faults = [("status", status)]
    assert site.refuses(reference(web.url)) == (
        f"the store refuses the shard clinic.zip ({status} AccessDenied); the address that came with the run may have expired"
    )
    assert len(web.asked) == 1


def test_a_store_that_is_not_there_is_named(site: Site) -> None:
    said = site.refuses(reference(f"http://127.0.0.1:1/shard.zip?{SECRET}"))
    assert said == "the shard clinic.zip cannot be fetched from 127.0.0.1:1: the connection failed (ConnectionError)"


def test_what_was_damaged_on_the_way_is_fetched_once_more(site: Site, web: Shelf) -> None:
    good = web.content

    def damage_the_first() -> None:
        web.content = good if len(web.asked) > 1 else bytes(len(good))

    web.before = damage_the_first
    assert contents(site.fetch(reference(web.url))) == MEMBERS


def test_what_is_damaged_in_the_store_is_told(site: Site, web: Shelf) -> None:
    web.content = ZIP[:-1] + b"x"
    said = site.refuses(reference(web.url))
    assert said == "the shard clinic.zip is damaged in the store: its SHA-256 is not the one submitted"
    assert len(web.asked) == 2


def test_what_is_larger_than_it_should_be_is_not_fetched_whole(site: Site, web: Shelf) -> None:
    web.content = ZIP + bytes(10_000_000)
    assert "is larger in the store" in site.refuses(reference(web.url))
    assert os.path.getsize(next(site.folder.glob("*.zip"))) <= len(ZIP)


@pytest.mark.parametrize("name", EVIL)
def test_an_evil_shard_is_refused_and_writes_nothing(site: Site, web: Shelf, tmp_path: Path, name: str) -> None:
    write, why = EVIL[name]
    write(tmp_path / "evil.zip")
    web.content = (tmp_path / "evil.zip").read_bytes()
    assert why.removeprefix("cannot be unpacked: ") in site.refuses(reference(web.url, web.content))
    assert not list(site.folder.glob("*.zip")) and not list(tmp_path.rglob("canary"))


@pytest.mark.parametrize("content", [b"no zip at all", ZIP[:1000]])
def test_what_is_no_zip_is_refused(site: Site, web: Shelf, content: bytes) -> None:
    web.content = content
    assert "cannot be unpacked: is not a zip file" in site.refuses(reference(web.url, content))


def test_a_disk_that_is_too_small_is_told_before_anything_is_fetched(
    site: Site, web: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: type("Usage", (), {"free": shard_cache._reson_DISK_MARGIN + 1000}))
    said = site.refuses(reference(web.url))
    assert said == f"the shard clinic.zip has {len(ZIP):,} bytes, and the disk of {site.folder} has room for 1,000"
    assert web.asked == []


def test_a_disk_that_fills_up_meanwhile_is_told(site: Site, web: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shard_cache, "_reson_unpack", full)
    assert site.refuses(reference(web.url)).endswith(f"cannot be kept in {site.folder}: No space left on device")


def test_the_shards_that_were_not_used_for_longest_make_room(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    places = []
    zips = [packed({"a": bytes([number])}) for number in range(4)]
    for content in zips[:3]:
        with shelf(content) as web:
            places.append(site.fetch(reference(web.url, content)))
    site.end_runs()
    for place, time in zip(places, (20, 10, 30), strict=True):
        os.utime(f"{place}.lock", (time, time))
    free = iter([0, 0, 0])  # before each of the first two is looked at, and the third
    monkeypatch.setattr(shutil, "disk_usage", lambda path: type("Usage", (), {"free": next(free, 1 << 40)}))
    with open(f"{places[1]}.lock") as used, shelf(zips[3]) as web:
        fcntl.flock(used, fcntl.LOCK_SH)  # by a run that goes on
        places.append(site.fetch(reference(web.url, zips[3])))
    assert [Path(place).exists() for place in places] == [False, True, False, True]


def test_two_runs_of_a_site_fetch_a_shard_once(site: Site, web: Shelf) -> None:
    first = _reson_ShardCache(str(site.folder), lambda: None, lambda text: None)
    site.folder.mkdir()
    place = site.folder / reference(web.url)["sha256"]
    first._lock(str(place))  # it is about to fetch

    def fetch_meanwhile() -> None:
        site.check = lambda: None
        first._fetch(reference(web.url), f"{place}.zip")
        first._unpack(reference(web.url), str(place))
        first.release()

    site.check = fetch_meanwhile
    assert site.fetch(reference("http://127.0.0.1:1/nobody")) == str(place)
    assert len(web.asked) == 1
    assert site.told == ["the shard is waited for: another run of this site fetches it, or uses what somebody changed"]


def test_an_abort_ends_the_fetching_and_leaves_what_came(site: Site, web: Shelf) -> None:
    class Stopped(BaseException):
        pass

    def stop() -> NoReturn:
        raise Stopped

    site.check = stop
    with pytest.raises(Stopped):
        site.fetch(reference(web.url))
    site.check = lambda: None
    assert contents(site.fetch(reference(web.url))) == MEMBERS


def test_how_far_it_is_is_told_from_time_to_time(site: Site, web: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shard_fetch, "_reson_TELL_SECONDS", 0.0)
    site.fetch(reference(web.url))
    assert site.told[-1] == "fetched 0.3 of 0.3 MB of the shard clinic.zip"


def test_the_address_stands_in_no_log_at_any_level(site: Site, web: Shelf, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    web.faults = [("cut", 10), ("status", 500)]
    site.fetch(reference(web.url))
    assert "urllib3" in caplog.text and "GET /shard.zip?..." in caplog.text
    assert "sesame" not in caplog.text


# From a store


def test_a_shard_comes_from_a_bucket_by_a_signed_address_also_when_the_line_is_cut(
    site: Site, store: Store, bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put("data/a", ZIP)
    line = Line(bucket.url)
    monkeypatch.setattr(shard_fetch, "_reson_FETCH_PAUSES", (0.0, 0.1, 0.2))
    url = store.offer_download("data/a", 60)
    assert url
    cut = iter([True])

    def cut_once() -> None:
        if next(cut, False):
            line.cut()
            line.mend()

    site.check = cut_once
    assert contents(site.fetch(reference(url.replace(bucket.url, line.url)))) == MEMBERS
    line.cut()


def test_an_object_that_is_not_there_is_told(site: Site, store: Store) -> None:
    assert "(404 NoSuchKey)" in site.refuses(reference(str(store.offer_download("data/none", 60))))
