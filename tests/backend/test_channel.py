"""What a server reports into the store is read once and in order, whatever becomes of its objects on the way."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reson_jupyter.backend.carrying import channel as channel_module
from reson_jupyter.backend.carrying.channel import StoreChannel, make_link
from reson_jupyter.backend.store import DirectoryStore, Store
from reson_jupyter.errors import StoreError
from reson_jupyter.events import Event, EventType

PREFIX = "jobs/digits-1"
REPORTS = f"{PREFIX}/files_out/events/server/"
REQUESTS = f"{PREFIX}/files_out/requests.json"


def line(number: int, **data: Any) -> str:
    return (
        Event(time=float(number), type=EventType.LOG, data={"level": "info", "message": str(number)} | data).model_dump_json(
            exclude={"seq"}
        )
        + "\n"
    )


def post(store: Store, first: int, *numbers: int) -> None:
    """Stores a report, as the server's link does."""
    store.put(f"{REPORTS}{first:010d}.ndjson", "".join(line(number) for number in numbers).encode())


def numbers(events: list[Event]) -> list[int]:
    return [int(event.data["message"]) for event in events]


def names(store: Store) -> list[str]:
    return [info.name for info in store.list(REPORTS)]


@pytest.fixture
def channel(store: Store) -> StoreChannel:
    return StoreChannel(store, PREFIX)


def test_reports_are_read_in_order_and_once(store: Store, channel: StoreChannel) -> None:
    assert channel.read() == []
    post(store, 0, 0, 1)
    post(store, 2, 2)
    assert numbers(channel.read()) == [0, 1, 2]
    assert channel.read() == []
    post(store, 3, 3, 4)
    assert numbers(channel.read()) == [3, 4]


def test_one_that_is_late_is_waited_for(store: Store, channel: StoreChannel) -> None:
    post(store, 0, 0)
    assert numbers(channel.read()) == [0]
    post(store, 2, 2)
    assert channel.read() == []
    post(store, 1, 1)
    assert numbers(channel.read()) == [1, 2]


