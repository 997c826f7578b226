"""Each shard lies in a store once, for as long as a run that exists needs it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reson_jupyter.backend.event_log import EventLogWriter
from reson_jupyter.backend.record import RunRecord
from reson_jupyter.backend.sending import Sending, Shard
from reson_jupyter.backend.shard_pool import Released, claim, claimed_by, content_key, release, unclaim
from reson_jupyter.backend.store import DirectoryStore, Store
from tests.backend.test_verdict import event

CONTENTS = (b"1" * 64, b"2" * 64)
ONE, TWO = (hashlib.sha256(content).hexdigest() for content in CONTENTS)


def begin(store: Store, run_id: str, *digests: str) -> None:
    """What a submit does: a log, and then the shards."""
    record = RunRecord(id=run_id, name="n", target="local", store="file:///", created=1.0)
    EventLogWriter(store, record.prefix).append([event("state", state="uploading")])
    with TemporaryDirectory() as folder:
        shards = []
        for digest, content in zip((ONE, TWO), CONTENTS, strict=True):
            path = Path(folder) / digest[:4]
            path.write_bytes(content)
            shards += [Shard(path.name, digest, path)] * digests.count(digest)
        Sending(store, record, {}, shards, False, Event()).send(lambda plan: None, lambda note: None)


def keys(store: Store) -> list[str]:
    return [info.key for info in store.list("shards/")]


def test_the_keys_are_those_of_the_platform(store: Store) -> None:
    begin(store, "a", ONE)
    assert keys(store) == [f"shards/sha256/{ONE}.zip", f"shards/used/{ONE}/a"]
    assert store.get(f"shards/used/{ONE}/a") == b""


def test_a_shard_goes_with_the_last_run_that_needs_it(store: Store) -> None:
    begin(store, "a", ONE, TWO)
    begin(store, "b", ONE)
    assert release(store, "a", [ONE, TWO]) == Released(objects=3, bytes=64, kept=1)
    assert keys(store) == [content_key(ONE), f"shards/used/{ONE}/b"]
    assert store.get(content_key(ONE)) == CONTENTS[0]
    assert release(store, "b", [ONE]) == Released(objects=2, bytes=64, kept=0)
    assert keys(store) == []


def test_a_shard_of_two_sites_is_claimed_and_counted_once(store: Store) -> None:
    begin(store, "a", ONE, ONE)
    assert keys(store) == [content_key(ONE), f"shards/used/{ONE}/a"]
    assert release(store, "a", [ONE, ONE]) == Released(objects=2, bytes=64, kept=0)


def test_a_release_can_be_done_again(store: Store) -> None:
    begin(store, "a", ONE)
    release(store, "a", [ONE])
    assert release(store, "a", [ONE]) == Released(objects=0, bytes=0, kept=0)


def test_a_run_that_gives_up_its_claims_leaves_the_shards_for_the_next_submit(store: Store) -> None:
    begin(store, "a", ONE)
    unclaim(store, "a", [ONE])
    assert keys(store) == [content_key(ONE)]
    assert release(store, "a", [ONE]) == Released(objects=1, bytes=64, kept=0), "its deletion takes them all the same"


def test_a_claim_of_a_run_without_a_log_keeps_nothing_and_is_dropped(store: Store) -> None:
    begin(store, "a", ONE)
    claim(store, "removed-by-hand", [ONE, TWO])
    assert release(store, "a", [ONE]) == Released(objects=2, bytes=64, kept=0)
    assert keys(store) == [f"shards/used/{TWO}/removed-by-hand"]
    assert claimed_by(store, "removed-by-hand") == [TWO] and claimed_by(store, "removed") == []


@pytest.mark.parametrize("digest", ["", "0", "../../jobs", ONE.upper(), f"{ONE}/a", f"{ONE}\n"])
def test_what_is_no_digest_removes_nothing(store: Store, digest: str) -> None:
    begin(store, "a", ONE)
    before = keys(store)
    assert release(store, "a", [digest]) == Released(0, 0, 0)
    assert keys(store) == before


class _Interrupted:
    """A store in which something else happens just before one request."""

    def __init__(self, store: Store, number: int, happens: Callable[[], object]) -> None:
        self._store = store
        self._left = number
        self._happens = happens
        self.requests: list[str] = []

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        if name not in {"put", "put_file", "stat", "list", "delete"}:
            return method

        def asked(key: str, *rest: Any, **more: Any) -> Any:
            if len(self.requests) == self._left:
                self._happens()
            self.requests.append(f"{name} {key}")
            return method(key, *rest, **more)

        return asked


def lost_between(folder: Path, doing: Callable[[Store], object], meanwhile: Callable[[Store], object]) -> list[str]:
    """Does two things in a store that has the run "a", one at each moment of the other; returns when the shard was lost."""
    lost, number = [], 0
    while True:
        store = DirectoryStore(folder / str(number))
        begin(store, "a", ONE)
        interrupted = _Interrupted(store, number, lambda store=store: meanwhile(store))  # type: ignore[misc]
        doing(interrupted)  # type: ignore[arg-type]
        if number == len(interrupted.requests):
            assert number >= 5, "fewer moments than there must be"
            return lost
        if store.stat(content_key(ONE)) is None:
            lost.append(interrupted.requests[number])
        number += 1


def delete_a(store: Store) -> None:
    release(store, "a", [ONE])


def submit_b(store: Store) -> None:
    begin(store, "b", ONE)


def test_whenever_a_run_is_deleted_another_one_that_is_submitted_meanwhile_has_its_shard(tmp_path: Path) -> None:
    assert lost_between(tmp_path, submit_b, meanwhile=delete_a) == []


def test_whenever_a_run_is_submitted_the_deletion_of_another_one_leaves_its_shard_but_for_one_moment(tmp_path: Path) -> None:
    # A whole submit between the last look for claims and the deletion: that run says so when it wants its data.
    assert lost_between(tmp_path, delete_a, meanwhile=submit_b) == [f"delete {content_key(ONE)}"]


@given(
    st.lists(
        st.tuples(st.sampled_from(["begin", "release", "unclaim", "lose"]), st.sampled_from("abc"), st.sampled_from([ONE, TWO])),
        max_size=20,
    )
)
@settings(max_examples=60, deadline=None)
def test_what_a_run_that_exists_has_claimed_is_always_there(steps: list[tuple[str, str, str]]) -> None:
    with TemporaryDirectory() as folder:
        store = DirectoryStore(Path(folder))
        claims: set[tuple[str, str]] = set()
        for what, run_id, digest in steps:
            if what == "begin":
                begin(store, run_id, digest)
                claims.add((run_id, digest))
            elif what == "lose":  # somebody removes the run's folder by hand
                for info in list(store.list(f"jobs/{run_id}/")):
                    store.delete(info.key)
                claims = {claimed for claimed in claims if claimed[0] != run_id}
            else:
                (release if what == "release" else unclaim)(store, run_id, [digest])
                claims.discard((run_id, digest))
            assert all(store.stat(content_key(digest)) for _, digest in claims)
        for run_id in "abc":
            release(store, run_id, [ONE, TWO])
        assert keys(store) == [], "nothing is left that nobody needs"
