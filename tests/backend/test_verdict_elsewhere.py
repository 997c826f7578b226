"""Runs on other machines are judged by what their sites did, whatever these are called, and by what kept them from training."""

from __future__ import annotations

import pytest

from reson_jupyter.backend.carrying.verdict import verdict
from reson_jupyter.events import Event, RunState
from reson_jupyter.source_map import SourceMap
from tests.backend.test_environments import prepared, run_of
from tests.backend.test_verdict import event, good_run, judge


def as_named(log: list[Event], **names: str) -> list[Event]:
    """The log of a run whose sites have other names than those that were submitted to."""
    known = {name.replace("_", "-"): new for name, new in names.items()}
    head, *rest = log
    told = [entry.model_copy(update={"site": known.get(entry.site or "", entry.site)}) for entry in rest]
    for entry in told:
        if "sites" in entry.data:
            entry.data["sites"] = [known.get(site, site) for site in entry.data["sites"]]
    return [head, *told]


def test_a_good_run_is_good_whatever_its_workers_are_called() -> None:
    log = as_named(good_run(), site_1="gpu-7", site_2="gpu-8")
    validated = event("validated", None, 2, sites=["gpu-7", "gpu-8"])
    assert judge([*log[:-1], validated, log[-1]], validates=True) == (RunState.FINISHED, "")


def test_a_worker_that_was_replaced_costs_nothing_where_every_round_had_all_its_contributions() -> None:
    first, second = good_run()[:6], good_run()[6:]
    log = [*as_named(first, site_1="gpu-7", site_2="gpu-8"), *as_named([first[0], *second], site_1="gpu-7", site_2="gpu-9")[1:]]
    validated = event("validated", None, 2, sites=["gpu-7", "gpu-9"])
    assert judge([*log[:-1], validated, log[-1]], validates=True) == (RunState.FINISHED, "")


def test_workers_that_never_came_are_counted_for_nobody_knows_their_names() -> None:
    log = as_named(good_run(min_clients=1), site_1="gpu-7", site_2="gpu-8")
    log = [entry for entry in log if entry.site != "gpu-8"]
    for entry in log:
        if entry.type == "aggregated":
            entry.data["sites"] = ["gpu-7"]
    assert judge(log) == (RunState.DEGRADED, "only 1 of the 2 sites came.")


def test_a_worker_that_missed_a_round_is_named() -> None:
    log = as_named(good_run(min_clients=1), site_1="gpu-7", site_2="gpu-8")
    log = [entry for entry in log if not (entry.site == "gpu-8" and entry.round == 1)]
    next(entry for entry in log if entry.type == "aggregated" and entry.round == 1).data["sites"] = ["gpu-7"]
    assert judge(log) == (RunState.DEGRADED, "gpu-8 is missing from 1 round (first: round 2).")


def test_a_site_that_could_not_train_is_named_with_the_reason() -> None:
    log = good_run(min_clients=1)
    log = [entry for entry in log if entry.site != "site-2"]
    for entry in log:
        if entry.type == "aggregated":
            entry.data["sites"] = ["site-1"]
    assert judge(log) == (RunState.DEGRADED, "site-2 never came.")
    log.insert(2, prepared("site-2", problems=["the package scipy is missing"]))
    reason = "site-2 never contributed (the package scipy is missing)."
    assert judge(log) == (RunState.DEGRADED, reason)
    validated = event("validated", None, 2, sites=["site-1"])
    assert judge([*log[:-1], validated, log[-1]], validates=True) == (RunState.DEGRADED, reason), "it was not asked to"


@pytest.mark.parametrize(
    ("stopped", "said"),
    [
        ("", "No site ever returned a trained model: site-2 cannot train: no data"),
        ("site-2 cannot train: no data", "site-2 cannot train: no data."),
    ],
)
def test_a_run_that_no_round_followed_has_the_sites_problem_as_its_reason(stopped: str, said: str) -> None:
    run = run_of(prepared("site-1"), prepared("site-2", problems=["no data"]))
    result = verdict(run, files=0, stopped=stopped)
    assert (result.state, result.reason) == (RunState.FAILED, said)
    run.apply([event("error", "site-2", None, message="site-2 cannot train: no data", traceback="")])
    assert verdict(run, files=0, stopped=stopped).reason == said


@pytest.mark.parametrize(
    ("problems", "said"),
    [
        (["no data"] * 2, "site-0 and site-1 cannot train: no data"),
        (["no data", "no torch", "no data"], "site-0 and site-2 cannot train: no data; site-1 cannot train: no torch"),
        (["no data"] * 6, "site-0, site-1, site-2 and 3 more cannot train: no data"),
        (list("abcde"), "site-0 cannot train: a; site-1 cannot train: b; site-2 cannot train: c; 2 more cannot train either"),
    ],
)
def test_the_reason_of_a_run_that_began_no_round_names_all_sites_that_cannot_train(problems: list[str], said: str) -> None:
    run = run_of(sites=tuple(f"site-{n}" for n in range(len(problems))))
    for number, problem in enumerate(problems):
        site = f"site-{number}"
        told = event("error", site, None, message=f"{site} cannot train: {problem}", traceback="")
        run.apply([prepared(site, problems=[problem]), told])
    assert verdict(run, files=0).reason == f"No site ever returned a trained model: {said}"


def test_the_reason_has_the_line_of_the_notebook_whose_import_fails_at_the_sites() -> None:
    run = run_of()
    run.sources = {"model_def.py": SourceMap.of([("In[4]", 7)])}
    traceback = 'Traceback (most recent call last):\n  File "/app/custom/model_def.py", line 1, in <module>\nKeyError: 1\n'
    for site in ("site-1", "site-2"):
        told = event("error", site, None, message=f"{site} cannot train: it raises KeyError: 1", traceback=traceback)
        run.apply([prepared(site, problems=["it raises KeyError: 1"]), told])
    said = "site-1 and site-2 cannot train: it raises KeyError: 1 (In[4], line 7)"
    assert verdict(run, files=0).reason == f"No site ever returned a trained model: {said}"
