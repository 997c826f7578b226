"""Real runs on this machine, from `submit` to the model: what is trained, what is said, and what is left behind."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest
import torch

import reson_jupyter as reson
from reson_jupyter.backend.job import JobParts, UserModule
from reson_jupyter.errors import RunError, RunNotFound
from tests.patience import wait_for
from tests.runs import dying, leaving, slow, unlucky
from tests.runs.conftest import processes_of, rounds, submit_parts
from tests.runs.models import Line, SmallNet, fl_train

pytestmark = [pytest.mark.nvflare, pytest.mark.usefixtures("home")]


def test_a_run_trains_reports_and_gives_back_the_model(plain_shards: Path, home: Path) -> None:
    run = reson.submit(Line, train=fl_train, name="Two numbers", shards_dir=plain_shards, check=False, federation=rounds(3))
    assert run.state in (reson.RunState.PENDING, reson.RunState.STARTING), "submit must return at once"
    assert run.wait(120) is run
    assert run.state == reson.RunState.FINISHED and run.errors() == []

    # Weighted by samples 1 and 2, a round adds (1 * 1 + 2 * 2) / 3.
    assert torch.allclose(run.model().state_dict()["weight"], torch.tensor([6.0, 7.0]), atol=1e-6)
    assert type(run.model()) is Line

    values = {(m["site"], m["round"]): m["value"] for m in run.metrics if m["name"] == "number"}
    assert values == {
        **{(site, number): value for number in range(3) for site, value in (("site-1", 1.0), ("site-2", 2.0))},
        **{(None, number): pytest.approx(5 / 3) for number in range(3)},
    }
    assert set(run.metrics.to_pandas().columns) == {"site", "round", "step", "name", "value", "time"}
    assert [event.seq for event in run.events()] == list(range(len(run.events())))
    assert "min_clients was not set, so every round needs all 2 sites" in run.progress.notes
    texts = [event.data.get("message", "") for event in run.events()]
    assert "adding 2" in texts

    again = reson.attach(run.id)
    assert again.state == reson.RunState.FINISHED, "what the store has is there at once"
    assert again.events() == run.events()
    assert torch.equal(again.model().state_dict()["weight"], run.model().state_dict()["weight"])
    files = {path.relative_to(home / "got").as_posix() for path in run.download(home / "got")}
    assert {"model_out/GLOBAL_MODEL.pt", "files_out/latest.json", "files_out/logs/site-1.txt"} <= files
    assert {f"files_out/rounds/round_0000{number}.pt" for number in range(3)} <= files
    wait_for(lambda: processes_of(run) == [])


def test_a_model_alone_is_trained_by_the_default_training_and_gets_better(image_shards: Path) -> None:
    training = reson.TrainingConfig(img_size=12, local_epochs=4, learning_rate=0.02, batch_size=8)
    run = reson.submit(
        SmallNet, name="colours", shards_dir=image_shards, check=False, training=training, federation=rounds(3)
    ).wait(120)
    accuracy = [m["value"] for m in run.metrics if m["name"] == "train_accuracy" and m["site"] is None]
    assert len(accuracy) == 3 and accuracy[-1] > 0.8
    assert {m["name"] for m in run.metrics} == {"train_loss", "train_accuracy", "val_loss", "val_accuracy"}
    assert run.model().layers[-1].out_features == 3  # type: ignore[union-attr, operator]


def test_a_site_that_raises_fails_the_run_within_15_seconds_with_its_traceback(plain_shards: Path) -> None:
    run = reson.submit(Line, train=unlucky.fl_train, name="unlucky", shards_dir=plain_shards, check=False, federation=rounds(3))
    with pytest.raises(reson.RunFailed, match=r"site-2 in round 2: unlucky\.py, line 7: ValueError: bad luck"):
        run.wait(120)
    assert run.state == reson.RunState.FAILED
    failure = run.errors()[0]
    assert (failure.site, failure.round) == ("site-2", 1)
    assert "ValueError: bad luck" in failure.traceback and "in fl_train" in failure.traceback
    ended = run.progress.ended
    assert ended is not None and ended - failure.time < 15
    wait_for(lambda: processes_of(run) == [])


def test_a_site_that_raises_is_survived_when_the_round_does_not_need_it(plain_shards: Path) -> None:
    federation = rounds(3, min_clients=1, wait_time_after_min_received=1)
    run = reson.submit(
        Line, train=unlucky.fl_train, name="lucky", shards_dir=plain_shards, check=False, federation=federation
    ).wait(120)
    assert run.state == reson.RunState.DEGRADED
    assert "site-2 is missing from" in run.reason
    assert run.model().state_dict()["weight"][0] == 4.0


@pytest.mark.parametrize("broken", ["client", "server"])
def test_a_job_whose_code_cannot_be_imported_fails_and_says_what_is_missing(plain_shards: Path, broken: str) -> None:
    source = "from torch import nn\n\n\nclass Line(nn.Linear):\n    def __init__(self):\n        super().__init__(1, 1)\n"
    missing = UserModule("import a_package_that_nobody_has\n\n\nclass Mine:\n    pass\n", "Mine")
    parts = JobParts("broken", "model_def.Line", source, **{"executor" if broken == "client" else "persistor": missing})
    run = submit_parts(parts, plain_shards)
    with pytest.raises(reson.RunFailed, match="a_package_that_nobody_has"):
        run.wait(120)
    assert run.state == reson.RunState.FAILED
    assert any("a_package_that_nobody_has" in failure.traceback for failure in run.errors())
    with pytest.raises(RunError, match="no model"):
        run.model()
    wait_for(lambda: processes_of(run) == [])


def test_abort_ends_a_run_under_way_and_leaves_nothing_running(plain_shards: Path) -> None:
    run = reson.submit(Line, train=slow.fl_train_model, name="slow", shards_dir=plain_shards, check=False)
    with pytest.raises(reson.RunTimeout, match="goes on"):
        run.wait(0.1)
    wait_for(lambda: any(m["name"] == "asleep" for m in run.metrics))
    asked = time.monotonic()
    run.abort()
    with pytest.raises(reson.RunFailed, match="Stopped on request after 0 rounds of 5"):
        run.wait(30)
    assert time.monotonic() - asked < 15
    assert run.state == reson.RunState.ABORTED
    wait_for(lambda: processes_of(run) == [])
    run.abort()  # a second time is no error


def test_abort_before_the_server_is_up_ends_the_run_too(plain_shards: Path) -> None:
    run = reson.submit(Line, train=slow.fl_train_model, name="slow", shards_dir=plain_shards, check=False)
    wait_for(lambda: any(event.data.get("state") == "starting" for event in run.events()))
    run.abort()
    with pytest.raises(reson.RunFailed):
        run.wait(30)
    assert run.state == reson.RunState.ABORTED
    wait_for(lambda: processes_of(run) == [])


def test_the_same_bundle_trains_with_the_stock_simulator_and_nothing_of_ours(plain_shards: Path, tmp_path: Path) -> None:
    job = reson.build(Line, train=fl_train, name="stock", shards_dir=plain_shards, federation=rounds(2))
    folder = job.save(tmp_path / "job")
    nvflare = Path(sys.executable).parent / "nvflare"
    (tmp_path / "cwd").mkdir()
    command = [nvflare, "simulator", folder, "-w", tmp_path / "ws", "-n", "2", "-t", "2"]
    # Without the variable the model would go where the platform expects it, /app/out.
    env = {**os.environ, "RESONTECH_OUT_DIR": str(tmp_path / "out"), "RESON_DATA_ROOT": str(tmp_path / "data")}
    ended = subprocess.run(command, cwd=tmp_path / "cwd", env=env, capture_output=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stdout[-3000:]
    weights = torch.load(tmp_path / "out" / "GLOBAL_MODEL.pt", weights_only=True)["model"]["weight"]
    assert torch.allclose(weights, torch.tensor([1.0, 2.0]) + 10 / 3, atol=1e-6)


def test_nothing_is_uploaded_when_something_cannot_be_used(plain_shards: Path, image_shards: Path, home: Path) -> None:
    attempts = [
        lambda: reson.submit(SmallNet, name="no manifest", shards_dir=plain_shards),
        lambda: reson.submit(SmallNet, name="classes", shards_dir=image_shards, training=reson.TrainingConfig(num_classes=2)),
        lambda: reson.submit(Line, train=fl_train, name="sites", shards_dir=plain_shards, federation=rounds(1, min_clients=3)),
        lambda: reson.submit(Line, train=fl_train, name="target", shards_dir=plain_shards, target="moon"),
        lambda: reson.submit(Line, train=fl_train, name="store", shards_dir=plain_shards, store="ftp://x"),
        lambda: reson.submit(Line(), train=fl_train, name="instance", shards_dir=plain_shards),  # type: ignore[arg-type]
        lambda: reson.submit(Line, train=fl_train, name="weights", shards_dir=plain_shards, checkpoint="nowhere.pt"),
    ]
    for attempt in attempts:
        with pytest.raises(reson.ResonError):
            attempt()
    assert not (home / "runs").exists() and not [path for path in (home / "store").rglob("*") if path.is_file()]


def test_what_nobody_knows_is_said_so(home: Path) -> None:
    with pytest.raises(RunNotFound, match="this machine knows no run"):
        reson.attach("nobody-knows-me")
    with pytest.raises(RunNotFound, match="has no log of a run"):
        reson.attach("nobody-knows-me", store=(home / "store").absolute().as_uri())


def test_sites_that_die_one_after_the_other_end_the_run_when_too_few_are_left(three_plain_shards: Path) -> None:
    federation = rounds(5, min_clients=2, wait_time_after_min_received=1)
    run = reson.submit(
        Line, train=dying.fl_train, name="dying", shards_dir=three_plain_shards, check=False, federation=federation
    )
    with pytest.raises(reson.RunFailed, match="Too few sites were left"):
        run.wait(90)
    assert {"site-2", "site-3"} <= {failure.site for failure in run.errors()}
    wait_for(lambda: processes_of(run) == [])


def test_what_user_code_started_does_not_outlive_the_run(plain_shards: Path) -> None:
    run = reson.submit(
        Line, train=leaving.fl_train, name="leaving", shards_dir=plain_shards, check=False, federation=rounds(1)
    ).wait(60)
    left = [process for process in psutil.process_iter() if process.name() == "sleep" and "2997" in process.cmdline()]
    assert run.state == reson.RunState.FINISHED and left == []
    assert not list(Path(tempfile.gettempdir()).glob(f"reson-{run.id[-12:]}-*"))


def test_a_model_outlasts_a_store_that_is_away_when_the_run_ends(plain_shards: Path, tmp_path: Path) -> None:
    """The store's folder for results is a file while the run ends, so that nothing can be written into it."""
    store = tmp_path / "store"
    run = reson.submit(
        Line,
        train=fl_train,
        name="away",
        shards_dir=plain_shards,
        federation=rounds(2),
        store=store.absolute().as_uri(),
        check=False,
    )
    wait_for(lambda: run.state == reson.RunState.STARTING)
    obstacle = store / "jobs" / run.id / "model_out"
    obstacle.write_text("in the way")
    wait_for(lambda: run.state == reson.RunState.FINISHING)
    time.sleep(3)
    obstacle.unlink()
    assert run.wait(60).state == reson.RunState.FINISHED
    assert torch.allclose(run.model().state_dict()["weight"], torch.tensor([1.0, 2.0]) + 10 / 3, atol=1e-6)
