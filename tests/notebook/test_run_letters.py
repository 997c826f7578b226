"""Letters add up to the run, in a bounded size."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from reson_jupyter.notebook.live.run_letters import RunLetters
from reson_jupyter.notebook.live.run_snapshot import RunSnapshot
from reson_jupyter.notebook.live.thin import BUDGET, thinned

LINES = st.lists(
    st.builds(
        lambda name, site, values: {"name": name, "site": site, "rounds": list(values), "values": list(values.values())},
        st.sampled_from(["loss", "accuracy", "__proto__"]),
        st.sampled_from([None, "a", "b"]),
        st.dictionaries(st.integers(0, 30), st.floats(), min_size=1, max_size=6),
    ),
    max_size=4,
)
SITES = st.lists(
    st.fixed_dictionaries(
        {"site": st.sampled_from(["a", "b"])},
        optional={"phase": st.text(max_size=3), "metrics": st.dictionaries(st.text(max_size=2), st.floats())},
    ),
    max_size=2,
)


def message(version: int, full: bool = False, state: str = "running", **parts: Any) -> dict[str, Any]:
    run = {"id": "r1", "state": state}
    return {"version": version, "full": full, "run": run, "sites": [], "lines": [], "events": [], **parts}


def line(rounds: range, name: str = "loss", site: str | None = "a") -> dict[str, Any]:
    return {"name": name, "site": site, "rounds": list(rounds), "values": [0.123456789012345 + number for number in rounds]}


def opened() -> tuple[RunLetters, list[dict[str, Any]]]:
    """Letters whose page has been heard."""
    sent: list[dict[str, Any]] = []
    letters = RunLetters(message(1, full=True), sent.append)
    letters.ask({"op": "snapshot"})
    sent.clear()
    return letters, sent


def size(letter: object) -> int:
    return len(json.dumps(letter, allow_nan=False))


@given(st.lists(st.tuples(LINES, SITES), max_size=12))
@settings(max_examples=60, deadline=None)
def test_whatever_the_deltas_they_add_up_to_the_full_state(parts: list[tuple[Any, Any]]) -> None:
    letters, sent = opened()
    page = RunSnapshot()
    page.apply(letters.letter()["message"])
    for number, (lines, sites) in enumerate(parts):
        letters.push(message(2 + number, lines=lines, sites=sites))
        page.apply(json.loads(json.dumps(sent[-1], allow_nan=False))["message"])
    assert all(not letter["message"]["full"] for letter in sent)
    assert page.message() == letters.letter()["message"]


def test_a_long_run_is_told_in_a_bounded_letter_and_each_round_as_cheaply_as_the_first() -> None:
    letters, sent = opened()
    names = [(f"metric-{metric}", f"hospital-{site}") for metric in range(6) for site in range(50)]
    for number in range(1_000):
        letters.push(message(2 + number, lines=[line(range(number, number + 1), *who) for who in names]))
    sizes = [size(letter) for letter in sent]
    assert max(sizes) < 1.1 * sizes[10]
    whole = letters.letter()
    assert size(whole) < 1_200_000
    assert sum(len(one["rounds"]) for one in whole["message"]["lines"]) <= BUDGET
    assert whole["message"]["lines"] == thinned(letters.whole()["lines"])
    assert whole["message"]["thinned"] == 999


def test_a_letter_says_that_nothing_is_missing_where_nothing_is() -> None:
    letters, _ = opened()
    letters.push(message(2, lines=[line(range(100))]))
    assert letters.letter()["message"]["thinned"] == 0
    assert letters.letter()["message"]["lines"] == [line(range(100))]


def test_the_end_of_a_run_is_a_delta_and_no_history_is_sent_twice() -> None:
    letters, sent = opened()
    for number in range(50):
        letters.push(message(2 + number, lines=[line(range(number, number + 1))]))
    letters.push(message(60, state="finished"))
    told = [number for letter in sent for one in letter["message"]["lines"] for number in one["rounds"]]
    assert told == list(range(50))
    assert letters.done


def test_whoever_attaches_to_a_long_run_gets_its_rounds_in_a_bounded_letter_not_in_one_delta() -> None:
    letters, sent = opened()
    letters.push(message(2, lines=[line(range(1_000), site=str(site)) for site in range(30)]))
    [letter] = sent
    assert letter["message"]["full"]
    assert sum(len(one["rounds"]) for one in letter["message"]["lines"]) <= BUDGET


def test_a_round_that_the_letter_has_no_room_for_is_answered_exactly() -> None:
    letters, sent = opened()
    letters.push(message(2, lines=[line(range(BUDGET)), line(range(5), "loss", None)]))
    sent.clear()
    assert letters.ask({"op": "round", "round": 12_345})
    assert sent == [{"kind": "round", "round": 12_345, "lines": [line(range(12_345, 12_346))]}]
    assert letters.ask({"op": "round", "round": -1})
    assert sent[-1]["lines"] == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["snapshot", "round", "op"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["op", "round", "nonce"]) | st.text(), inner),
    max_leaves=6,
)


@given(JSON)
def test_anything_but_a_question_is_told_apart_and_never_raises(content: object) -> None:
    letters, sent = opened()
    is_question = isinstance(content, dict) and (
        content == {"op": "snapshot"}
        or (content.keys() == {"op", "round"} and content["op"] == "round" and isinstance(content["round"], int))
    )
    assert letters.ask(content) is is_question
    assert bool(sent) is is_question
