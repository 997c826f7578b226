"""The stage bar says what server and sites have told, and no more."""

from __future__ import annotations

import pytest

from reson_jupyter.backend.progress import RunProgress
from reson_jupyter.backend.run.stages import stages_of
from reson_jupyter.events import Event
from tests.backend.test_verdict import event, good_run

STARTED = 2  # events of `good_run` before its first round


def told(*events: Event) -> list[str]:
    """The stages as a reader sees them: those that are done, those under way marked, those ahead in brackets."""
    progress = RunProgress()
    progress.apply([*good_run(rounds=2)[:STARTED], *events])
    marks = {"done": "{}", "active": "> {}", "ahead": "({})"}
    return [f"{marks[stage['state']].format(stage['name'])} {stage['text']}".strip() for stage in stages_of(progress)]


def test_before_the_first_round_the_run_initialises() -> None:
    ahead = ["(distribute)", "(local train)", "(return)", "(aggregate)"]
    assert told() == ["> initialise", *ahead]
    preparing = [event("site", f"site-{n}", phase="preparing") for n in (1, 2)]
    assert told(*preparing) == ["> initialise 0 of 2 sites", *ahead]
    assert told(*preparing, event("prepared", "site-1")) == ["> initialise 1 of 2 sites", *ahead]


START = event("round_started", None, 0)


def phases(phase: str, *sites: str, number: int = 0) -> list[Event]:
    return [event("site", site, number, phase=phase) for site in sites]


def arrived(*sites: str, number: int = 0, accepted: bool = True) -> list[Event]:
    return [event("contribution", site, number, accepted=accepted, samples=10.0) for site in sites]


@pytest.mark.parametrize(
    ("events", "stages"),
    [
        ([], ["> distribute 0 of 2 sites", "(local train)", "(return)", "(aggregate)"]),
        (
            phases("training", "site-1"),
            ["> distribute 1 of 2 sites", "> local train 0 of 2 sites", "(return)", "(aggregate)"],
        ),
        (
            [*phases("training", "site-1", "site-2"), *phases("returned", "site-1")],
            ["distribute 2 of 2 sites", "> local train 1 of 2 sites", "> return 0 of 2 sites", "(aggregate)"],
        ),
        (
            [*phases("training", "site-1", "site-2"), *arrived("site-1")],
            ["distribute 2 of 2 sites", "> local train 1 of 2 sites", "> return 1 of 2 sites", "(aggregate)"],
        ),
        (
            arrived("site-1", "site-2"),
            ["distribute 2 of 2 sites", "local train 2 of 2 sites", "return 2 of 2 sites", "> aggregate"],
        ),
        (
            [*arrived("site-1"), *arrived("site-2", accepted=False)],
            ["distribute 2 of 2 sites", "local train 2 of 2 sites", "return 2 of 2 sites", "> aggregate"],
        ),
        (
            [*arrived("site-1"), event("aggregated", None, 0, sites=["site-1"])],
            ["distribute", "local train", "return", "aggregate 1 of 2 sites"],
        ),
    ],
)
def test_each_part_of_a_round_counts_the_sites_that_have_done_it(events: list[Event], stages: list[str]) -> None:
    assert told(START, *events) == ["initialise", *stages]


def test_the_next_round_starts_from_its_distribution() -> None:
    first = [START, *arrived("site-1", "site-2"), event("aggregated", None, 0, sites=["site-1", "site-2"])]
    second = ["initialise", "> distribute 0 of 2 sites", "(local train)", "(return)", "(aggregate)"]
    assert told(*first, event("round_started", None, 1)) == second


def test_the_validation_of_the_final_model_is_a_stage_of_runs_that_have_it() -> None:
    over = [event("round_started", None, 1), event("aggregated", None, 1, sites=["site-1", "site-2"])]
    assert not any("validate" in stage for stage in told(*over))
    begun = [*over, *phases("validating", "site-1", "site-2", number=2), *phases("returned", "site-1", number=2)]
    assert told(*begun)[-1] == "> validate 1 of 2 sites"
    assert told(*begun, event("validated", None, 2, sites=["site-1", "site-2"]))[-1] == "validate 2 of 2 sites"


def test_a_site_that_cannot_train_is_not_counted() -> None:
    unable = event("prepared", "site-2", problems=["no data"])
    assert told(unable, START, *phases("training", "site-1"))[1] == "distribute 1 of 1 site"


def test_a_run_that_is_over_has_no_stages() -> None:
    assert told(START, event("state", state="finished", reason="")) == []
