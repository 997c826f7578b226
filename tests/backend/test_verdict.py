"""Whether a run really trained is computed from what it said, never from an exit code."""

from __future__ import annotations

from typing import Any

import pytest

from reson_jupyter.backend.carrying.verdict import verdict
from reson_jupyter.backend.progress import RunProgress
from reson_jupyter.events import Event, RunState


def event(kind: str, site: str | None = None, number: int | None = None, **data: Any) -> Event:
    return Event(time=1.0, type=kind, site=site, round=number, data=data)


def good_run(rounds: int = 2, sites: tuple[str, ...] = ("site-1", "site-2"), min_clients: int = 2) -> list[Event]:
    log = [
        event(
            "submitted", name="n", target="local", num_rounds=rounds, min_clients=min_clients, digest="d",
            sites={site: {"shard": f"{site}.zip", "sha256": "0"} for site in sites},
        ),
        event("model", digest="initial", finite=True),
    ]  # fmt: skip
    for number in range(rounds):
        log.append(event("round_started", None, number))
        log += [event("contribution", site, number, accepted=True, samples=10) for site in sites]
        log += [event("aggregated", None, number, sites=list(sites))]
        log += [event("model", None, number, digest=f"after-{number}", finite=True)]
    return [*log, event("run_ended")]


def judge(log: list[Event], files: int = 1, **how: Any) -> tuple[RunState, str]:
    progress = RunProgress()
    progress.apply(log)
    result = verdict(progress, files=files, **how)
    return result.state, result.reason


def without(log: list[Event], kind: str, number: int | None = None) -> list[Event]:
    return [entry for entry in log if not (entry.type == kind and (number is None or entry.round == number))]


def test_a_run_with_every_round_and_a_changed_finite_model_is_finished() -> None:
    assert judge(good_run()) == (RunState.FINISHED, "")


@pytest.mark.parametrize(
    ("log", "files", "said"),
    [
        (good_run()[:2], 0, "No site ever returned a trained model"),
        (without(good_run(), "contribution"), 1, "No site ever returned a trained model"),
        (without(good_run(), "aggregated", 1), 1, "Round 2 of 2 was never completed"),
        (without(good_run(), "run_ended"), 1, "The server never reported its end"),
        (good_run(), 0, "No model file was stored"),
        (without(good_run(), "model", 1), 1, "The server never reported the final model"),
        ([*good_run(), event("model", None, 1, digest="x", finite=False)], 1, "not finite"),
        ([*good_run(), event("model", None, 1, digest="initial", finite=True)], 1, "untrained initial model"),
        ([*good_run(), event("aggregated", None, 1, sites=["site-1"])], 1, "closed with 1 of the 2 sites"),
    ],
)
def test_whatever_is_missing_of_a_trained_model_fails_the_run_and_is_named(log: list[Event], files: int, said: str) -> None:
    state, reason = judge(log, files)
    assert state == RunState.FAILED
    assert said in reason


def unchanged(callbacks: bool) -> list[Event]:
    log = [*good_run(), event("model", None, 1, digest="initial", finite=True)]
    log[0].data["callbacks"] = callbacks
    return log


def test_callbacks_that_return_the_model_as_it_came_have_run_all_the_same() -> None:
    state, reason = judge(unchanged(callbacks=True))
    assert state == RunState.DEGRADED
    assert reason.startswith("the final model is the seed, unchanged: ") and "ScaleoutModel.from_model_params" in reason
    assert judge(unchanged(callbacks=False))[0] == RunState.FAILED
    assert judge(without(unchanged(callbacks=True), "aggregated", 1))[0] == RunState.FAILED


def test_the_first_error_is_named_as_the_cause() -> None:
    log = [*good_run()[:3], event("error", "site-2", 0, message="ValueError: bad", traceback="..."), event("run_ended")]
    assert judge(log, 0) == (RunState.FAILED, "No site ever returned a trained model: site-2 in round 1: ValueError: bad")


