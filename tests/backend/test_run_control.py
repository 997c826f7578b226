"""What a run is asked to do: what reaches its sites, what comes back, and what is refused before anybody is asked."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reson_jupyter.backend.run import control, follow
from reson_jupyter.backend.run.handle import Run
from reson_jupyter.errors import Detached, RunError, RunTimeout, TargetError
from reson_jupyter.events import Event
from tests.backend.staged import Staged, in_round, state
from tests.backend.test_verdict import event, good_run
from tests.patience import wait_for

TRACEBACK = """Traceback (most recent call last):
  File "/tmp/run/site-1/simulate_job/app_site-1/custom/model_def.py", line 3, in count
    raise ValueError("bad")
ValueError: bad
"""


def test_a_command_reaches_every_site_and_brings_back_what_each_returned(staged: Staged) -> None:
    staged.answer_with(value={"count": 3})
    answers = staged.run().command("count", {"of": [1, 2]}, timeout=1000)  # which nobody waits for
    (request,) = staged.target.requests
    assert {**request, "id": ""} == {
        "id": "", "op": "command", "sites": ["site-1", "site-2"], "command": "count", "params": {"of": [1, 2]},
    }  # fmt: skip
    assert {site: (answer.ok, answer.value) for site, answer in answers.items()} == dict.fromkeys(
        ("site-1", "site-2"), (True, {"count": 3})
    )
    assert 0 < answers["site-1"].seconds < 100
    assert repr(answers) == "site-1  {'count': 3}\nsite-2  {'count': 3}"


def test_an_answer_comes_soon_although_the_run_has_been_quiet_for_long(staged: Staged, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "_SLOWEST", 1000.0)
    with monkeypatch.context() as patch:
        patch.setattr(follow, "_FASTEST", 900.0)
        run = staged.run()
        wait_for(lambda: run._follower._pause == 1000.0)  # the log is not read for so long now

    def late(request: dict[str, Any]) -> None:
        threading.Timer(0.5, staged.say, [event("answer", "site-1", request=request["id"], ok=True, value=1)]).start()

    staged.target.on_request = late
    assert run.command("count", sites="site-1", timeout=100)["site-1"].ok


def test_a_function_that_raises_is_told_by_the_notebooks_lines(tmp_path: Path) -> None:
    log = [*good_run()[:2], state("running"), *in_round(0)]
    log[0].data["lines"] = {"model_def.py": [[1, 10, "In[4]", 7]]}
    staged = Staged(tmp_path, log)
    staged.answer_with(ok=False, error="ValueError: bad", traceback=TRACEBACK)
    answer = staged.run().command("count", sites=["site-1"])["site-1"]
    assert (answer.ok, answer.value, answer.error, answer.where) == (False, None, "ValueError: bad", "In[4], line 9")
    assert 'File "In[4]", line 9, in count' in answer.traceback
    assert repr(answer) == "<site-1: In[4], line 9: ValueError: bad>"


def test_a_site_that_does_not_answer_has_an_answer_that_says_so(staged: Staged) -> None:
    def one(request: dict[str, Any]) -> None:
        staged.say(event("answer", "site-1", request=request["id"], ok=True, value=1))

    staged.target.on_request = one
    answers = staged.run().command("count", timeout=2)
    assert answers["site-1"].ok
    assert "no answer within 2 s" in answers["site-2"].error and not answers["site-2"].ok


def test_the_end_of_the_run_ends_the_waiting_for_answers(staged: Staged) -> None:
    staged.target.on_request = lambda request: staged.say(state("failed", "Too bad."))
    answers = staged.run().command("count", timeout=1000)
    assert "the run ended (failed) before the site answered" in answers["site-2"].error


def test_an_interrupt_of_a_command_ends_the_waiting(staged: Staged) -> None:
    run = staged.run()
    here = threading.get_ident()
    staged.target.on_request = lambda request: threading.Timer(0.4, signal.pthread_kill, [here, signal.SIGINT]).start()
    with pytest.raises(Detached):
        run.command("count")
    staged.answer_with(value=1)
    assert run.command("count")["site-1"].ok


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda run: run.command("count", sites="site-9"), r"no site 'site-9'\n  Its sites are: site-1, site-2\."),
        (lambda run: run.command("count", sites=[]), "no site was named"),
        (lambda run: run.command("count", {"model": object()}), "params of 'count' cannot be sent: .*object is not JSON"),
        (lambda run: run.command("count", {"x": float("nan")}), "params of 'count' cannot be sent: .*not JSON compliant"),
        (lambda run: run.command("count", {"x": "half \ud800"}), "params of 'count' cannot be sent: .*surrogates not allowed"),
        (lambda run: run.command("count", [1]), "they are a list, not a dict"),
        (lambda run: run.command(""), "is not the name of a command"),
        (lambda run: run.set_log_level("loud"), r"'loud' is not a log level\n  The levels are: debug, info, warning, error"),
        (lambda run: run.set_log_level("info", "site-9"), "no site 'site-9'"),
        (lambda run: run.skip_round("site-9"), "no site 'site-9'"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_anybody_is(staged: Staged, ask: Callable[[Run], Any], said: str) -> None:
    with pytest.raises(RunError, match=said):
        ask(staged.run())
    assert staged.target.requests == []


ALL = [
    lambda run: run.command("count", timeout=0.3),
    lambda run: run.skip_round("site-1"),
    lambda run: run.set_log_level("debug"),
    lambda run: run.reset_errors(),
]


@pytest.mark.parametrize("ask", ALL)
def test_a_run_that_is_over_is_asked_nothing(staged: Staged, ask: Callable[[Run], Any]) -> None:
    staged.say(state("finished"))
    with pytest.raises(RunError, match=r"is over \(finished\)"):
        ask(staged.run())
    assert staged.target.requests == []


@pytest.mark.parametrize("ask", ALL)
def test_a_run_that_has_not_begun_is_asked_nothing(tmp_path: Path, ask: Callable[[Run], Any]) -> None:
    staged = Staged(tmp_path, [good_run()[0], state("uploading")])
    with pytest.raises(RunError, match="is uploading: its sites are not there yet"):
        ask(staged.run())


def test_a_command_waits_until_the_sites_are_in_their_first_round(tmp_path: Path) -> None:
    staged = Staged(tmp_path, [good_run()[0], state("uploading")])
    staged.answer_with(value=1)
    run = staged.run()
    there: list[bool] = []
    asked = staged.target.on_request
    staged.target.on_request = lambda request: (there.append(run.progress.sites["site-2"].round == 0), asked(request))[1]

    def come() -> None:
        staged.say(state("running"), event("prepared", "site-1"), event("round_started", None, 0))
        staged.say(event("site", "site-1", 0, phase="training"))
        staged.say(event("site", "site-2", 0, phase="training"))

    threading.Timer(0.5, come).start()
    assert {site: answer.value for site, answer in run.command("count").items()} == {"site-1": 1, "site-2": 1}
    assert there == [True]


def test_a_site_that_is_late_does_not_keep_the_others_from_being_asked(tmp_path: Path) -> None:
    log = [*good_run()[:2], state("running"), event("round_started", None, 0), event("site", "site-1", 0, phase="training")]
    staged = Staged(tmp_path, log)
    staged.target.on_request = lambda request: staged.say(
        event("answer", "site-1", request=request["id"], ok=True, value=1)
    )  # fmt: skip
    answers = staged.run().command("count", timeout=4)
    assert answers["site-1"].value == 1 and not answers["site-2"].ok


def test_a_site_that_cannot_train_is_not_waited_for(tmp_path: Path) -> None:
    log = [*good_run()[:2], state("running"), event("prepared", "site-2", problems=["no torch"]), *in_round(0)[:2]]
    staged = Staged(tmp_path, log)
    staged.answer_with(value=1)
    staged.run().command("count", timeout=1000)  # of which a site that may still come has a half
    assert len(staged.target.requests) == 1


def test_the_end_of_a_run_ends_the_waiting_for_its_sites(tmp_path: Path) -> None:
    staged = Staged(tmp_path, [good_run()[0], state("starting")])
    threading.Timer(0.3, staged.say, [state("failed", "Too bad.")]).start()
    with pytest.raises(RunError, match=r"is over \(failed\)"):
        staged.run().command("count")
    assert staged.target.requests == []


def test_a_run_that_cannot_be_reached_says_so(staged: Staged) -> None:
    run = staged.run()
    staged.target.carried = False
    with pytest.raises(TargetError, match="not running on this machine"):
        run.command("count")


def test_the_log_level_is_set_on_one_site_or_on_all(staged: Staged) -> None:
    staged.answer_with(value="debug")
    run = staged.run()
    run.set_log_level("debug", "site-2")
    run.set_log_level("error")
    assert [(r["op"], r["sites"], r["level"]) for r in staged.target.requests] == [
        ("log_level", ["site-2"], "debug"),
        ("log_level", ["site-1", "site-2"], "error"),
    ]
    staged.answer_with(ok=False, error="the site has gone")
    with pytest.raises(RunError, match="site-1: the site has gone"):
        run.set_log_level("info")


def test_errors_are_reset_for_everybody_and_the_verdict_keeps_them(staged: Staged) -> None:
    staged.say(event("error", "site-1", 0, message="ValueError: old", traceback=""))
    staged.target.on_request = lambda request: staged.say(event("errors_reset"))
    run = staged.run()
    assert len(run.errors()) == 1
    run.reset_errors()
    assert run.errors() == [] and len(run.progress.failures) == 1
    assert [request["op"] for request in staged.target.requests] == ["reset_errors"]
    staged.say(event("error", "site-2", 0, message="ValueError: new", traceback=""), state("failed", "New."))
    with pytest.raises(RunError):
        run.wait(10)
    assert [failure.message for failure in run.errors()] == ["ValueError: new"]


def test_a_reset_that_nobody_confirms_is_not_taken_for_done(staged: Staged, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "_PROMPT", 0.5)
    with pytest.raises(RunTimeout, match="nobody confirmed"):
        staged.run().reset_errors()


def three_sites(min_clients: int, *more: Event) -> list[Event]:
    log = good_run(sites=("site-1", "site-2", "site-3"), min_clients=min_clients)[:2]
    log += [state("running"), event("round_started", None, 0)]
    return [*log, *(event("site", f"site-{number}", 0, phase="training") for number in (1, 2, 3)), *more]


SKIPPING = event("site", "site-2", 0, phase="skipping")
SKIPPED = event("site", "site-2", 0, phase="skipped")
RETURNED = event("site", "site-2", 0, phase="returned")
CONTRIBUTED = event("contribution", "site-2", 0, accepted=True, samples=1)
REJECTED = event("contribution", "site-2", 0, accepted=False, samples=1)
FAILED = event("error", "site-2", 0, message="ValueError: bad", traceback="")
NEXT = [
    event("round_started", None, 1),
    event("site", "site-1", 1, phase="training"),
    event("site", "site-3", 1, phase="training"),
]
FINAL = [event("site", f"site-{number}", 2, phase="validating") for number in (1, 2, 3)]


@pytest.mark.parametrize(
    ("log", "refused"),
    [
        (three_sites(2), None),
        (three_sites(3), r"round 1 needs 3 sites \(min_clients\), and without site-1 it would have 2"),
        (three_sites(2, SKIPPED), "without site-1 it would have 1"),
        (three_sites(2, SKIPPING), "without site-1 it would have 1"),
        (three_sites(2, event("site", "site-1", 0, phase="skipping")), r"it is at no task just now \(skipping\)"),
        (three_sites(1, SKIPPED), None),
        (three_sites(2, RETURNED), None),
        (three_sites(2, RETURNED, CONTRIBUTED), None),
        (three_sites(2, RETURNED, REJECTED), "without site-1 it would have 1"),
        (three_sites(2, FAILED), "without site-1 it would have 1"),
        (three_sites(2, FAILED, *NEXT), "round 2 needs 2 .* would have 1"),
        (three_sites(2, FAILED, event("errors_reset"), *NEXT), "would have 1"),
        (three_sites(2, FAILED, *NEXT, event("site", "site-2", 1, phase="training")), None),
        (three_sites(2, RETURNED, CONTRIBUTED, *NEXT), None),
        (three_sites(2, event("site", "site-1", 0, phase="returned")), r"it is at no task just now \(returned\)"),
        (three_sites(3, *FINAL), None),
    ],
)
def test_a_site_may_skip_what_its_round_can_do_without(tmp_path: Path, log: list[Event], refused: str | None) -> None:
    staged = Staged(tmp_path, log)
    staged.answer_with()
    run = staged.run()
    if refused is None:
        run.skip_round("site-1")
        assert [(request["op"], request["sites"]) for request in staged.target.requests] == [("skip", ["site-1"])]
    else:
        with pytest.raises(RunError, match=refused):
            run.skip_round("site-1")
        assert staged.target.requests == []
