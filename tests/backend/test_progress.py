"""A run's events folded into what is known of it, and into messages for the live view."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from reson_jupyter.backend.live import LiveFeed
from reson_jupyter.backend.progress import RunProgress
from reson_jupyter.events import Event, RunState
from tests.backend.test_verdict import event, good_run


def folded(log: list[Event]) -> RunProgress:
    progress = RunProgress()
    progress.apply(log)
    return progress


def metrics(site: str, number: int, **values: float) -> Event:
    return event("metrics", site, number, step=None, values=values, stage="train")


def test_the_mean_over_sites_is_weighted_by_samples() -> None:
    log = good_run(rounds=1)
    log[3] = event("contribution", "site-1", 0, accepted=True, samples=30)
    run = folded([*log[:3], metrics("site-1", 0, loss=1.0), metrics("site-2", 0, loss=2.0), *log[3:]])
    assert [(r["site"], r["name"], r["value"]) for r in run.means()] == [(None, "loss", 1.25)]


def test_a_metric_that_arrives_after_the_aggregation_still_counts() -> None:
    log = good_run(rounds=1)
    run = folded([*log, metrics("site-1", 0, loss=1.0)])
    assert run.means() == []
    run.apply([metrics("site-2", 0, loss=3.0)])
    assert [record["value"] for record in run.means()] == [2.0]


def test_the_last_value_within_a_round_is_the_rounds_value_and_all_are_kept() -> None:
    run = folded([*good_run()[:3], metrics("site-1", 0, loss=2.0), metrics("site-1", 0, loss=1.0)])
    assert run.latest["loss", "site-1", 0] == 1.0
    assert [record["value"] for record in run.metrics] == [2.0, 1.0]


def test_a_value_that_is_no_number_is_left_out() -> None:
    run = folded([*good_run()[:3], event("metrics", "site-1", 0, step=None, values={"loss": None}, stage="train")])
    assert run.metrics == []


def test_a_failing_site_keeps_its_problem() -> None:
    run = folded([*good_run()[:3], event("error", "site-1", 0, message="ValueError: bad", traceback="Traceback")])
    assert run.sites["site-1"].problem == "ValueError: bad"
    assert run.failures[0].traceback == "Traceback"


TRACEBACK = """Traceback (most recent call last):
  File "/tmp/run/site-1/simulate_job/app_site-1/custom/model_def.py", line 3, in fl_train
    raise ValueError("bad")
ValueError: bad
"""


def test_a_failure_knows_the_line_of_the_notebook() -> None:
    log = good_run()[:3]
    log[0].data["lines"] = {"model_def.py": [[1, 10, "In[4]", 7]]}
    run = folded([*log, event("error", "site-1", 0, message="ValueError: bad", traceback=TRACEBACK)])
    failure = run.failures[0]
    assert (failure.where, failure.message) == ("In[4], line 9", "ValueError: bad")
    assert 'File "In[4]", line 9, in fl_train' in failure.traceback
    assert run.events[-1].data["traceback"] == TRACEBACK, "the events keep what was reported"
    assert feed_of(run).snapshot()["sites"][0]["problem"] == "In[4], line 9: ValueError: bad"
    assert repr(failure) == "<site-1 in round 1: In[4], line 9: ValueError: bad>"


def test_a_run_that_was_submitted_before_lines_were_known_is_told_without_them() -> None:
    run = folded([*good_run()[:3], event("error", "site-1", 0, message="ValueError: bad", traceback=TRACEBACK)])
    assert run.failures[0].where == ""
    assert run.sites["site-1"].problem == "ValueError: bad"


def test_the_first_failure_is_the_first_with_a_traceback() -> None:
    assert folded(good_run()).first_failure is None
    told = event("error", None, 0, message="site-1 is bad", traceback="")
    raised = event("error", "site-1", 0, message="ValueError: bad", traceback=TRACEBACK)
    for log, expected in (([told], "site-1 is bad"), ([told, raised], "ValueError: bad")):
        failure = folded([*good_run()[:3], *log]).first_failure
        assert failure is not None and failure.message == expected


def test_the_final_state_ends_the_run_and_its_sites() -> None:
    run = folded([*good_run(), event("state", state="finished", reason="")])
    assert run.state == RunState.FINISHED and run.ended == 1.0
    assert {site.phase for site in run.sites.values()} == {"done"}


def feed_of(progress: RunProgress) -> LiveFeed:
    run: Any = SimpleNamespace(id="n-1", progress=progress, note="")
    return LiveFeed(run)


def test_deltas_carry_only_what_changed_and_add_up_to_the_snapshot() -> None:
    progress = RunProgress()
    feed = feed_of(progress)
    sites: dict[str, Any] = {}
    points: dict[Any, float] = {}
    sizes = []
    log = good_run(rounds=3)
    log[4:4] = [metrics("site-1", 0, loss=1.0), metrics("site-2", 0, loss=2.0)]
    for number, entry in enumerate(log):
        progress.apply([entry])
        message = feed.delta()
        assert message["version"] == number + 1 and not message["full"]
        sites |= {row["site"]: row for row in message["sites"]}
        points |= {(p["name"], p["site"], p["round"]): p["value"] for p in message["points"]}
        sizes.append(len(message["points"]) + len(message["sites"]))
    whole = feed_of(progress).snapshot()
    assert whole["full"]
    assert sites == {row["site"]: row for row in whole["sites"]}
    assert points == {(p["name"], p["site"], p["round"]): p["value"] for p in whole["points"]}
    assert max(sizes[1:]) <= 3


def test_a_note_of_this_process_stands_in_for_the_states_sentence() -> None:
    run: Any = SimpleNamespace(id="n-1", progress=RunProgress(), note="Uploading: 1.0 of 2.0 MB.")
    assert LiveFeed(run).delta()["run"]["sentence"] == "Uploading: 1.0 of 2.0 MB."


def test_values_of_steps_stand_for_the_round_only_when_it_has_no_value_of_its_own() -> None:
    def step(number: int, **values: float) -> Event:
        return event("metrics", "site-1", 0, step=number, values=values, stage="train")

    log = good_run(rounds=1)
    run = folded([*log[:3], step(0, loss=3.0, extra=1.0), step(1, loss=2.0, extra=5.0), metrics("site-1", 0, loss=1.0)])
    assert run.latest == {("loss", "site-1", 0): 1.0}
    run.apply(log[3:])
    assert run.latest["loss", "site-1", 0] == 1.0 and run.latest["extra", "site-1", 0] == 5.0
    assert len(run.metrics) == 5
