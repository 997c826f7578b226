"""Runs on the platform, from `submit` to the model: the same cells as on this machine, on workers that are not."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch

import reson_jupyter as reson
from tests.patience import wait_for
from tests.runs import commanded, slow
from tests.runs.conftest import processes_of, rounds
from tests.runs.models import Line, SmallNet

from .app import Platform
from .looking import no_secret_is_told, the_job

pytestmark = pytest.mark.nvflare


@pytest.fixture(autouse=True)
def workers_that_train(customer: Platform) -> None:
    customer.trains = True


def test_a_model_alone_is_trained_by_the_platforms_workers_and_comes_back(customer: Platform, image_shards: Path) -> None:
    training = reson.TrainingConfig(img_size=12, local_epochs=4, learning_rate=0.02, batch_size=8)
    run = reson.submit(
        SmallNet, name="Colours", shards_dir=image_shards, target="reson", training=training, federation=rounds(3)
    ).wait(150)
    assert run.state == reson.RunState.FINISHED and run.errors() == [], run.reason
    accuracy = [m["value"] for m in run.metrics if m["name"] == "train_accuracy" and m["site"] is None]
    assert len(accuracy) == 3 and accuracy[-1] > 0.8
    assert run.model().layers[-1].out_features == 3  # type: ignore[union-attr, operator]

    job = the_job(customer)
    assert (job.state, job.workers, job.num_rounds) == ("FINISHED", 2, 3)
    assert (job.task.gpuModels, job.task.maxPricePerGpuHourCents) == (["rtx_4090", "rtx_3060"], 250)
    assert job.task.prefix == f"jobs/{run.id}"
    files = set(customer.bucket.keys(f"jobs/{run.id}/"))
    scripts = {f"scripts/{name}.py" for name in ("model_def", "custom_client_executor", "custom_persistor")}
    configs = {f"configs/{name}.json" for name in ("config_fed_client", "config_fed_server", "meta")}
    assert files >= scripts | configs | {"requirements/requirements.txt", "shards/shard_0.zip", "shards/shard_1.zip"}
    assert "model_out/GLOBAL_MODEL.pt" in files and "files_out/training_log.txt" in files
    # What was sent once is never sent again, whoever asks for it.
    assert customer.uploads.unfinished == []
    assert customer.asked_of("POST /api/users/storage/upload/init") == 2
    reson.submit(SmallNet, name="Again", shards_dir=image_shards, target="reson", federation=rounds(1)).abort()
    assert customer.asked_of("POST /api/users/storage/upload/init") == 2
    no_secret_is_told(customer, run)


def test_a_run_goes_on_without_its_kernel_and_obeys_another_one(customer: Platform, shards: Path, tmp_path: Path) -> None:
    submit = """
        import sys
        import reson_jupyter as reson
        from tests.runs import commanded
        run = reson.submit(
            commanded.Counter, train=commanded.fl_train, commands={"go_on": commanded.go_on}, name="counter",
            shards_dir=sys.argv[1], target="reson", check=False, federation=reson.FederationConfig(num_rounds=2),
        )
        print(run.id)
    """
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    command = [sys.executable, "-c", textwrap.dedent(submit), str(shards)]
    told = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=True)

    run = reson.attach(told.stdout.split()[-1])
    wait_for(lambda: run.state.done or all(site.phase == "training" for site in run.progress.sites.values()))
    assert run.state == reson.RunState.RUNNING, run.reason
    assert the_job(customer).state == "RUNNING" and not [m for m in run.metrics if m["name"] == "loss"]
    answers = run.command("go_on", {"rounds": 1})
    assert {site: answer.value for site, answer in answers.items()} == {"site-1": 1, "site-2": 1}
    wait_for(lambda: run.state.done or any(m["name"] == "loss" for m in run.metrics))
    assert the_job(customer).state == "RUNNING", "the first metric is there before the run ends"
    wait_for(lambda: run.progress.rounds.get(1) is not None)
    wait_for(lambda: all(site.phase == "training" for site in run.progress.sites.values()))
    run.command("go_on", {"rounds": 2})
    run.wait(90)
    assert run.state == reson.RunState.FINISHED, run.reason
    assert run.model().state_dict()["rounds"].item() == 2
    assert run.best("loss").round == 1
    wait_for(lambda: processes_of(run) == [], 10)
    no_secret_is_told(customer, run, told.stdout, told.stderr)


@pytest.mark.parametrize("can_cancel", [False, True], ids=["by its own link", "by the platform"])
def test_abort_ends_the_training(customer: Platform, shards: Path, can_cancel: bool) -> None:
    if can_cancel:
        customer.hidden.discard("POST /api/tasks/{id}/cancel")
    run = reson.submit(Line, train=slow.fl_train_model, name="slow", shards_dir=shards, target="reson", check=False)
    wait_for(lambda: run.state.done or any(m["name"] == "asleep" for m in run.metrics))
    run.abort()
    with pytest.raises(reson.RunFailed, match="Stopped on request after 0 rounds of 5"):
        run.wait(60)
    assert run.state == reson.RunState.ABORTED
    wait_for(lambda: the_job(customer).state in ("FINISHED", "FAILED", "CANCELLED"), 30)
    wait_for(lambda: processes_of(run) == [], 10)


def test_a_checkpoint_is_where_the_training_starts(customer: Platform, shards: Path, tmp_path: Path) -> None:
    torch.save({"rounds": torch.tensor([40.0])}, tmp_path / "start.pt")
    commanded_at_once = {"go_on": commanded.go_on}
    run = reson.submit(
        commanded.Counter, train=commanded.fl_train, commands=commanded_at_once, name="warm", shards_dir=shards, target="reson",
        check=False, federation=rounds(1), checkpoint=tmp_path / "start.pt",
    )  # fmt: skip
    wait_for(lambda: run.state.done or all(site.phase == "training" for site in run.progress.sites.values()))
    run.command("go_on", {"rounds": 1})
    run.wait(60)
    assert run.model().state_dict()["rounds"].item() == 41
    assert the_job(customer).task.modelFolderPath == f"/jobs/{run.id}/model"
