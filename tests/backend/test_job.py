"""The same parts always give the same files, in the platform's schema."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reson_jupyter.backend.job import JobParts, UserModule, build_job
from reson_jupyter.config import FederationConfig, TrainingConfig
from reson_jupyter.errors import JobError

MODEL = "import torch.nn as nn\n\n\nclass Net(nn.Module):\n    pass\n"


def parts(**changes: object) -> JobParts:
    return JobParts(**{"name": "digits", "model_path": "model_def.Net", "model_source": MODEL, **changes})  # type: ignore[arg-type]


def executor_args(job_parts: JobParts) -> dict[str, object]:
    config = build_job(job_parts).config("config_fed_client.json")
    args: dict[str, object] = config["executors"][0]["executor"]["args"]
    return args


def test_a_job_has_the_platforms_files_and_no_others() -> None:
    assert sorted(build_job(parts()).files) == [
        "configs/config_fed_client.json",
        "configs/config_fed_server.json",
        "configs/meta.json",
        "requirements/requirements.txt",
        "scripts/custom_client_executor.py",
        "scripts/custom_persistor.py",
        "scripts/model_def.py",
    ]


def test_the_same_parts_give_the_same_bytes_and_other_parts_another_digest() -> None:
    assert build_job(parts()).files == build_job(parts()).files
    assert build_job(parts()).digest == build_job(parts()).digest
    assert build_job(parts(training=TrainingConfig(batch_size=8))).digest != build_job(parts()).digest


def test_the_executor_gets_every_training_field_and_every_extra_key() -> None:
    args = executor_args(parts(training=TrainingConfig(num_classes=10, dropout=0.1)))
    assert args["data_root"] == "/app/payload"
    assert args["model_class"] == "Net"
    expected = {"num_classes": 10, "local_epochs": 2, "batch_size": 32, "learning_rate": 0.001, "img_size": 224, "dropout": 0.1}
    assert expected.items() <= args.items()


def test_only_a_model_means_that_the_adapter_trains_it() -> None:
    assert executor_args(parts())["train_fn"] == "rt_train_model"
    assert b"def rt_train_model" in build_job(parts()).files["scripts/model_def.py"]


def test_the_users_train_function_takes_the_adapters_place() -> None:
    own = parts(train_fn="fl_train", validate_fn="fl_validate")
    assert (executor_args(own)["train_fn"], executor_args(own)["validate_fn"]) == ("fl_train", "fl_validate")
    assert build_job(own).files["scripts/model_def.py"] == MODEL.encode()


def test_a_custom_executor_and_persistor_go_into_the_paths_and_what_reports_and_controls_stays() -> None:
    job = build_job(parts(executor=UserModule("class Mine: ...\n", "Mine"), persistor=UserModule("class Keep: ...\n", "Keep")))
    client, server = job.config("config_fed_client.json"), job.config("config_fed_server.json")
    assert client["executors"][0]["executor"]["path"] == "custom_client_executor.Mine"
    assert server["components"][0]["path"] == "custom_persistor.Keep"
    scripts = {name: job.files[f"scripts/{name}.py"].decode() for name in ("custom_client_executor", "custom_persistor")}
    assert scripts["custom_client_executor"].startswith("class Mine: ...\n")
    assert scripts["custom_persistor"].startswith("class Keep: ...\n")
    for component in [*client["components"], *server["components"], *server["workflows"][1:]]:
        script, _, name = component["path"].rpartition(".")
        assert script not in scripts or f"class {name}" in scripts[script]


def test_num_classes_reaches_a_constructor_that_takes_it() -> None:
    ten = TrainingConfig(num_classes=10)
    assert executor_args(parts(training=ten, accepts_num_classes=True))["model_args"] == {"num_classes": 10}
    assert executor_args(parts(training=ten))["model_args"] == {}
    assert executor_args(parts(accepts_num_classes=True))["model_args"] == {}


def test_two_different_class_counts_are_refused() -> None:
    with pytest.raises(JobError, match="num_classes=3 but the training config says 10"):
        build_job(parts(training=TrainingConfig(num_classes=10), accepts_num_classes=True, model_args={"num_classes": 3}))


def test_the_jobs_name_is_the_runs_unless_the_user_set_another() -> None:
    assert build_job(parts()).config("meta.json")["name"] == "digits"
    assert build_job(parts(federation=FederationConfig(job_name=""))).config("meta.json")["name"] == "digits"
    assert build_job(parts(federation=FederationConfig(job_name="mine"))).config("meta.json")["name"] == "mine"


def test_save_writes_the_folder_that_nvflare_takes(tmp_path: Path) -> None:
    weights = tmp_path / "start.pt"
    weights.write_bytes(b"weights")
    folder = build_job(parts(checkpoint=weights)).save(tmp_path / "job")
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()) == [
        "app/config/config_fed_client.json",
        "app/config/config_fed_server.json",
        "app/custom/custom_client_executor.py",
        "app/custom/custom_persistor.py",
        "app/custom/model_def.py",
        "app/custom/start.pt",
        "meta.json",
    ]
    server = json.loads((folder / "app/config/config_fed_server.json").read_text())
    assert server["components"][0]["args"]["source_ckpt_file_full_name"] == "start.pt"


def test_a_folder_with_other_files_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    job, folder = build_job(parts(local_modules={"mine/blocks.py": "x = 1\n"})), tmp_path / "job"
    assert job.save(folder) == job.save(folder) == folder
    for number in range(5):
        (folder / f"note {number}\n.txt").write_text("mine")
    with pytest.raises(JobError, match=r"has other files, note 0\\n.txt, note 1\\n.txt, note 2\\n.txt and 2 more"):
        job.save(folder)
    without = build_job(parts())
    with pytest.raises(JobError, match=r"app/custom/mine/blocks\.py, note 0"):
        without.save(folder)
    assert (folder / "app" / "custom" / "mine" / "blocks.py").exists()


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(JobError, match="is a file"):
        build_job(parts()).save(tmp_path / "file")
    with pytest.raises(JobError, match=r"cannot be written to .*: Not a directory"):
        build_job(parts()).save(tmp_path / "file" / "below")
    with pytest.raises(JobError, match="No such file"):
        build_job(parts(checkpoint=tmp_path / "nowhere.pt")).save(tmp_path / "job")
    assert (tmp_path / "file").read_text() == "mine"
