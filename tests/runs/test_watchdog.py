"""Real runs in which something stops: it is found within 15 seconds, said with its place, and nothing of the run stays behind."""

from __future__ import annotations

import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

import reson_jupyter as reson
from reson_jupyter.backend.processes import RunProcesses
from reson_jupyter.backend.progress import Failure
from reson_jupyter.events import EventType, RunState
from tests.runs import hanging, hanging_late, slow
from tests.runs.conftest import processes_of, rounds, wait_for
from tests.runs.models import Line

pytestmark = [pytest.mark.nvflare, pytest.mark.usefixtures("home")]

WITHIN = 15.0


def submit(train: Callable[..., Any], shards: Path, number: int = 3, fault: str = "", **federation: int) -> reson.Run:
    training = reson.TrainingConfig(fault=fault)  # type: ignore[call-arg]
    return reson.submit(
        Line,
        train=train,
        name="faults",
        shards_dir=shards,
        check=False,
        training=training,
        federation=rounds(number, **federation),
    )


def trees_of(run: reson.Run) -> RunProcesses:
    """The processes of a run, as its runner sees them."""
    (main,) = (process for process in processes_of(run) if process.cmdline()[-2:] == ["-l", "concise"] and _is_root(process))
    trees = RunProcesses(main.pid)
    trees.look()
    return trees


def _is_root(process: psutil.Process) -> bool:
    parent = process.parent()
    return parent is not None and "reson_jupyter.backend.runner" in parent.cmdline()


def server_of(run: reson.Run) -> psutil.Process:
    """The server is the parent of the sites."""
    trees = trees_of(run)
    parent: psutil.Process | None = trees.of("site-1")[0].parent()
    assert parent is not None
    return parent


def ended(run: reson.Run, expected: RunState) -> None:
    """Waits for the end, and looks for what stays behind."""
    wait_for(lambda: run.state.done, 60)
    assert run.state == expected, run.reason
    wait_for(lambda: processes_of(run) == [], 5)
    assert not list(Path(tempfile.gettempdir()).glob(f"reson-{run.id[-12:]}-*"))
    print(run.reason, [failure for failure in run.errors()])


def first_error(run: reson.Run) -> Failure:
    return run.errors()[0]


def contributed(run: reson.Run, site: str, number: int) -> float:
    """When the server had a site's contribution to a round."""
    (time,) = (e.time for e in run.events() if (e.type, e.site, e.round) == (EventType.CONTRIBUTION, site, number))
    return time


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("in_c", "hangs: no sign of life and no computing for 12 s"),
        ("stopped", "hangs: its process is stopped"),
    ],
)
def test_a_site_that_hangs_is_given_up_with_the_line_where_it_stands(plain_shards: Path, fault: str, said: str) -> None:
    run = submit(hanging.fl_train, plain_shards, fault=fault)
    ended(run, RunState.FAILED)
    failure = first_error(run)
    assert (failure.site, failure.round, failure.message) == ("site-2", 1, said)
    assert failure.time - contributed(run, "site-1", 1) < WITHIN
    assert "Too few sites were left" in run.reason and said in run.reason
    if fault == "in_c":
        assert failure.where.startswith("hanging.py, line ") and "in in_c" in failure.traceback
    assert torch.equal(run_weights(run), torch.tensor([2.0, 3.0])), "the model of the first round is kept"


def run_weights(run: reson.Run) -> torch.Tensor:
    with pytest.warns(UserWarning, match="weights of the last round"):
        return run.model().state_dict()["weight"]


def test_a_run_goes_on_without_a_site_that_hangs_if_its_rounds_do_not_need_it(three_plain_shards: Path) -> None:
    run = submit(hanging.fl_train, three_plain_shards, 3, fault="in_c", min_clients=2, wait_time_after_min_received=20)
    ended(run, RunState.DEGRADED)
    assert "site-2 is missing from" in run.reason
    assert first_error(run).site == "site-2"
    assert run.model().state_dict()["weight"][0] == 4.0


def test_a_site_that_waits_is_told_of_and_left_alone(plain_shards: Path) -> None:
    run = submit(hanging.fl_train, plain_shards, fault="waiting")
    wait_for(lambda: run.progress.sites["site-2"].stalled != "")
    assert run.progress.sites["site-2"].stalled.startswith("no progress for 15 s in hanging.py, line ")
    ended(run, RunState.FINISHED)
    assert run.errors() == []
    stalled = [event for event in run.events() if event.type is EventType.STALLED]
    assert [(event.site, event.data["seconds"]) for event in stalled] == [("site-2", 15.0), ("site-2", 0)]


def test_a_function_that_never_returns_is_ended_when_a_round_has_a_time_limit(plain_shards: Path) -> None:
    run = submit(hanging.fl_train, plain_shards, 2, fault="computing", round_timeout=6)
    ended(run, RunState.FAILED)
    failure = first_error(run)
    assert (failure.site, failure.message) == ("site-2", "has not finished its part of round 2 within 6 s")
    assert failure.where.startswith("hanging.py, line ")
    assert failure.time - contributed(run, "site-1", 1) < 6 + 5


def test_a_site_that_hangs_in_the_last_validation_costs_no_more_than_that(plain_shards: Path) -> None:
    run = submit(hanging_late.fl_train, plain_shards, 1)
    ended(run, RunState.DEGRADED)
    assert "site-2 did not validate the final model" in run.reason
    assert run.model().state_dict()["weight"][0] == 2.0


@pytest.mark.parametrize(
    ("how", "said"),
    [(signal.SIGKILL, "The server's process was killed"), (signal.SIGSTOP, "The server hangs: its process is stopped")],
)
def test_a_server_that_dies_or_hangs_ends_the_run(plain_shards: Path, how: signal.Signals, said: str) -> None:
    run = submit(slow.fl_train_model, plain_shards)
    wait_for(lambda: any(m["name"] == "asleep" for m in run.metrics))
    asked = time.time()
    server_of(run).send_signal(how)
    ended(run, RunState.FAILED)
    assert run.reason.startswith(said)
    last = run.progress.ended
    assert last is not None and last - asked < WITHIN + 1


def test_a_killed_site_is_found_at_once(plain_shards: Path) -> None:
    run = submit(slow.fl_train_model, plain_shards)
    wait_for(lambda: any(m["name"] == "asleep" for m in run.metrics))
    asked = time.time()
    trees_of(run).of("site-2")[0].kill()
    ended(run, RunState.FAILED)
    failure = first_error(run)
    assert failure.site == "site-2" and "its process ended without a word" in failure.message
    assert failure.time - asked < 3


def test_a_site_that_hears_of_no_stop_is_ended_after_the_grace_time(plain_shards: Path) -> None:
    run = submit(hanging.fl_train, plain_shards, fault="deaf")
    wait_for(lambda: any(event.data.get("message") == "here it comes" for event in run.events()))
    asked = time.time()
    run.abort()
    run.abort()
    wait_for(lambda: run.progress.stopping_until is not None or run.state.done)
    until = run.progress.stopping_until
    assert until is not None and 8 < until - asked < 12
    ended(run, RunState.ABORTED)
    last = run.progress.ended
    assert last is not None and last - asked < 10 + 5
    assert run.reason == "Stopped on request after 1 round of 3."
    assert torch.equal(run_weights(run), torch.tensor([2.0, 3.0]))
