"""A run's events folded into what is known of it, and into messages for the live view."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from reson_jupyter.backend.progress import RunProgress
from reson_jupyter.backend.run.live import LiveFeed
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


def test_a_value_that_was_logged_before_the_first_round_belongs_to_none() -> None:
    run = folded([*good_run()[:2], event("metrics", "site-1", None, step=None, values={"loss": 1.0}, stage="train")])
    assert run.metrics == [] and len(run.events) == 3


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
    assert feed_of(run).snapshot()["sites"][0]["problem"] == "ValueError at In[4], line 9 (fl_train)"
    assert repr(failure) == "<site-1 in round 1: In[4], line 9: ValueError: bad>"


def test_a_failure_names_its_site_once_and_the_final_validation_is_no_round() -> None:
    told = event("error", "site-1", None, message="site-1 cannot train: no data", traceback="")
    last = event("error", "site-2", 2, message="OSError: gone", traceback="")
    unable, final = folded([*good_run()[:3], told, last]).failures
    assert repr(unable) == "<site-1 cannot train: no data>"
    assert repr(final) == "<site-2 in the final validation: OSError: gone>"


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


def values_of(message: dict[str, Any]) -> dict[Any, float]:
    return {
        (line["name"], line["site"], number): value
        for line in message["lines"]
        for number, value in zip(line["rounds"], line["values"], strict=True)
    }


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
        points |= values_of(message)
        sizes.append(len(values_of(message)) + len(message["sites"]))
    whole = feed_of(progress).snapshot()
    assert whole["full"]
    assert sites == {row["site"]: row for row in whole["sites"]}
    assert points == values_of(whole)
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


def validated(*sites: str, number: int = 2) -> Event:
    return event("validated", None, number, sites=list(sites))


def checked(site: str, number: int, **values: float) -> Event:
    return event("metrics", site, number, step=None, values=values, stage="validate")


def test_the_final_validation_adds_a_last_point_and_no_round() -> None:
    log = without_end(good_run(rounds=2))
    log[-3] = event("contribution", "site-2", 1, accepted=True, samples=30)
    run = folded([*log, checked("site-1", 2, loss=1.0), checked("site-2", 2, loss=3.0)])
    assert (len(run.rounds), run.rounds_done, run.remaining()) == (2, 2, 0.0)
    assert [(r["site"], r["round"], r["value"]) for r in run.means()] == [(None, 2, 2.5)], "weighted as the last round was"
    assert run.stages == {"loss": "validate"} and run.validated is None
    run.apply([validated("site-1", "site-2")])
    assert run.validated == ["site-1", "site-2"] and len(run.means()) == 1


def without_end(log: list[Event]) -> list[Event]:
    return [entry for entry in log if entry.type != "run_ended"]


def test_the_mean_of_the_final_validation_is_over_the_sites_that_did_it() -> None:
    run = folded([*without_end(good_run(rounds=2)), checked("site-1", 2, loss=1.0)])
    assert run.means() == [], "the others may still come"
    run.apply([validated("site-1")])
    assert [record["value"] for record in run.means()] == [1.0]


def test_a_metric_has_the_stage_of_its_newest_value_and_a_site_its_newest_step() -> None:
    step = event("metrics", "site-1", 0, step=7, values={"loss": 2.0}, stage="train")
    run = folded([*good_run()[:3], event("site", "site-1", 0, phase="training"), step])
    assert run.stages == {"loss": "train"} and run.sites["site-1"].step == 7
    run.apply([event("site", "site-1", 1, phase="validating"), checked("site-1", 1, loss=1.0)])
    assert run.stages == {"loss": "validate"} and run.sites["site-1"].step is None


def test_a_site_that_stalls_says_where_until_it_goes_on() -> None:
    log = good_run()[:3]
    log[0].data["lines"] = {"model_def.py": [[1, 10, "In[4]", 7]]}
    run = folded([*log, event("stalled", "site-1", 0, seconds=15.0, traceback=TRACEBACK)])
    assert run.sites["site-1"].stalled == "no progress for over 15 s in In[4], line 9"
    run.apply([event("stalled", "site-2", 0, seconds=15.0, traceback="")])
    assert run.sites["site-2"].stalled == "no progress for over 15 s"
    run.apply([event("stalled", "site-1", 0, seconds=0, traceback="")])
    assert run.sites["site-1"].stalled == "" and run.failures == []


def test_errors_that_somebody_put_aside_stay_known() -> None:
    bad = event("error", "site-1", 0, message="ValueError: bad", traceback="")
    run = folded([*good_run()[:3], bad, event("errors_reset"), event("error", "site-2", 1, message="worse", traceback="")])
    assert (len(run.failures), run.errors_from) == (2, 1)
    assert [run.sites[site].problem for site in ("site-1", "site-2")] == [None, "worse"]


def test_answers_are_found_by_request_and_site() -> None:
    data = {"request": "ab", "ok": True, "value": [1], "error": "", "traceback": ""}
    run = folded([*good_run()[:3], event("answer", "site-1", None, **data)])
    assert run.answers == {"ab": {"site-1": data}}


def test_a_run_that_is_stopped_has_a_time_until_which_its_sites_may_end() -> None:
    run = folded([*good_run()[:3], event("stopping", grace=10.0)])
    assert run.stopping_until == 11.0
    run.apply([event("state", state="aborted", reason="")])
    assert run.stopping_until is None
    assert {site.phase for site in run.sites.values()} == {"stopped"}


def test_a_clock_that_was_set_back_makes_no_negative_remaining_time() -> None:
    log = good_run(rounds=2)[:6]
    run = folded([*log[:-1], log[-1].model_copy(update={"time": -3_600.0})])
    assert run.remaining() == 0.0