def test_the_cause_names_the_line_of_the_notebook() -> None:
    log = good_run()[:3]
    log[0].data["lines"] = {"model_def.py": [[1, 10, "In[4]", 7]]}
    text = 'Traceback (most recent call last):\n  File "/app/custom/model_def.py", line 3, in fl_train\nValueError: bad\n'
    log += [event("error", "site-2", 1, message="ValueError: bad", traceback=text), event("run_ended")]
    assert judge(log, 0)[1].endswith(": site-2 in round 2: In[4], line 9: ValueError: bad")


def test_a_site_that_was_absent_but_not_needed_degrades_the_run() -> None:
    log = good_run(min_clients=1)
    log = [entry for entry in log if not (entry.type == "contribution" and entry.site == "site-2" and entry.round == 1)]
    log = [event("aggregated", None, 1, sites=["site-1"]) if e.type == "aggregated" and e.round == 1 else e for e in log]
    assert judge(log) == (RunState.DEGRADED, "site-2 is missing from 1 round (first: round 2).")


def test_lost_reports_degrade_the_run() -> None:
    assert judge([*good_run(), event("lost", "site-1", batches=3)]) == (RunState.DEGRADED, "3 reports of site-1 were lost.")


def test_a_run_that_was_stopped_on_request_is_aborted_unless_it_was_already_complete() -> None:
    assert judge(good_run()[:5], 0, aborted=True)[0] == RunState.ABORTED
    assert judge(good_run(), aborted=True)[0] == RunState.FINISHED


def test_a_run_that_had_to_be_ended_is_failed_with_that_reason() -> None:
    assert judge(good_run(), stopped="Too few sites were left for the round") == (
        RunState.FAILED,
        "Too few sites were left for the round.",
    )


def trained(rounds: int = 2) -> list[Event]:
    """A run whose last model is saved; only its validation is still to come."""
    log = without(good_run(rounds), "run_ended")
    return [*log, event("saved", None, rounds - 1, file="GLOBAL_MODEL.pt", bytes=1, final=True)]


def test_a_final_model_that_all_sites_validated_is_all_there_is_to_want() -> None:
    log = [*trained(), event("validated", None, 2, sites=["site-1", "site-2"]), event("run_ended")]
    assert judge(log, validates=True) == (RunState.FINISHED, "")


@pytest.mark.parametrize(
    ("more", "how", "said"),
    [
        ([event("validated", None, 2, sites=["site-1"]), event("run_ended")], {}, "site-2 did not validate the final model."),
        ([event("run_ended")], {}, "the final model was not validated."),
        (
            [],
            {"stopped": "The server's process was killed"},
            "the final model was not validated; the server's process was killed, after the last round.",
        ),
        ([], {"aborted": True}, "the final model was not validated; it was stopped on request, after the last round."),
        ([], {}, "the final model was not validated; the server never reported its end, after the last round."),
    ],
)
def test_whatever_happens_after_the_last_round_degrades_the_run_at_most(
    more: list[Event], how: dict[str, Any], said: str
) -> None:
    assert judge([*trained(), *more], validates=True, **how) == (RunState.DEGRADED, said)


def test_who_asks_for_the_end_when_all_is_done_gets_a_finished_run() -> None:
    log = [*trained(), event("validated", None, 2, sites=["site-1", "site-2"]), event("run_ended")]
    assert judge(log, validates=True, aborted=True) == (RunState.FINISHED, "")


def test_a_model_that_was_saved_in_earlier_rounds_only_is_not_the_final_one() -> None:
    log = good_run()
    log.insert(-1, event("error", None, None, message="OSError: disk", traceback="..."))
    for earlier in ([], [event("saved", None, 0, file="GLOBAL_MODEL.pt", bytes=1, final=False)]):
        state, reason = judge([*log, *earlier])
        assert (state, reason) == (RunState.FAILED, "The final model was never saved: the server: OSError: disk")


def test_a_model_that_the_sites_were_asked_to_validate_was_taken_by_any_persistor() -> None:
    log = [*without(good_run(), "run_ended"), event("site", "site-1", 2, phase="validating")]
    assert judge(log, stopped="The server hangs")[0] == RunState.DEGRADED
