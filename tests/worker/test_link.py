"""The server's own way into the run's store: what it reports gets there in order and once, and it hears what is asked for."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from nvflare.apis.event_type import EventType

from reson_jupyter.backend.carrying.channel import Link, StoreChannel, make_link
from reson_jupyter.backend.store import Store
from reson_jupyter.worker import link as link_module
from reson_jupyter.worker import link_store
from reson_jupyter.worker.link import ResonLink
from reson_jupyter.worker.link_store import _reson_Asking, _reson_Posts, _reson_Refused
from tests.patience import wait_for
from tests.servers import Line, S3Endpoint, failing_server

from .job_folder import JobParts, Simulation
from .loopback import Server
from .requests import answers
from .sources import PAYLOAD_MODEL

PREFIX = "jobs/run-1"
REPORTS = f"{PREFIX}/files_out/events/server/"


def form_of(link: Link, **changes: Any) -> dict[str, Any]:
    return {"url": link.form.url, "fields": dict(link.form.fields), "prefix": link.form.prefix} | changes


@pytest.fixture
def link(store: Store) -> Link:
    link = make_link(store, PREFIX)
    assert link
    return link


@pytest.fixture
def posts(link: Link, tmp_path: Path) -> _reson_Posts:
    return _reson_Posts(form_of(link), str(tmp_path))


def write(folder: Path, *numbers: int) -> None:
    with (folder / "events.ndjson").open("a") as file:
        file.writelines(f'{{"number": {number}}}\n' for number in numbers)


def stored(store: Store) -> dict[str, list[int]]:
    return {
        info.name: [json.loads(line)["number"] for line in store.get(info.key).splitlines()]
        for info in store.list(REPORTS)
        if info.name.endswith(".ndjson")
    }


# Posts


def test_lines_are_named_by_the_number_of_the_first(store: Store, posts: _reson_Posts, tmp_path: Path) -> None:
    assert not posts.post()
    write(tmp_path, 0, 1)
    assert posts.post()
    write(tmp_path, 2)
    with (tmp_path / "events.ndjson").open("a") as file:
        file.write('{"number"')  # not whole yet
    assert posts.post() and not posts.post()
    assert stored(store) == {"0000000000.ndjson": [0, 1], "0000000002.ndjson": [2]}


def test_much_at_once_goes_in_pieces(store: Store, posts: _reson_Posts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_store, "_reson_POST_BYTES", 30)
    write(tmp_path, 0, 1, 2, 3)
    with (tmp_path / "events.ndjson").open("a") as file:
        file.write(f'{{"number": 4, "long": "{"x" * 100}"}}\n')
    while posts.post():
        pass
    assert stored(store) == {"0000000000.ndjson": [0, 1], "0000000002.ndjson": [2, 3], "0000000004.ndjson": [4]}


def test_what_was_not_taken_goes_again_by_the_same_name_with_what_came_since(
    store: Store, link: Link, bucket: S3Endpoint, tmp_path: Path
) -> None:
    line = Line(bucket.url)
    posts = _reson_Posts(form_of(link, url=link.form.url.replace(bucket.url, line.url)), str(tmp_path))
    line.cut()
    write(tmp_path, 0)
    with pytest.raises(_reson_Refused, match=r"^the connection failed \(ConnectionError\)$"):
        posts.post()
    write(tmp_path, 1)
    line.mend()
    assert posts.post()
    line.cut()
    assert stored(store) == {"0000000000.ndjson": [0, 1]}


def test_telemetry_goes_when_it_has_changed_and_not_too_often(
    store: Store, posts: _reson_Posts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, now = tmp_path / "telemetry.json", [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    path.write_text('{"beat": 1}')
    posts.post()
    path.write_text('{"beat": 2}')
    now[0] += 1.9
    posts.post()
    assert store.get(f"{REPORTS}telemetry.json") == b'{"beat": 1}'
    now[0] += 0.2
    posts.post()
    assert store.get(f"{REPORTS}telemetry.json") == b'{"beat": 2}'
    store.delete(f"{REPORTS}telemetry.json")
    now[0] += 10
    posts.post()
    assert store.stat(f"{REPORTS}telemetry.json") is None


@pytest.mark.parametrize(("status", "code"), [(403, "AccessDenied"), (503, "SlowDown"), (307, "TemporaryRedirect")])
def test_what_the_store_answers_is_told_without_any_address(link: Link, tmp_path: Path, status: int, code: str) -> None:
    write(tmp_path, 0)
    with failing_server(status, code) as url:
        posts = _reson_Posts(form_of(link, url=url), str(tmp_path))
        with pytest.raises(_reson_Refused) as caught:
            posts.post()
    assert str(caught.value) == f"it answered {status} {code}"


# Requests


def test_requests_are_heard_when_they_change(store: Store, link: Link) -> None:
    asking = _reson_Asking(link.requests_url)
    assert asking.ask() == {}
    channel = StoreChannel(store, PREFIX)
    channel.ask({"id": "a", "op": "skip", "sites": None})
    assert asking.ask() == {"stop": False, "requests": [{"id": "a", "op": "skip", "sites": None}]}
    assert asking.ask() == {}
    channel.stop()
    assert asking.ask()["stop"] is True


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b'{"requests": {}}', b"[" * 100_000])
def test_what_is_no_list_of_requests_is_told(store: Store, link: Link, content: bytes) -> None:
    store.put(f"{PREFIX}/files_out/requests.json", content)
    with pytest.raises(_reson_Refused, match="no list of requests"):
        _reson_Asking(link.requests_url).ask()


# The component


@pytest.fixture
def component(server: Server, link: Link, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., ResonLink]]:
    monkeypatch.setattr(link_module, "_reson_POST_PAUSE", 0.02)
    monkeypatch.setattr(link_module, "_reson_ASK_PAUSE", 0.02)

    def make(**changes: Any) -> ResonLink:
        args = {"form": form_of(link), "requests_url": link.requests_url} | changes
        component = ResonLink(**args)
        with server.new_context() as fl_ctx:
            component.handle_event(EventType.START_RUN, fl_ctx)
        server.components["link"] = component
        return component

    yield make


def test_everything_the_server_reports_gets_to_the_store_also_its_end(server: Server, component: Any, store: Store) -> None:
    component()
    server.messenger.report("log", None, {"level": "info", "message": "hello"})
    server.messenger.flush()
    server.end()
    channel = StoreChannel(store, PREFIX)
    read = channel.read()
    assert [event.type.value for event in read] == [event["type"] for event in server.events()]
    assert read[-1].type.value == "run_ended"


def test_a_request_and_a_stop_arrive_once(server: Server, component: Any, store: Store) -> None:
    component()
    channel = StoreChannel(store, PREFIX)
    channel.ask({"id": "one", "op": "log_level", "sites": None, "level": "info"})
    assert answers(server.events, "one")["site-1"]["ok"]
    channel.ask({"id": "two", "op": "log_level", "sites": None, "level": "info"})
    assert answers(server.events, "two")["site-1"]["ok"]
    channel.stop()
    wait_for(lambda: server.abort_signal.triggered)
    server.end()
    assert len(server.of("answer")) == 2


def test_a_store_that_refuses_is_told_once_and_the_run_goes_on(
    server: Server, component: Any, link: Link, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(link_module, "_reson_LAST_POSTS", 0.2)
    with failing_server(403, "AccessDenied") as url:
        refused = threading.Event()
        made = component(form=form_of(link, url=url), requests_url=None)
        genuine = made._tell
        made._tell = lambda text: (genuine(text), refused.set())
        assert refused.wait(60)
        refused.clear()
        assert refused.wait(60)
        server.end()
    told = [event["data"]["message"] for event in server.of("log")]
    assert told == [
        "the store does not take the server's reports: it answered 403 AccessDenied; they come with the result of the run"
    ]
    secrets = [value for name, value in link.form.fields.items() if name in ("policy", "signature", "x-amz-signature")]
    assert secrets and not any(value in caplog.text + json.dumps(server.events()) for value in secrets)


def test_the_end_of_the_run_waits_for_no_store_that_does_not_answer(
    server: Server, component: Any, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_module, "_reson_LAST_POSTS", 0.3)
    component(form=form_of(link, url="http://127.0.0.1:1/"))
    began = time.monotonic()
    server.end()
    assert time.monotonic() - began < 60


def test_without_form_and_address_it_does_nothing(server: Server, component: Any) -> None:
    assert component(form=None, requests_url=None)._threads == []


def test_its_secrets_are_in_no_repr(link: Link) -> None:
    made = ResonLink(form_of(link), link.requests_url)
    text = repr(made) + str(made)
    assert not any(value in text for value in (*link.form.fields.values(), link.requests_url))


@pytest.mark.parametrize(("asked", "expected"), [(None, "{run}/model_out"), ("/asked", "/asked")])
def test_outputs_are_kept_in_the_run_folder_unless_another_was_asked_for(
    server: Server, component: Any, monkeypatch: pytest.MonkeyPatch, asked: str | None, expected: str
) -> None:
    monkeypatch.setenv("RESONTECH_OUT_DIR", asked or "")
    if asked is None:
        monkeypatch.delenv("RESONTECH_OUT_DIR")
    component(form=None, requests_url=None, keep_outputs=True)
    assert os.environ["RESONTECH_OUT_DIR"] == expected.format(run=server.run_dir)


# A real run


@pytest.mark.nvflare
def test_a_run_is_followed_and_stopped_through_the_store(tmp_path: Path, store: Store, link: Link) -> None:
    slow = PAYLOAD_MODEL.replace("for step in range(5):", "for step in range(600):\n        logger.log_metric('step', step)\n")
    slow = slow.replace("        optimizer.step()\n", "        optimizer.step()\n        __import__('time').sleep(0.05)\n")
    parts = JobParts(slow, "fl_train_model", model_args={"width": 5}, federated=True, link=link)
    simulation = Simulation(tmp_path, parts)
    channel, heard = StoreChannel(store, PREFIX), []

    def hear(kind: str) -> bool:
        heard.extend(channel.read())
        return any(event.type.value == kind for event in heard)

    wait_for(lambda: hear("metrics"), 60)
    wait_for(lambda: hear("metrics") and channel.telemetry.sites.keys() == {"site-1", "site-2"}, 30)
    channel.ask({"id": "level", "op": "log_level", "sites": None, "level": "info"})
    wait_for(lambda: hear("answer"), 30)
    channel.stop()
    wait_for(lambda: hear("run_ended"), 30)
    finished = simulation.finish()
    assert [event.model_dump(mode="json", exclude={"seq"}) for event in heard] == finished.events
    assert not any(value in finished.output for value in (*link.form.fields.values(), link.requests_url) if len(value) > 20)
