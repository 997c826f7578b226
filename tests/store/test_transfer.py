"""Sending a run's files: what the plan says, what is sent, and what becomes of it when something happens meanwhile."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reson_jupyter.backend.store import DirectoryStore, Store, open_store
from reson_jupyter.backend.store.transfer import Sent, Upload, make_plan, upload
from reson_jupyter.config import ResonTechConfig
from reson_jupyter.errors import StoreError
from tests.patience import at_best
from tests.servers import S3Endpoint, slow_line

from .conftest import use

SHARD = 20 << 20
SHARDS = [f"shards/sha256/{number:02x}.zip" for number in range(3)]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RESON_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def items(tmp_path: Path) -> list[Upload]:
    (tmp_path / "s.zip").write_bytes(b"s" * SHARD)
    return [
        Upload("j/scripts/model_def.py", b"import torch", "text/x-python"),
        Upload("j/configs/empty.json", b""),
        Upload("j/shards/s.zip", tmp_path / "s.zip", "application/zip"),
        Upload("j/model/m.pt", b"m"),
    ]


@pytest.fixture
def shards(tmp_path: Path) -> list[Upload]:
    """Three shards of a tenth of a megabyte each."""
    for number in range(3):
        (tmp_path / f"{number}.zip").write_bytes(bytes([number]) * 100_000)
    return [Upload(key, tmp_path / f"{number}.zip", "application/zip", once=True) for number, key in enumerate(SHARDS)]


def stored(store: Store) -> dict[str, int]:
    return {info.key: info.bytes for info in store.list("")}


def test_everything_is_stored_and_the_total_is_known_from_the_start(any_store: Store, items: list[Upload]) -> None:
    told: list[Sent] = []
    threads = set()

    def progress(sent: Sent) -> None:
        threads.add(threading.current_thread())
        told.append(sent)

    plan = make_plan(any_store, items)
    assert (plan.bytes, plan.new_bytes, plan.there) == (13 + SHARD, 13 + SHARD, ())
    assert upload(any_store, plan, progress) == 13 + SHARD
    assert stored(any_store) == {
        "j/scripts/model_def.py": 12,
        "j/configs/empty.json": 0,
        "j/shards/s.zip": SHARD,
        "j/model/m.pt": 1,
    }
    assert threads == {threading.current_thread()}
    assert all(sent.total == 13 + SHARD and sent.done == sum(done for done, _ in sent.items.values()) for sent in told)
    assert told[-1].done == told[-1].total and told[-1].seconds_left == 0
    assert told[-1].items["j/shards/s.zip"] == (SHARD, SHARD)


def test_what_is_there_is_not_sent_again(any_store: Store, shards: list[Upload]) -> None:
    assert upload(any_store, make_plan(any_store, shards)) == 300_000
    again = make_plan(any_store, shards)
    assert (again.new, again.there, again.new_bytes, again.bytes) == ((), tuple(shards), 0, 300_000)
    tags = [info.etag for info in any_store.list("")]
    told: list[Sent] = []
    assert upload(any_store, again, told.append) == 0
    assert [info.etag for info in any_store.list("")] == tags
    assert [(sent.done, sent.total) for sent in told] == [(0, 0)]


def test_only_the_one_that_changed_is_sent(any_store: Store, shards: list[Upload]) -> None:
    upload(any_store, make_plan(any_store, shards))
    changed = [*shards[:2], replace(shards[2], key="shards/sha256/ff.zip")]
    plan = make_plan(any_store, changed)
    assert plan.new == (changed[2],)
    assert upload(any_store, plan) == 100_000


def test_what_is_there_with_another_size_is_not_it(any_store: Store, shards: list[Upload]) -> None:
    any_store.put(SHARDS[0], b"half")
    plan = make_plan(any_store, shards)
    assert plan.there == ()
    upload(any_store, plan)
    assert stored(any_store) == dict.fromkeys(SHARDS, 100_000)


def test_what_does_not_name_its_content_is_sent_always(any_store: Store, shards: list[Upload]) -> None:
    plain = [replace(shard, once=False) for shard in shards]
    for _ in range(2):
        plan = make_plan(any_store, plain)
        assert plan.new == tuple(plain)
        assert upload(any_store, plan) == 300_000


def test_a_content_that_two_sites_have_is_one_item(any_store: Store, shards: list[Upload]) -> None:
    plan = make_plan(any_store, [shards[0], shards[1], shards[0]])
    assert (len(plan.new), plan.bytes) == (2, 200_000)


@pytest.mark.parametrize(
    ("there", "rate", "says"),
    [
        (0, None, "0.3 MB to send"),
        (1, 100_000.0, "1 of 3 shards are in the store already; 0.2 MB to send, about 2 s"),
        (2, 500.0, "2 of 3 shards are in the store already; 0.1 MB to send, about 3 min"),
        (3, 100_000.0, "all 3 shards are in the store already; nothing to send"),
    ],
)
def test_a_plan_is_one_line_for_people(any_store: Store, shards: list[Upload], there: int, rate: float | None, says: str) -> None:
    upload(any_store, make_plan(any_store, shards[:there]))
    assert str(replace(make_plan(any_store, shards), rate=rate)) == says


def test_a_plan_of_one_shard_speaks_of_one(any_store: Store, shards: list[Upload]) -> None:
    upload(any_store, make_plan(any_store, shards[:1]))
    assert str(make_plan(any_store, shards[:1])) == "the shard is in the store already; nothing to send"


def test_how_long_it_takes_is_known_from_the_upload_before(any_store: Store, items: list[Upload], home: Path) -> None:
    first = make_plan(any_store, items)
    assert first.seconds is None
    begun = time.monotonic()
    upload(any_store, first)
    took = time.monotonic() - begun
    seconds = make_plan(any_store, items).seconds
    assert seconds is not None and 0 < seconds <= took
    assert make_plan(DirectoryStore(home / "another"), items).seconds is None


@pytest.mark.parametrize("content", ["", "[1]", '{"a": "b"}', "\0"])
def test_a_file_of_rates_that_cannot_be_read_only_costs_the_estimate(
    any_store: Store, items: list[Upload], home: Path, content: str
) -> None:
    home.mkdir()
    (home / "upload-rates.json").write_text(content)
    plan = make_plan(any_store, items)
    assert plan.seconds is None
    upload(any_store, plan)
    assert make_plan(any_store, items).seconds is not None


def test_a_copy_is_made_of_what_the_same_plan_sends_and_costs_no_bytes(any_store: Store, shards: list[Upload]) -> None:
    upload(any_store, make_plan(any_store, shards))
    (info, *_) = any_store.list("shards/")
    any_store.delete(info.key)
    plan = make_plan(any_store, [Upload("j/shards/s.zip", info), *shards])
    assert plan.new_bytes == 100_000
    told: list[Sent] = []
    assert upload(any_store, plan, told.append) == 100_000
    assert any_store.get("j/shards/s.zip") == any_store.get(info.key)
    assert (told[-1].done, told[-1].total) == (100_000, 100_000)


@pytest.mark.parametrize("bad", [Upload("j/x", Path("/no/such/file")), Upload("j/x", Path("/")), Upload("../x", b"")])
def test_nothing_is_sent_when_something_of_it_cannot_be(any_store: Store, items: list[Upload], bad: Upload) -> None:
    with pytest.raises(StoreError):
        make_plan(any_store, [*items, bad])
    assert stored(any_store) == {}


def test_a_file_that_changed_since_the_plan_is_not_sent(any_store: Store, shards: list[Upload], tmp_path: Path) -> None:
    plan = make_plan(any_store, shards)
    (tmp_path / "1.zip").write_bytes(b"another")
    with pytest.raises(StoreError, match=r"1\.zip has changed since it was looked at"):
        upload(any_store, plan)
    assert SHARDS[1] not in stored(any_store)


def test_a_file_that_is_gone_since_the_plan_is_told(any_store: Store, shards: list[Upload], tmp_path: Path) -> None:
    plan = make_plan(any_store, shards)
    (tmp_path / "1.zip").unlink()
    with pytest.raises(StoreError, match=r"1\.zip has changed since it was looked at"):
        upload(any_store, plan)


def test_what_vanishes_meanwhile_is_sent_again(any_store: Store, shards: list[Upload]) -> None:
    upload(any_store, make_plan(any_store, shards[:2]))
    plan = make_plan(any_store, shards)
    any_store.delete(SHARDS[0])
    told: list[Sent] = []
    assert upload(any_store, plan, told.append) == 200_000
    assert stored(any_store) == dict.fromkeys(SHARDS, 100_000)
    assert told[-1].done == told[-1].total == 200_000


def test_what_always_vanishes_is_an_error(tmp_path: Path, shards: list[Upload]) -> None:
    class Leaky(DirectoryStore):
        def stat(self, key: str) -> None:
            return None

    store = Leaky(tmp_path / "store")
    with pytest.raises(StoreError, match=r"00\.zip was sent but is not in the store"):
        upload(store, make_plan(store, shards))


def test_a_store_that_refuses_one_file_ends_the_upload_with_its_reason(tmp_path: Path, shards: list[Upload]) -> None:
    class Full(DirectoryStore):
        def put_file(self, key: str, *args: object, **kwargs: object) -> int:
            raise StoreError(f"{key}: the disk is full")

    store = Full(tmp_path / "store")
    with pytest.raises(StoreError, match="the disk is full"):
        upload(store, make_plan(store, shards))


@pytest.fixture
def slow(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Store]]:
    """Opens one and the same store of a server, at the end of a line of 4 MB a second."""
    endpoint: S3Endpoint = request.getfixturevalue("moto_http")
    use(endpoint, monkeypatch)
    prefix = uuid.uuid4()
    with slow_line(endpoint.url, 4 << 20) as url:
        monkeypatch.setenv("RESON_S3_ENDPOINT", url)
        yield lambda: open_store(f"s3://{endpoint.bucket}/{prefix}", ResonTechConfig())


@pytest.mark.parametrize("interrupt", [False, True])
def test_stopped_it_ends_within_a_second_also_on_a_slow_line_with_only_whole_objects(
    slow: Callable[[], Store], items: list[Upload], interrupt: bool
) -> None:
    def seconds_to_the_end() -> float:
        store = slow()
        cancel = threading.Event()
        stopped_at = 0.0

        def stop_in_the_shard(sent: Sent) -> None:
            nonlocal stopped_at
            if sent.items["j/shards/s.zip"][0]:
                stopped_at = stopped_at or time.monotonic()
                if interrupt:
                    raise KeyboardInterrupt
                cancel.set()

        with pytest.raises(KeyboardInterrupt if interrupt else StoreError):
            upload(store, make_plan(store, items), stop_in_the_shard, cancel)
        return time.monotonic() - stopped_at

    assert at_best(seconds_to_the_end, 1) < 1
    assert set(stored(slow())) <= {item.key for item in items} - {"j/shards/s.zip"}


def test_a_slow_line_is_told_to_take_its_time(slow: Callable[[], Store], items: list[Upload]) -> None:
    store = slow()
    left: list[float] = []

    def progress(sent: Sent) -> None:
        if sent.seconds_left is not None:
            left.append(sent.seconds_left)
        if len(left) == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        upload(store, make_plan(store, items), progress)
    assert all(0 < seconds < 60 for seconds in left)


def test_an_interrupted_upload_can_simply_be_done_again(any_store: Store, items: list[Upload]) -> None:
    def interrupt(sent: Sent) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        upload(any_store, make_plan(any_store, items), interrupt)
    upload(any_store, make_plan(any_store, items))
    assert any_store.get("j/shards/s.zip") == b"s" * SHARD
