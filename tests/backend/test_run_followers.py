"""However many look at a run, it is followed once; when nobody looks any more, not at all."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import Any

import pytest

from reson_jupyter.backend.run.follow import Follower
from reson_jupyter.backend.run.handle import Run
from reson_jupyter.backend.store import open_store
from reson_jupyter.config import ResonTechConfig
from reson_jupyter.errors import RunError, StoreError
from reson_jupyter.events import RunState, SiteTelemetry
from tests.backend.staged import Staged, state
from tests.backend.test_verdict import event


def threads_of(staged: Staged) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == f"follow {staged.record.id}"]


def attach(staged: Staged, **keys: str) -> Run:
    """Another handle of the run, as another cell gets it: with a record, a store and a target of its own."""
    record = staged.record.model_copy()
    return Run(record, open_store(staged.store.url), staged.target, connection=ResonTechConfig(**keys))


def test_all_handles_of_a_run_share_one_follower_and_hear_of_everything(staged: Staged) -> None:
    first, second = staged.run(), attach(staged)
    assert len(threads_of(staged)) == 1
    seen: dict[str, list[RunState]] = {"first": [], "second": []}
    first.observe(lambda run: seen["first"].append(run.state))
    second.observe(lambda run: seen["second"].append(run.state))
    first.set_note("Uploading.")
    assert second.note == "Uploading."
    staged.say(state("finished"))
    assert first.wait(10).state is second.wait(60).state is RunState.FINISHED
    assert seen["first"][-1] is seen["second"][-1] is RunState.FINISHED


def test_handles_that_are_made_at_once_share_one_follower_too(staged: Staged) -> None:
    at_once = threading.Barrier(8)
    runs: list[Run] = []

    def make() -> None:
        at_once.wait(10)
        runs.append(attach(staged))

    makers = [threading.Thread(target=make) for _ in range(8)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join(60)
    assert len(runs) == 8 and len({id(run._follower) for run in runs}) == 1 and len(threads_of(staged)) == 1


def test_one_that_joins_late_knows_all_that_was_said(staged: Staged) -> None:
    first = staged.run()
    before = len(first.events())
    staged.say(event("log", message="more", level="info"))
    assert first._follower.wait_for(lambda: len(first.progress.events) > before, 10)
    assert attach(staged).events() == first.events()


def test_what_nobody_holds_is_not_followed_any_more(staged: Staged) -> None:
    first, second = staged.run(), attach(staged)
    (thread,) = threads_of(staged)
    del first
    assert thread.is_alive()
    del second
    thread.join(60)
    assert not thread.is_alive()
    again = attach(staged)
    staged.say(state("finished"))
    assert again.wait(60).state is RunState.FINISHED


def test_what_somebody_observes_is_followed_although_nobody_holds_it(staged: Staged) -> None:
    over = threading.Event()
    run = staged.run()
    run.observe(lambda run: over.set() if run.state.done else None)
    (thread,) = threads_of(staged)
    follower = weakref.ref(run._follower)
    del run
    for _ in range(5):  # the thread is at a look now and then, and holds it
        gc.collect()
        thread.join(0.05)
    assert thread.is_alive()
    staged.say(state("finished"))
    assert over.wait(60)
    thread.join(60)
    gc.collect()
    assert not thread.is_alive() and follower() is None, "a run that is over is not kept for its observers"


def test_an_observer_that_raised_keeps_no_run(staged: Staged, capsys: pytest.CaptureFixture[str]) -> None:
    run = staged.run()

    def broken(run: Run) -> None:
        if run.note:
            raise ValueError("my view is broken")

    run.observe(broken)
    run.set_note("now")
    assert "my view is broken" in capsys.readouterr().err
    (thread,) = threads_of(staged)
    del run, broken
    gc.collect()
    thread.join(60)
    assert not thread.is_alive()


def test_a_run_that_is_over_needs_no_thread(staged: Staged) -> None:
    staged.say(state("finished"))
    run = staged.run()
    assert threads_of(staged) == [] and run.wait(1).state is RunState.FINISHED
    seen: list[RunState] = []
    run.observe(lambda run: seen.append(run.state))
    assert seen == [RunState.FINISHED]


def test_a_run_that_seemed_lost_is_looked_at_anew(staged: Staged) -> None:
    first = staged.run()
    first._follower._lose("nobody carries it")
    first._follower.wait_for(lambda: False, 10)
    staged.say(event("log", message="it lives", level="info"))
    second = attach(staged)
    assert (first.state, second.state) == (RunState.LOST, RunState.RUNNING)


def test_a_run_that_could_not_be_followed_any_more_is_followed_anew(
    staged: Staged, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first = staged.run()

    def fail(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(first._follower._reader, "read", fail)
    with pytest.raises(RunError, match="cannot be followed any more"):
        first.wait(10)
    assert "a bug" in capsys.readouterr().err
    second = attach(staged)
    staged.say(state("finished"))
    assert second.wait(60).state is RunState.FINISHED


def test_other_keys_and_a_store_that_does_not_answer_are_no_reason_to_look_with_the_old_ones(
    staged: Staged, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = staged.run()
    other = attach(staged, s3_region="elsewhere")
    assert other._follower is not first._follower

    def fail(*_: object) -> None:
        raise StoreError("the key has expired")

    with monkeypatch.context() as expired:
        expired.setattr(first._follower._reader, "read", fail)
        assert first._follower.wait_for(lambda: "expired" in first.note, 10)
        assert attach(staged)._follower is not first._follower


def test_looks_become_rare_while_nothing_happens_and_signs_of_life_change_nothing_about_it(staged: Staged) -> None:
    follower = Follower(staged.record, staged.store, staged.target, ResonTechConfig())
    pauses: list[Any] = []
    for beat in range(20):
        staged.writer.sites = {"site-1": SiteTelemetry(time=1.0, beat=beat, pid=1, memory=1, cpu=0.0)}
        staged.writer.touch()
        pauses.append(follower.look())
    assert follower.progress.telemetry["site-1"].beat == 19
    assert pauses[0] == pytest.approx(0.3) and pauses[1] == pytest.approx(0.36) and pauses[-1] == 2.0
    staged.say(event("log", message="news", level="info"))
    assert follower.look() == 0.25
    staged.say(state("finished"))
    assert follower.look() is None and follower.over.is_set()
