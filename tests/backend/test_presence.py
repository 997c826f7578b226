"""The handle of a run that was deleted meanwhile says so, whatever it is asked for."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import reson_jupyter as reson
from reson_jupyter.backend.history import history
from reson_jupyter.backend.run.handle import Run
from reson_jupyter.backend.store import DirectoryStore, Store
from reson_jupyter.errors import RunError, RunTimeout, StoreError
from tests.backend.compared_runs import run_with
from tests.backend.finished_runs import coloured
from tests.backend.staged import Staged

ASKED: dict[str, Callable[[Run, Path], Any]] = {
    "model": lambda run, _: run.model(),
    "model of a round": lambda run, _: run.model(round=0),
    "evaluate": lambda run, _: run.evaluate([coloured(0)]),
    "download": lambda run, folder: run.download(folder / "got"),
    "logs": lambda run, _: run.logs(),
    "config": lambda run, _: run.config,
    "sources": lambda run, _: run.sources(),
    "rerun": lambda run, _: run.rerun(num_rounds=1),
    "delete": lambda run, _: run.delete(),
}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run that is over and lies in its store."""
    made = run_with(tmp_path, metrics={"loss": [0.3, 0.2, 0.1]})
    made._target.carried = False  # type: ignore[attr-defined]
    made._record.save()
    history.add(made._record, made.progress)
    return made


@pytest.mark.parametrize("what", ASKED)
@pytest.mark.parametrize("how", ["deleted", "its store's folder is gone"])
def test_a_deleted_run_is_called_deleted(run: Run, tmp_path: Path, what: str, how: str) -> None:
    if how == "deleted":
        run.delete()
    else:
        shutil.rmtree(tmp_path / "store")
        shutil.rmtree(run._record.folder)
        history.forget(run.id)
    with pytest.raises(RunError, match=f"run {run.id} was deleted") as told:
        ASKED[what](run, tmp_path)
    assert type(told.value) is RunError and not (tmp_path / "got").exists()
    assert len(run.events()) > 5 and run.metrics, "what it has heard of the run stays"


def test_a_run_of_which_one_file_is_missing_is_not_called_deleted(run: Run) -> None:
    run._store.delete(f"jobs/{run.id}/configs/config_fed_client.json")
    with pytest.raises(RunError, match=f"run {run.id} is not whole in its store: There is no .*config_fed_client.json"):
        run.model()
    with pytest.raises(RunError, match="stored no log"):
        run.logs()


def test_a_store_that_does_not_answer_is_not_taken_for_a_deletion(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> Any:
        raise StoreError("away")

    monkeypatch.setattr(DirectoryStore, "list", away)
    with pytest.raises(StoreError, match="away"):
        run.download("got")


def test_a_folder_that_cannot_be_written_to_is_told(run: Run, tmp_path: Path, store: Store) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match=r"file/.* cannot be made: .*\n  Choose another folder"):
        run.download(tmp_path / "file" / "got")


@pytest.mark.parametrize("timeout", [math.nan, "x", "3", [1], float("nan")])
def test_a_timeout_is_a_number_of_seconds(staged: Staged, timeout: Any) -> None:
    with pytest.raises(RunError, match="not a number of seconds") as told:
        staged.run().wait(timeout)
    assert not isinstance(told.value, RunTimeout)


def test_a_timeout_may_be_longer_than_any_run(run: Run) -> None:
    assert run.wait(10**400) is run and run.wait(math.inf) is run
    assert reson.RunState.FINISHED is run.state
