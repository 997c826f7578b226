"""A run is found by its id, or by a name that no other run has; a slip is answered with what is near."""

from __future__ import annotations

from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell

import reson_jupyter as reson
from reson_jupyter.backend.history import history
from reson_jupyter.backend.progress import RunProgress
from reson_jupyter.backend.record import RunRecord
from reson_jupyter.errors import RunNotFound
from tests.notebook.typed import run


@pytest.fixture
def known(finished: RunRecord) -> RunRecord:
    history.add(finished, RunProgress())
    return finished


def test_the_name_of_one_run_is_as_good_as_its_id(shell: InteractiveShell, known: RunRecord) -> None:
    assert reson.attach("colours").id == known.id
    assert run(shell, "%reson attach colours")[0].result.id == known.id
    assert run(shell, "%reson logs colours site-1")[1] == "hello from site-1\n"
    assert set(run(shell, "%reson info colours")[0].result) == {"site-1", "site-2"}
    assert run(shell, "%reson delete colours")[1].startswith(f"deleted run {known.id}")


@pytest.mark.parametrize("verb", ["attach", "abort", "delete", "logs", "info", "rerun"])
def test_of_several_runs_of_a_name_none_is_guessed(shell: InteractiveShell, known: RunRecord, verb: str) -> None:
    other = RunRecord.new("colours", "local", known.store)
    history.add(other, RunProgress())
    result, text = run(shell, f"%reson {verb} colours")
    assert isinstance(result.error_in_exec, RunNotFound)
    assert "2 runs have the name 'colours'" in text and known.id in text and other.id in text
    assert Path(known.folder).is_dir()


@pytest.mark.parametrize("slip", ["colors", "Colours", "colo"])
def test_a_slip_is_answered_with_the_nearest_runs(shell: InteractiveShell, known: RunRecord, slip: str) -> None:
    _, text = run(shell, f"%reson attach {slip}")
    assert "The nearest that it knows:" in text and known.id in text


def test_a_slip_of_an_id_is_answered_with_the_id(shell: InteractiveShell, known: RunRecord) -> None:
    _, text = run(shell, f"%reson attach {known.id[:-1]}x")
    assert "this machine knows no run" in text and f"  {known.id}  colours" in text


def test_where_nothing_is_near_it_is_said_how_a_run_of_elsewhere_is_found(shell: InteractiveShell, known: RunRecord) -> None:
    _, text = run(shell, "%reson attach zzz")
    assert "submitted elsewhere" in text and known.id not in text
