"""What pages ask for, and what they get."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reson_jupyter import api
from reson_jupyter.backend import observers
from reson_jupyter.backend.record import RunLock, RunRecord
from reson_jupyter.backend.rehearsal import Rehearsal
from reson_jupyter.backend.starting import current_start
from reson_jupyter.backend.targets.detached import is_unwanted
from reson_jupyter.errors import RehearsalFailed, RunError, RunNotFound
from reson_jupyter.notebook.activity import activity
from reson_jupyter.notebook.comparison_bundle import COMPARISON, comparison_bundle
from reson_jupyter.notebook.live.results import results
from reson_jupyter.session import Refusal, Session
from tests.notebook.test_rehearsal_card import FAILURE, rehearsal
from tests.ui.made_up_comparison import comparison

from .fake_page import FakePage


class Held:
    """Work that goes on until it is let go."""

    def __init__(self, value: Any = None) -> None:
        self.begun, self.let_go = threading.Event(), threading.Event()
        self._value = value

    def __call__(self, *_: Any, **__: Any) -> Any:
        self.begun.set()
        assert self.let_go.wait(60)
        return self._value


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    held = Held(SimpleNamespace(id="digits-1"))
    monkeypatch.setattr(api, "submit", held)
    yield held
    held.let_go.set()


def test_fields_of_every_config_are_set_and_put_back(page: FakePage, session: Session) -> None:
    page.ask(
        "configure", fields={"batch_size": 64, "num_rounds": 9, "dropout": 0.5, "model_args": {"width": 4}, "name": "digits"}
    )
    assert (session.training.batch_size, session.federation.num_rounds) == (64, 9)
    page.ask("configure", fields={"batch_size": None, "dropout": None})
    assert session.training.batch_size == 32 and not session.training.extra
    assert page.form("model")["rows"]["texts"] == {"width": "4"}


def test_a_field_that_is_refused_says_so_at_the_field_and_changes_nothing(page: FakePage, session: Session) -> None:
    problem = page.refused("configure", fields={"batch_size": 0, "num_rounds": 9})
    assert set(problem["fields"]) == {"batch_size"} and problem["fields"]["batch_size"]
    assert (session.training.batch_size, session.federation.num_rounds) == (32, 5)
    problem = page.refused("configure", fields={"batchsize": 8})
    assert "did you mean 'batch_size'" in problem["message"]
    assert page.refused("configure", fields={"a name": 8})["fields"] == {"a name": "use letters, digits and _"}
    assert "secret" in page.refused("configure", fields={"password": "hunter2"})["message"]
    assert not session.training.extra


def test_a_field_may_be_called_as_any_argument_is(page: FakePage, session: Session) -> None:
    page.ask("configure", fields={"page": 1, "fields": 2, "values": 3})
    assert session.training.extra == {"page": 1, "fields": 2, "values": 3}


def test_a_capture_is_forgotten(page: FakePage, session: Session) -> None:
    session.set_refusal(Refusal("command tell", "In[1]", "no", ""))
    page.wait_for(lambda state: [row["key"] for row in state["captures"]][4:] == ["command tell"])
    page.ask("forget", key="command tell")
    page.wait_for(lambda state: len(state["captures"]) == 4)


def test_a_submit_gives_the_runs_id_when_it_is_there_and_another_meanwhile_is_refused(page: FakePage, held: Held) -> None:
    identity = page.send("submit")
    assert held.begun.wait(60)
    page.wait_for(lambda state: state["submit"]["activity"] and state["submit"]["activity"]["action"] == "submit")
    for op in ("submit", "check", "preview", "check_shards"):
        assert page.refused(op) == {
            "message": "A submit goes on.",
            "hint": "Wait until it is over, or stop it.",
            "fields": {},
            "html": "",
        }
    page.ask("configure", fields={"batch_size": 8})
    held.let_go.set()
    assert page.reply_to(identity)["value"] == {"run": "digits-1"}
    assert page.seen["submit"]["activity"] is None


def test_what_is_stopped_is_answered_at_once_and_what_comes_of_it_later_is_dropped(page: FakePage, held: Held) -> None:
    identity = page.send("submit")
    assert held.begun.wait(60)
    page.ask("stop")
    problem = page.reply_to(identity)["error"]
    assert (problem["message"], problem["hint"]) == ("The submit was stopped.", "No run was started.")
    page.wait_for(lambda state: state["submit"]["activity"] is None)
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "reson submit"]
    held.let_go.set()
    thread.join(60)
    assert not thread.is_alive()
    assert [reply["id"] for reply in _replies(page)].count(identity) == 1


def test_a_stopped_submit_starts_no_run_and_one_whose_run_has_begun_cannot_be_stopped(
    page: FakePage, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts, waiting, go_on = [], threading.Event(), threading.Event()

    def submit() -> Any:
        starts.append(current_start())
        if len(starts) == 2:
            starts[1].begin()
        waiting.set()
        assert go_on.wait(60)
        return SimpleNamespace(id="digits-2")

    monkeypatch.setattr(api, "submit", submit)
    page.send("submit")
    assert waiting.wait(60)
    page.ask("stop")
    with pytest.raises(RunError):
        starts[0].begin()
    waiting.clear()
    identity = page.send("submit")
    assert waiting.wait(60)
    assert "its run has begun" in page.refused("stop")["message"]
    go_on.set()
    assert page.reply_to(identity)["value"] == {"run": "digits-2"}
    assert page.ask("stop") is None


def test_steps_of_what_was_stopped_are_not_told_of_what_goes_on_now(
    page: FakePage, session: Session, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, over = threading.Event(), threading.Event()

    def check() -> None:
        assert go_on.wait(60)
        activity.step("of the one that was stopped")
        over.set()

    monkeypatch.setattr(api, "check", check)
    page.send("check")
    page.wait_for(lambda state: state["submit"]["activity"])
    page.ask("stop")
    page.send("submit")
    assert held.begun.wait(60)
    go_on.set()
    assert over.wait(60)
    assert activity.now and activity.now["note"] == "building the job"


def test_a_run_that_this_machine_carries_is_stopped_though_its_log_is_gone(
    page: FakePage, session: Session, tmp_path: Path
) -> None:
    record = RunRecord.new("digits", "local", (tmp_path / "nothing").as_uri())
    record.save()
    lock = RunLock(record.folder)
    assert page.ask("abort", run=record.id) is None
    assert is_unwanted(record.folder)
    lock.release()


def test_steps_of_a_rehearsal_are_told_while_it_goes_on_and_nothing_appears_under_a_cell(
    page: FakePage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from reson_jupyter.notebook.rehearsal_card import _live

    observers.on_rehearsal(_live)
    told = threading.Event()
    passed = rehearsal()

    def check() -> Rehearsal:
        for observer in observers._rehearsal_observers:
            observer.step("import")
        assert told.wait(60)
        for observer in observers._rehearsal_observers:
            observer.over(passed)
        return passed

    monkeypatch.setattr(api, "check", check)
    identity = page.send("check")
    page.wait_for(lambda state: (state["submit"]["activity"] or {}).get("note") == "rehearsing: import")
    told.set()
    document = page.reply_to(identity)["value"]
    assert document["title"] == "Check" and "nothing was sent" in document["html"] and "import" in document["html"]
    assert capsys.readouterr().out == ""


def test_a_rehearsal_that_failed_brings_its_card(page: FakePage, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = rehearsal(failure=replace(FAILURE, message="ValueError: <img src=x onerror=alert(1)>"))

    def check() -> None:
        raise RehearsalFailed("it failed", "Correct it.", failed)

    monkeypatch.setattr(api, "check", check)
    problem = page.refused("check")
    assert (problem["message"], problem["hint"]) == ("it failed", "Correct it.")
    assert "&lt;img" in problem["html"] and "<img" not in problem["html"]


def test_documents_of_a_preview_and_a_comparison(page: FakePage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "preview", lambda: SimpleNamespace(title="The job", _repr_html_=lambda: "<p>files</p>"))
    assert page.ask("preview") == {"title": "The job", "html": "<p>files</p>"}
    compared: list[str] = []
    shown = comparison(("sgd", "adam"))

    def compare(*runs: str) -> Any:
        compared.extend(runs)
        return shown

    monkeypatch.setattr(api, "compare", compare)
    document = page.ask("compare", runs=["a", "b"])
    assert (document["title"], document["html"]) == (shown.title, shown._repr_html_())
    assert document["comparison"] == json.loads(
        json.dumps(comparison_bundle(shown)[COMPARISON])
    )  # as a cell shows it, with charts to use
    assert compared == ["a", "b"]


def test_a_run_that_nobody_knows_cannot_be_stopped(page: FakePage) -> None:
    assert "no-such-run" in page.refused("abort", run="no-such-run-1")["message"]


def test_a_bug_is_told_and_the_next_command_is_carried_out(
    page: FakePage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> None:
        raise ZeroDivisionError("division by zero")

    for end in (broken, lambda: (_ for _ in ()).throw(SystemExit(3))):
        monkeypatch.setattr(api, "submit", end)
        assert page.refused("submit")["message"].split(":")[0] in ("ZeroDivisionError", "SystemExit")
    assert "in broken" in caplog.text
    monkeypatch.setattr(api, "submit", lambda: SimpleNamespace(id="next"))
    assert page.ask("submit") == {"run": "next"}


def test_the_static_result_of_a_run_is_given_to_a_page_that_missed_it(
    page: FakePage, open_page: Callable[[], FakePage], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "_bundles", {})
    results.keep("model-1", {"text/html": "<b>done</b>", "text/plain": "done"})
    page.state.wait_for(lambda sent: {"kind": "results", "models": ["model-1"]} in sent)
    late = open_page()
    late.state.wait_for(lambda sent: {"kind": "results", "models": ["model-1"]} in sent)
    assert page.ask("result", model="model-1") == {"text/html": "<b>done</b>", "text/plain": "done"}
    assert "result" in page.refused("result", model="model-2")["message"]


def test_commands_on_two_threads_at_once_are_all_answered(page: FakePage, session: Session) -> None:
    asked: list[str] = []

    def ask(field: str) -> None:
        for number in range(1, 30):
            asked.append(page.send("configure", fields={field: number}))

    threads = [threading.Thread(target=ask, args=(field,)) for field in ("batch_size", "num_rounds")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(page.reply_to(identity)["ok"] for identity in asked)
    assert (session.training.batch_size, session.federation.num_rounds) == (29, 29)
    assert len([m for m in page.state.messages if m["kind"] == "reply"]) == len(asked) == 58


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
_OPS = st.sampled_from(["configure", "forget", "abort", "compare", "snapshot", "runs", "result", "moon", ""])
_ALMOST = st.fixed_dictionaries({}, optional={"id": _JSON | st.just("1"), "op": _JSON | _OPS, "args": _JSON, "more": _JSON})


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_JSON | _ALMOST)
def test_whatever_a_page_sends_is_answered_once_and_what_is_malformed_changes_nothing(
    page: FakePage, session: Session, content: object
) -> None:
    known = len(_replies(page))
    before = session.training, session.federation
    page.say(content)
    reply = page.state.wait_for(lambda _: _replies(page)[known:])
    assert len(reply) == 1
    if not reply[0]["ok"]:
        assert (session.training, session.federation) == before
        assert reply[0]["error"]["message"]
    identity = content.get("id") if isinstance(content, dict) else ""
    assert reply[0]["id"] == (identity if isinstance(identity, str) and identity.isascii() else reply[0]["id"])


@pytest.mark.parametrize(
    ("op", "args"),
    [
        ("configure", {}),
        ("configure", {"fields": []}),
        ("configure", {"fields": {}}),
        ("configure", {"fields": {"batch_size": 8}, "more": 1}),
        ("configure", {"fields": {"batch_size": "many"}}),
        ("configure", {"fields": {"dropout": float("nan")}}),
        ("configure", {"fields": {"name": "half \ud800"}}),
        ("forget", {"key": 3}),
        ("abort", {}),
        ("compare", {"runs": "abc"}),
        ("compare", {"runs": []}),
        ("snapshot", {"now": True}),
        ("explode", {}),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(page: FakePage, session: Session, op: str, args: dict[str, Any]) -> None:
    before = session.training, session.submission
    assert page.refused(op, **args)["message"].endswith((".", ")")) or op == "configure"
    assert (session.training, session.submission) == before


def test_runs_that_are_not_found_are_refused_not_raised(page: FakePage, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*_: str) -> None:
        raise RunNotFound("no run of that id is known here", "See %reson runs.")

    monkeypatch.setattr(api, "compare", nobody)
    assert page.refused("compare", runs=["x"])["hint"] == "See %reson runs."


def _replies(page: FakePage) -> list[dict[str, Any]]:
    return [message for message in page.state.messages if message["kind"] == "reply"]