def test_one_that_never_comes_is_not_waited_for_for_ever(
    store: Store, channel: StoreChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    post(store, 0, 0)
    channel.read()
    post(store, 2, 2)
    assert channel.read() == []
    now[0] += channel_module._GAP_PATIENCE - 1
    assert channel.read() == []
    now[0] += 2
    assert numbers(channel.read()) == [2]
    post(store, 3, 3)
    assert numbers(channel.read()) == [3]


def test_one_that_comes_again_with_more_gives_what_is_new(store: Store, channel: StoreChannel) -> None:
    post(store, 0, 0, 1)
    assert numbers(channel.read()) == [0, 1]
    post(store, 0, 0, 1, 2, 3)
    assert numbers(channel.read()) == [2, 3]
    post(store, 4, 4)
    assert numbers(channel.read()) == [4]


def test_only_what_the_server_is_done_with_is_deleted(store: Store, channel: StoreChannel) -> None:
    post(store, 0, 0, 1)
    channel.read()
    channel.forget()
    assert names(store) == ["0000000000.ndjson"]
    post(store, 0, 0, 1, 2)  # it had not heard that it arrived
    post(store, 3, 3)
    channel.forget()
    assert numbers(channel.read()) == [2, 3]
    channel.forget()
    assert names(store) == ["0000000003.ndjson"]
    assert channel.read() == []


def test_one_that_comes_again_after_it_was_deleted_is_no_news(store: Store, channel: StoreChannel) -> None:
    post(store, 0, 0)
    post(store, 1, 1)
    channel.read()
    channel.forget()
    post(store, 0, 0)
    assert channel.read() == []
    post(store, 2, 2)
    assert numbers(channel.read()) == [2]


def test_another_carrier_goes_on_where_the_first_left_the_store(store: Store, channel: StoreChannel) -> None:
    post(store, 0, 0)
    post(store, 1, 1)
    channel.read()
    channel.forget()
    post(store, 2, 2)
    assert numbers(StoreChannel(store, PREFIX).read()) == [1, 2]


HOSTILE = [
    "x.ndjson",
    "1.ndjson",
    "00000000001.ndjson",
    "\u0660" * 10 + ".ndjson",
    "0000000001.ndjson.bak",
    "-000000001.ndjson",
    "0000000001.json",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_that_no_server_gives_are_left_alone(store: Store, channel: StoreChannel, name: str) -> None:
    store.put(REPORTS + name, line(7).encode())
    post(store, 0, 0)
    post(store, 1, 1)
    assert numbers(channel.read()) == [0, 1]
    channel.forget()
    assert name in names(store)


def test_one_that_is_too_large_to_be_a_servers_is_not_read(
    store: Store, channel: StoreChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel_module, "_REPORT_BYTES", 200)
    post(store, 0, *range(10))
    assert channel.read() == []


def test_what_makes_no_sense_is_shown_and_counts_as_a_line(store: Store, channel: StoreChannel) -> None:
    content = line(0).encode() + b"no json\r with\x85 odd marks\n\n" + line(3).encode() + b'{"not": "whole'
    store.put(f"{REPORTS}{0:010d}.ndjson", content)
    read = channel.read()
    assert [event.data["message"][:19] for event in read] == ["0", "unreadable report: ", "unreadable report: ", "3"]
    post(store, 4, 4)
    assert numbers(channel.read()) == [4]


class Away(DirectoryStore):
    """A store that does not answer for some keys."""

    keys: tuple[str, ...] = ()

    def get(self, key: str) -> bytes:
        if key.endswith(self.keys):
            raise StoreError("nobody there")
        return super().get(key)

    def get_if_changed(self, key: str, etag: str | None) -> tuple[bytes, str] | None:
        self.get(key)
        return super().get_if_changed(key, etag)

    def delete(self, key: str) -> None:
        if key.endswith(self.keys):
            raise StoreError("nobody there")
        super().delete(key)


@pytest.fixture
def away(tmp_path: Path) -> Away:
    return Away(tmp_path / "store")


def test_what_was_read_before_the_store_went_away_is_not_lost(away: Away) -> None:
    channel = StoreChannel(away, PREFIX)
    post(away, 0, 0)
    post(away, 1, 1)
    away.keys = ("1.ndjson",)
    assert numbers(channel.read()) == [0]
    with pytest.raises(StoreError):
        channel.read()
    away.put(f"{REPORTS}telemetry.json", b'{"beat": 1}')
    away.keys = ("telemetry.json",)
    with pytest.raises(StoreError):
        channel.read()
    away.keys = ()
    assert numbers(channel.read()) == [1]


def test_what_could_not_be_deleted_is_deleted_later(away: Away) -> None:
    channel = StoreChannel(away, PREFIX)
    for number in range(3):
        post(away, number, number)
    channel.read()
    away.keys = ("1.ndjson",)
    with pytest.raises(StoreError):
        channel.forget()
    away.keys = ()
    assert channel.read() == []
    channel.forget()
    assert names(away) == ["0000000002.ndjson"]


def test_the_newest_telemetry_that_can_be_read_stays(store: Store, channel: StoreChannel) -> None:
    key = f"{REPORTS}telemetry.json"
    store.put(key, b'{"beat": 4, "sites": {"site-1": {"time": 1, "beat": 2, "pid": 3, "memory": 4, "cpu": 5}}}')
    channel.read()
    assert channel.telemetry.beat == 4 and channel.telemetry.sites["site-1"].pid == 3
    post(store, 0, 0)
    store.put(key, b'{"beat": "x"')
    assert numbers(channel.read()) == [0]
    assert channel.telemetry.beat == 4


# Requests


def asked(store: Store) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(store.get(REQUESTS))
    return content


def test_requests_and_the_stop_stand_beside_each_other(store: Store, channel: StoreChannel) -> None:
    channel.ask({"id": "a"})
    channel.stop()
    channel.ask({"id": "b"})
    assert asked(store) == {"stop": True, "requests": [{"id": "a"}, {"id": "b"}]}


def test_another_carrier_takes_nothing_back(store: Store, channel: StoreChannel) -> None:
    channel.ask({"id": "a"})
    channel.stop()
    StoreChannel(store, PREFIX).ask({"id": "b"})
    assert asked(store) == {"stop": True, "requests": [{"id": "a"}, {"id": "b"}]}


@pytest.mark.parametrize("content", [b"", b"[]", b'{"requests": 3}', b"\xff"])
def test_what_is_no_list_of_requests_is_replaced(store: Store, channel: StoreChannel, content: bytes) -> None:
    store.put(REQUESTS, content)
    channel.ask({"id": "a"})
    assert asked(store) == {"stop": False, "requests": [{"id": "a"}]}


def test_a_request_that_could_not_be_left_is_not_left_with_the_next(
    store: Store, channel: StoreChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise StoreError("nobody there")

    with monkeypatch.context() as patch:
        patch.setattr(type(store), "put", refuse)
        with pytest.raises(StoreError):
            channel.ask({"id": "a"})
    channel.ask({"id": "b"})
    assert asked(store)["requests"] == [{"id": "b"}]


def test_only_the_last_requests_are_kept(store: Store, channel: StoreChannel) -> None:
    for number in range(channel_module._KEPT_REQUESTS + 3):
        channel.ask({"id": str(number)})
    assert [request["id"] for request in asked(store)["requests"]][::99] == ["3", "102"]


def test_a_store_that_no_other_machine_reaches_gives_no_link(store: Store) -> None:
    assert make_link(store, PREFIX) is None


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(st.sampled_from(["report", "post", "lost answer", "read", "forget", "carrier dies"]), max_size=40))
def test_whatever_happens_on_the_way_every_line_arrives_in_order(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    """The server and the carrier by turns, as the two ends really behave."""
    store = DirectoryStore(tmp_path_factory.mktemp("store"))
    channel, reported, posted, arrived = StoreChannel(store, PREFIX), 0, 0, list[int]()

    def read() -> None:
        arrived.extend(number for number in numbers(channel.read()) if number not in arrived)

    for step in [*steps, "report", "post", "read"]:
        if step == "report":
            reported += 1
        elif step in ("post", "lost answer") and reported > posted:
            post(store, posted, *range(posted, reported))
            posted = reported if step == "post" else posted
        elif step == "read":
            read()
        elif step == "forget":
            channel.forget()
        elif step == "carrier dies":
            channel = StoreChannel(store, PREFIX)
    assert arrived == list(range(reported))
