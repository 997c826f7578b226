"""What pages are told, and when."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

import comm
import pytest

from reson_jupyter.notebook.sidebar import pages as pages_module
from reson_jupyter.notebook.sidebar.comms import Sidebar
from reson_jupyter.session import Refusal, Session

from .fake_page import FakePage, PageComm

PARTS = {"captures", "forms", "data", "submit", "runs"}


def test_a_page_that_opens_is_told_everything(page: FakePage) -> None:
    first = page.states[0]
    assert (first["version"], first["full"], set(first["parts"])) == (1, True, PARTS)
    assert [row["key"] for row in page.seen["captures"]] == ["model", "train", "executor", "persistor"]
    assert {row["name"] for row in page.seen["captures"]} == {""}
    assert [form["id"] for form in page.seen["forms"]] == ["training", "federation", "model", "target", "data", "run"]
    assert page.seen["data"]["folder"] == ""
    assert page.seen["submit"]["activity"] is None
    page.wait_for(lambda state: state["runs"] == {"rows": [], "more": 0, "error": ""})


def test_a_change_brings_the_parts_that_are_otherwise_and_no_others(page: FakePage, session: Session) -> None:
    session.configure(batch_size=64)
    page.wait_for(lambda state: page.form("training")["values"]["batch_size"] == 64)
    assert all(set(message["parts"]) <= {"forms"} and not message["full"] for message in page.states[1:])


def test_a_change_that_changes_nothing_is_not_told(page: FakePage, session: Session) -> None:
    session.configure(batch_size=32)
    page.ask("here")
    assert len(page.states) == 1


def test_a_value_of_another_kind_that_python_calls_equal_is_told(page: FakePage, session: Session) -> None:
    for value, text in ((1, "1"), (True, "true"), (1.0, "1.0"), (0, "0"), (False, "false")):
        session.configure(dropout=value)
        page.wait_for(lambda _, text=text: page.form("training")["rows"]["texts"] == {"dropout": text})


def test_a_part_that_cannot_be_told_keeps_no_other_from_the_pages(
    sidebar: Sidebar, page: FakePage, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    monkeypatch.setitem(sidebar._pages._parts, "data", lambda: deep)  # type: ignore[arg-type]
    session.configure(batch_size=64)
    page.wait_for(lambda state: page.form("training")["values"]["batch_size"] == 64)


def test_every_page_counts_its_own_messages(page: FakePage, open_page: Callable[[], FakePage], session: Session) -> None:
    session.configure(batch_size=64)
    page.wait_for(lambda state: page.form("training")["values"]["batch_size"] == 64)
    second = open_page()
    second.wait_for(lambda state: second.form("training")["values"]["batch_size"] == 64)
    session.configure(batch_size=65)
    for one in (page, second):
        one.wait_for(lambda state, one=one: one.form("training")["values"]["batch_size"] == 65)
    assert [message["version"] for message in page.states] == [1, 2, 3]
    assert [message["version"] for message in second.states] == [1, 2]


def test_a_hundred_edits_at_once_end_with_all_pages_knowing_what_the_session_has(
    open_page: Callable[[], FakePage], session: Session
) -> None:
    pages = [open_page() for _ in range(3)]
    began = time.monotonic()
    asked: list[tuple[FakePage, str]] = []

    def edit(number: int) -> None:
        page = pages[number % 3]
        asked.append((page, page.send("configure", fields={"batch_size": number + 1, f"own_{number % 7}": number})))

    threads = [threading.Thread(target=edit, args=(number,)) for number in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [page.reply_to(identity)["ok"] for page, identity in asked] == [True] * 100
    own = dict(session.training.extra)
    assert len(own) == 7
    for page in pages:
        page.wait_for(
            lambda state, page=page: page.form("training")["rows"]["texts"] == {name: str(value) for name, value in own.items()}
        )
        assert page.form("training")["values"]["batch_size"] == session.training.batch_size
        assert len(page.states) <= 2 + (time.monotonic() - began) / pages_module.PAUSE + 1


def test_a_reply_comes_after_what_its_command_changed(page: FakePage) -> None:
    for number in range(1, 8):
        identity = page.send("configure", fields={"batch_size": number})
        page.reply_to(identity)
        at = next(n for n, m in enumerate(page.state.messages) if m["kind"] == "reply" and m["id"] == identity)
        told = [m for m in page.state.messages[:at] if m["kind"] == "state" and "forms" in m["parts"]]
        assert told[-1]["parts"]["forms"][0]["values"]["batch_size"] == number


def test_a_page_that_missed_something_gets_everything(page: FakePage, session: Session) -> None:
    session.configure(batch_size=64)
    page.ask("snapshot")
    last = page.states[-1]
    assert last["full"] and set(last["parts"]) == PARTS
    assert last["parts"]["forms"][0]["values"]["batch_size"] == 64


def test_a_page_that_closes_is_told_nothing_more(page: FakePage, open_page: Callable[[], FakePage], session: Session) -> None:
    other = open_page()
    other.wait_for(lambda state: state["forms"])
    page.close()
    known = len(page.state.sent)
    session.configure(batch_size=64)
    other.wait_for(lambda state: other.form("training")["values"]["batch_size"] == 64)
    assert len(page.state.sent) == known


def test_a_page_that_is_silent_for_long_is_told_nothing_until_it_is_heard_and_then_everything(
    page: FakePage, open_page: Callable[[], FakePage], session: Session, monkeypatch: pytest.MonkeyPatch, sidebar: Sidebar
) -> None:
    asleep = sidebar._pages.find(page.state.comm_id)
    assert asleep is not None
    asleep.heard -= 1000
    other = open_page()
    other.wait_for(lambda state: state["forms"])
    session.configure(batch_size=64)
    other.wait_for(lambda state: other.form("training")["values"]["batch_size"] == 64)
    assert len(page.states) == 1
    page.ask("here")
    assert page.states[-1]["full"] and page.form("training")["values"]["batch_size"] == 64


def test_nothing_runs_when_no_page_is_open(page: FakePage, sidebar: Sidebar, monkeypatch: pytest.MonkeyPatch) -> None:
    teller = sidebar._pages._teller
    assert teller is not None
    page.close()
    teller.join(60)
    assert not teller.is_alive() and not sidebar._pages.watched


def test_a_command_comm_of_a_page_that_nobody_knows_is_closed(manager: comm.base_comm.CommManager, page: FakePage) -> None:
    for data in ({"state": None}, {"state": ""}, {}, [], None, 3):
        assert page.open("reson.command", data).closed
        assert page.open("reson.run", data).closed
    assert page.open("reson.run", {"state": "nobody", "run": "x"}).closed
    command = page.open("reson.command", {"state": "nobody"})
    page.say({"id": "1", "op": "here", "args": {}}, command)
    assert command.closed and not page.states[1:]


def test_a_command_comm_may_be_served_before_that_of_the_state(page: FakePage) -> None:
    command = page.open("reson.command", {"state": "state-that-comes"})
    message = {"content": {"comm_id": "state-that-comes", "target_name": "reson.state", "data": {}}}
    page.manager.comm_open(None, "", message)  # type: ignore[arg-type]
    page.say({"id": "1", "op": "here", "args": {}}, command)
    state = page.manager.get_comm("state-that-comes")
    assert isinstance(state, PageComm)
    state.wait_for(lambda sent: any(message["kind"] == "reply" for message in sent))
    page.close(state)


def test_what_no_json_can_hold_arrives_as_text(page: FakePage, session: Session) -> None:
    session.set_refusal(Refusal("model", "In[1]", "half \ud800 of a pair, \x1b[31mred, \u202eturned", "a\u2028b"))
    row = page.wait_for(lambda state: state["captures"][0]["checks"] and state["captures"][0])
    (check,) = row["checks"]
    assert (check["level"], check["text"]) == ("error", "half \\ud800 of a pair, \\x1b[31mred, \\u202eturned\na\\u2028b")


def test_an_environment_that_cannot_be_used_is_told_and_every_other_part_is_there(
    open_page: Callable[[], FakePage], session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESON_TARGET", "moon")
    page = open_page()
    page.wait_for(lambda state: state["submit"]["obstacles"]["submit"])
    assert "target" in page.form("target")["problem"]
    assert any("target" in text for text in page.seen["submit"]["obstacles"]["submit"])
    page.wait_for(lambda state: state["data"]["folder"] == "")


def test_a_canary_secret_is_in_no_message(
    open_page: Callable[[], FakePage], session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary = "canary7f3e2secret"
    for name in ("RESON_PASSWORD", "RESON_API_KEY", "RESON_S3_SECRET", "RESON_S3_KEY"):
        monkeypatch.setenv(name, canary)
    monkeypatch.setenv("RESON_S3_BUCKET", "bucket")
    page = open_page()
    page.wait_for(lambda state: state["forms"])
    session.configure(target="reson", base_url="https://api.example.com", name="canary")
    identities = [
        page.send("configure", fields={name: canary})
        for name in ("password", "platform_api_key", "s3_secret_access_key", "pasword")
    ]
    identities += [page.send(op) for op in ("snapshot", "runs", "check", "submit", "check_shards")]
    monkeypatch.setenv("RESON_STORE", f"s3://user:a/{canary}@bucket")
    identities += [page.send(op) for op in ("snapshot", "preview", "submit")]
    identities += [page.send("configure", fields={"store": f"s3://user:a/{canary}@bucket"})]
    for identity in identities:
        page.reply_to(identity)
    page.ask("here")
    assert canary not in json.dumps(page.state.sent)


def test_the_ready_ping_opens_and_closes_a_comm(sidebar: Sidebar, manager: comm.base_comm.CommManager) -> None:
    made: list[comm.base_comm.BaseComm] = []
    register = manager.register_comm
    manager.register_comm = lambda one: made.append(one) or register(one)  # type: ignore[method-assign,func-returns-value]
    sidebar.listen()
    (ready,) = made
    assert ready.target_name == "reson.ready"
    assert [kind for kind, _ in ready.sent] == ["comm_open", "comm_close"]  # type: ignore[attr-defined]
