"""What users see of a run is true, complete and survives anything: the fault table, each row a real run of NVFlare."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future

import pytest

from reson_jupyter.backend.carrying.vigil import STALLED_AFTER
from reson_jupyter.home import home
from tests.faults.table import Fault, Outcome

pytestmark = [pytest.mark.nvflare, pytest.mark.faults]


def test_the_run_ends_in_the_right_state_and_says_why(fault: Fault, outcome: Outcome) -> None:
    run = outcome.run
    told = "\n".join([run.reason, *(f"{failure.message} {failure.traceback}" for failure in run.errors())])
    assert run.state.value in fault.ends, told
    assert fault.says in told
    if run.errors() and fault.code not in ("nothing", "fills the disk"):
        first = run.errors()[0]
        assert (first.site, first.round) == ("site-2", fault.at_round)
        if fault.where:
            assert first.where.startswith(f"{fault.where}, line "), "the place in the user's code is named"


def test_it_is_found_in_time(fault: Fault, outcome: Outcome) -> None:
    if outcome.struck is None:
        assert fault.code == "nothing", "the train function says when it goes wrong"
        return
    if outcome.run.state == "finished" and fault.code != "stands still for a while":
        assert outcome.found is None, "nothing went wrong, or it was over before"
        return
    assert outcome.took is not None and outcome.took <= fault.within


def test_the_run_is_over_soon_after(fault: Fault, outcome: Outcome) -> None:
    ended = outcome.run.progress.ended
    assert ended is not None
    if outcome.found is not None and outcome.run.state in ("failed", "aborted", "lost"):
        assert ended - outcome.found < 15


def test_nothing_that_the_run_said_before_is_lost(fault: Fault, outcome: Outcome) -> None:
    run = outcome.run
    assert outcome.lost == ""
    assert [event.seq for event in run.events()] == list(range(len(run.events())))
    assert run.progress.rounds_done >= fault.rounds_kept
    if fault.rounds_kept:
        assert run.model(round=fault.rounds_kept - 1).state_dict()["weight"][0].item() == 1.0 + fault.rounds_kept


def test_nothing_of_it_is_left_behind(fault: Fault, outcome: Outcome) -> None:
    assert outcome.left == []


@pytest.mark.usefixtures("under_way")
def test_nothing_lies_beside_the_runs_folders_the_store_and_the_history() -> None:
    names = {path.name for path in home().iterdir()}
    plain = {name.removesuffix("-wal").removesuffix("-shm").removesuffix("-journal") for name in names}
    assert plain <= {"runs", "store", "cache", "history.sqlite", "history.lock", "digests.sqlite"}


def test_a_site_that_waits_is_told_of_once_and_left_alone(under_way: Mapping[str, Future[Outcome]]) -> None:
    run = under_way["the train function stands still for 16 s"].result().run
    stalled = [event for event in run.events() if event.type == "stalled"]
    assert [(event.site, event.data["seconds"]) for event in stalled] == [("site-2", STALLED_AFTER), ("site-2", 0)]
    assert run.errors() == []
