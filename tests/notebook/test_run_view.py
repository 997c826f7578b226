from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reson_jupyter.notebook.live.run_view import RunView

from .fake_comm import FakeComm, fake_comms


@pytest.fixture(autouse=True)
def comms() -> Iterator[None]:
    with fake_comms():
        yield


def message(version: int, full: bool = False, state: str = "running", **parts: Any) -> dict[str, Any]:
    run = {"id": "r1", "name": "digits", "state": state, "round": 0, "rounds": 5}
    return {"version": version, "full": full, "run": run, "sites": [], "lines": [], "events": [], **parts}


def point(number: int, value: float, site: str | None = None) -> dict[str, Any]:
    return {"name": "loss", "site": site, "rounds": [number], "values": [value]}


def opened(on_command: Callable[[dict[str, str]], None] = lambda command: None) -> tuple[RunView, FakeComm]:
    view = RunView(message(1, full=True), on_command)
    return view, view.comm


def heard(view: RunView, page: FakeComm) -> None:
    """The page's first word."""
    page.page_says({"op": "snapshot", "nonce": view.nonce})
    page.messages.clear()


def test_a_push_sends_only_the_delta_once_the_page_was_heard() -> None:
    view, page = opened()
    heard(view, page)
    for number in range(100):
        view.push(message(2 + number, lines=[point(number, 1.0)]))
    assert {sent["content"]["kind"] for sent in page.messages} == {"letter"}
    assert [sent["content"]["message"]["lines"] for sent in page.messages] == [[point(number, 1.0)] for number in range(100)]


def test_a_page_that_opens_later_gets_every_point_and_the_newest_version() -> None:
    view, page = opened()
    heard(view, page)
    for number in range(20):
        view.push(message(2 + number, lines=[point(number, 0.5)]))
    state = page.page_requests_state()["snapshot"]["message"]
    assert state["version"] == 21
    assert state["full"] is True
    assert state["lines"] == [{"name": "loss", "site": None, "rounds": list(range(20)), "values": [0.5] * 20}]


def test_a_later_point_replaces_an_earlier_one() -> None:
    view, page = opened()
    view.push(message(2, lines=[point(0, 2.0, "a"), point(0, 1.8)]))
    view.push(message(3, lines=[point(0, 1.0, "a")]))
    assert page.page_requests_state()["snapshot"]["message"]["lines"] == [point(0, 1.0, "a"), point(0, 1.8)]


def test_the_rows_of_sites_are_merged_and_the_last_eight_events_kept() -> None:
    view, page = opened()
    view.push(message(2, sites=[{"site": "a", "phase": "training", "metrics": {"loss": 2.0}}]))
    view.push(message(3, sites=[{"site": "a", "metrics": {"accuracy": 0.1}}]))
    for number in range(10):
        view.push(message(4 + number, events=[{"time": 0.0, "level": "info", "site": None, "text": str(number)}]))
    state = page.page_requests_state()["snapshot"]["message"]
    assert state["sites"] == [{"site": "a", "phase": "training", "metrics": {"loss": 2.0, "accuracy": 0.1}}]
    assert [event["text"] for event in state["events"]] == ["2", "3", "4", "5", "6", "7", "8", "9"]


def test_a_page_that_was_not_heard_gets_the_full_state_again_but_ever_more_rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    view, page = opened()
    page.messages.clear()
    for number in range(400):
        now += 0.25
        view.push(message(2 + number))
    full = [0.25 * (index + 1) for index, sent in enumerate(page.messages) if sent["method"] == "update"]
    assert full == [0.25, 0.5, 1, 2, 4, 8, 16, 32, 64]


def test_the_end_of_the_run_is_a_delta_like_any_other() -> None:
    view, page = opened()
    heard(view, page)
    view.push(message(2, state="finished"))
    assert page.messages[-1]["content"]["message"]["run"]["state"] == "finished"
    assert page.messages[-1]["content"]["message"]["full"] is False


def test_a_notebook_that_is_executed_without_a_page_keeps_the_end_of_the_run() -> None:
    view, page = opened()
    view.push(message(2, state="finished"))
    assert page.messages[-1]["state"]["snapshot"]["message"]["run"]["state"] == "finished"


def test_values_that_json_has_no_numbers_for_arrive_as_text() -> None:
    view, page = opened()
    heard(view, page)
    view.push(message(2, lines=[point(0, float("nan"))], sites=[{"site": "a", "metrics": {"loss": float("inf")}}]))
    delta = page.messages[-1]["content"]["message"]
    assert delta["lines"][0]["values"][0] == "NaN"
    assert delta["sites"][0]["metrics"]["loss"] == "∞"


def test_abort_reaches_the_run_and_is_answered() -> None:
    commands: list[dict[str, str]] = []
    view, page = opened(commands.append)
    page.page_says({"op": "abort", "nonce": view.nonce})
    assert commands == [{"op": "abort"}]
    assert page.messages[-1]["content"] == {"kind": "answer", "op": "abort", "ok": True, "text": ""}


def test_what_a_command_raises_is_told_to_the_page() -> None:
    def refuse(command: dict[str, str]) -> None:
        raise RuntimeError("the store is away")

    view, page = opened(refuse)
    page.page_says({"op": "abort", "nonce": view.nonce})
    assert page.messages[-1]["content"] == {
        "kind": "answer",
        "op": "abort",
        "ok": False,
        "text": "Not aborted: the store is away",
    }


@given(
    content=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["abort", "snapshot", "op", "nonce"]),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["op", "nonce", "args"]) | st.text(), inner),
        max_leaves=8,
    )
)
def test_anything_but_a_command_with_the_nonce_does_nothing(content: object) -> None:
    commands: list[dict[str, str]] = []
    with fake_comms():
        _, page = opened(commands.append)
        page.messages.clear()
        page.page_says(content)
    assert (commands, page.messages) == ([], [])


def test_a_page_cannot_choose_the_nonce() -> None:
    commands: list[dict[str, str]] = []
    view, page = opened(commands.append)
    nonce = view.nonce
    page.page_updates({"nonce": "mine", "snapshot": {}})
    page.page_says({"op": "abort", "nonce": "mine"})
    assert commands == []
    assert view.nonce == nonce


def test_two_views_have_different_nonces() -> None:
    assert opened()[0].nonce != opened()[0].nonce


def test_pages_may_ask_while_a_thread_pushes() -> None:
    view, page = opened()
    thread = threading.Thread(target=lambda: [view.push(message(2 + n, lines=[point(n, 1.0)])) for n in range(300)])
    thread.start()
    while thread.is_alive():
        state = page.page_requests_state()["snapshot"]["message"]
        assert sum(len(line["rounds"]) for line in state["lines"]) == state["version"] - 1
    thread.join()
    versions = [sent["content"]["message"]["version"] for sent in page.messages if sent.get("method") == "custom"]
    assert versions == sorted(versions)


def test_the_state_that_a_saved_notebook_may_carry_has_no_more_than_the_run_and_the_front_end() -> None:
    view, _ = opened()
    own = set(view.get_state()) - {"layout", "tabbable", "tooltip"}
    assert {name for name in own if not name.startswith("_")} == {"snapshot", "nonce"}


def test_pages_without_widgets_show_the_report_instead() -> None:
    view, _ = opened()
    bundle, _ = view._repr_mimebundle_()
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == view.model_id
    assert "digits" in bundle["text/html"]
    assert "digits" in bundle["text/plain"]


def test_the_front_end_is_small_enough_to_travel_with_every_view() -> None:
    view, _ = opened()
    assert 10_000 < len(view._esm) < 100_000
    assert len(view._css) < 20_000
