"""A run's handle follows the log: what it shows is what the log says, until it is over, lost, or nobody looks any more."""

from __future__ import annotations

import _thread
import threading
import time

import pytest

from reson_jupyter.backend.history import history
from reson_jupyter.backend.progress import RunProgress
from reson_jupyter.backend.record import RunRecord
from reson_jupyter.backend.run import follow
from reson_jupyter.backend.run.handle import Run
from reson_jupyter.config import ResonTechConfig
from reson_jupyter.errors import Detached, RunError, RunFailed, RunNotFound, RunTimeout, StoreError
from reson_jupyter.events import RunState
from tests.backend.staged import Staged, state
from tests.backend.test_verdict import event, good_run


def interrupt_soon() -> threading.Timer:
    timer = threading.Timer(0.4, _thread.interrupt_main)
    timer.start()
    return timer


def test_a_run_is_what_its_log_says(staged: Staged) -> None:
    run = staged.run()
    assert run.state is RunState.RUNNING
    staged.say(*good_run()[3:], state("finished"))
    assert run.wait(10) is run
    assert run.state is RunState.FINISHED and run.progress.rounds_done == 2


def test_a_run_without_a_log_is_not_found_and_nothing_follows_it(staged: Staged) -> None:
    record = RunRecord.new("other", "local", staged.store.url)
    with pytest.raises(RunNotFound, match=record.id):
        Run(record, staged.store, staged.target, connection=ResonTechConfig())
    assert not any(thread.name == f"follow {record.id}" for thread in threading.enumerate())


def test_an_interrupt_ends_the_waiting_and_not_the_run(staged: Staged) -> None:
    run = staged.run()
    interrupt_soon()
    with pytest.raises(Detached) as caught:
        run.wait(10)
    assert isinstance(caught.value, KeyboardInterrupt)
    (line,) = caught.value._render_traceback_()
    assert f"reson.attach('{run.id}').wait()" in line and "run.abort()" in line and "goes on" in line
    assert staged.target.aborted == 0 and not run.state.done
    staged.say(state("finished"))
    assert run.wait(10).state is RunState.FINISHED, "a second wait works"


def test_waiting_can_have_an_end(staged: Staged) -> None:
    with pytest.raises(RunTimeout, match="it is running and goes on"):
        staged.run().wait(0.1)


def test_a_run_whose_carrier_has_gone_is_cleared_up_after_and_lost(staged: Staged, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "_LAST_WORDS", 0.3)
    staged.target.on_settle = lambda: staged.say(
        event("error", "site-1", 0, message="left", traceback=""), state("lost", "Gone.")
    )
    run = staged.run()
    staged.target.carried = False
    with pytest.raises(RunFailed, match=r"lost: Gone\."):
        run.wait(10)
    assert [failure.message for failure in run.errors()] == ["left"], "what was rescued is told"


def test_a_run_that_cannot_be_cleared_up_is_lost_all_the_same(staged: Staged, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "_LAST_WORDS", 0.3)

    def settle() -> None:
        raise StoreError("read-only")

    staged.target.on_settle = settle
    run = staged.run()
    staged.target.carried = False
    with pytest.raises(RunFailed, match="ended without saying how"):
        run.wait(10)
    assert run.state is RunState.LOST


def test_the_last_words_of_a_carrier_count_more_than_its_absence(staged: Staged) -> None:
    run = staged.run()
    staged.target.carried = False
    time.sleep(1)
    staged.say(state("finished"))
    assert run.wait(10).state is RunState.FINISHED


def test_a_jump_of_the_clock_makes_no_run_lost(staged: Staged, monkeypatch: pytest.MonkeyPatch) -> None:
    staged.target.carried = None  # so its age is all there is to go by
    run = staged.run()
    real = time.time
    for jump in (86_400.0, -86_400.0):
        monkeypatch.setattr(time, "time", lambda jump=jump: real() + jump)
        time.sleep(0.8)
        assert (run.state, run.note) == (RunState.RUNNING, "")


def test_a_run_elsewhere_that_stays_silent_is_lost_but_only_while_the_store_answers(
    staged: Staged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "_SILENCE", 1.0)
    staged.target.carried = None
    run = staged.run()

    def fail(*_: object) -> None:
        raise StoreError("no answer from s3")

    with monkeypatch.context() as away:
        away.setattr(run._follower._reader, "read", fail)
        time.sleep(2)
        assert not run.state.done and "no answer from s3" in run.note
    with pytest.raises(RunFailed, match="lost: Nothing was heard"):
        run.wait(10)


def test_observers_hear_of_everything_and_one_that_raises_harms_nobody(
    staged: Staged, capsys: pytest.CaptureFixture[str]
) -> None:
    run = staged.run()
    seen: list[RunState] = []

    def bad(run: Run) -> None:
        if run.state.done:
            raise ValueError("my view is broken")

    run.observe(bad)
    run.observe(lambda run: seen.append(run.state))
    staged.say(state("finishing"))
    staged.say(state("finished"))
    run.wait(10)
    assert seen[0] is RunState.RUNNING and seen[-1] is RunState.FINISHED
    assert "my view is broken" in capsys.readouterr().err


def test_a_bug_in_the_following_ends_the_waiting(staged: Staged, capsys: pytest.CaptureFixture[str]) -> None:
    run = staged.run()
    staged.say(event("stopping"))  # without its grace
    with pytest.raises(RunError, match="cannot be followed any more"):
        run.wait(10)
    assert "Traceback" in capsys.readouterr().err


def test_the_history_is_told_of_every_state(staged: Staged, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[RunState] = []

    def update(record: RunRecord, progress: RunProgress) -> None:
        assert record is staged.record
        told.append(progress.state)

    monkeypatch.setattr(history, "update", update)
    run = staged.run()
    staged.say(event("log", message="no change", level="info"))
    time.sleep(0.5)
    staged.say(state("finishing"))
    time.sleep(0.5)
    staged.say(state("finished"))
    run.wait(10)
    assert told == [RunState.RUNNING, RunState.FINISHING, RunState.FINISHED]


def test_a_failed_run_says_where_its_error_and_its_model_are(staged: Staged) -> None:
    run = staged.run()
    staged.say(
        event("error", "site-1", 0, message="ValueError: bad", traceback="Traceback (most recent call last):\nValueError: bad"),
        event("result", files={"GLOBAL_MODEL.pt": {"bytes": 1, "sha256": "0"}}),
        state("failed", "site-1 failed."),
    )
    with pytest.raises(RunFailed) as caught:
        run.wait(10)
    assert f"reson.attach('{run.id}').errors()[0].traceback" in str(caught.value)
    assert "run.model() has the weights of the last round" in str(caught.value)
