"""From a request and the session to a job: what is taken from where, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from nvflare.apis.executor import Executor

import reson_jupyter as reson
from reson_jupyter.cautions import Caution
from reson_jupyter.errors import CaptureError, ConfigError, JobError
from reson_jupyter.prepare import prepare
from reson_jupyter.request import Request
from reson_jupyter.session import Session
from tests.runs.conftest import write_image_shard
from tests.runs.models import Line, SmallNet, fl_train


def prepared(shards: Path | None = None, session: Session | None = None, **given: Any) -> Any:
    names = ("model", "training", "federation", "model_config", "executor", "persistor", "train", "requirements", "checkpoint")
    return prepare(Request(name="job", shards_dir=shards, **{**dict.fromkeys(names), **given}), session or Session())


THREE = reson.TrainingConfig(num_classes=3)


def executor_args(result: Any) -> dict[str, Any]:
    args: dict[str, Any] = result.job.config("config_fed_client.json")["executors"][0]["executor"]["args"]
    return args


class Bare(Executor):
    def __init__(self) -> None:
        super().__init__()

    def execute(self, *_: Any) -> Any:
        return None


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    write_image_shard(tmp_path / "a.zip", [0, 1, 2], seed=1)
    write_image_shard(tmp_path / "b.zip", [0, 1], seed=2)
    return tmp_path


def test_the_shards_give_the_number_of_classes_and_of_sites(shards: Path) -> None:
    result = prepared(shards, model=SmallNet)
    assert executor_args(result)["num_classes"] == 3
    assert executor_args(result)["model_args"] == {"num_classes": 3}
    assert result.job.config("meta.json")["min_clients"] == 2
    assert tuple(note for note in result.notes if "is a build for this machine" not in note) == (
        "model: SmallNet of models.py",
        "training: the default image classification",
        "shards: only site-1 has label 2",
        "num_classes is 3, the greatest label in the shards plus one",
        "min_clients was not set, so every round needs all 2 sites",
    )


def test_what_the_user_set_stays_and_is_not_noted(shards: Path) -> None:
    result = prepared(
        shards, model=SmallNet, training=reson.TrainingConfig(num_classes=7), federation=reson.FederationConfig(min_clients=1)
    )
    assert executor_args(result)["num_classes"] == 7
    assert result.job.config("meta.json")["min_clients"] == 1
    assert not [note for note in result.notes if "num_classes" in note or "min_clients" in note]


def test_too_few_classes_and_too_many_sites_are_refused(shards: Path) -> None:
    with pytest.raises(ConfigError, match=r"num_classes is 2, but a.zip has label 2"):
        prepared(shards, model=SmallNet, training=reson.TrainingConfig(num_classes=2))
    with pytest.raises(JobError, match="min_clients is 3, but there are 2 shards"):
        prepared(shards, model=SmallNet, federation=reson.FederationConfig(min_clients=3))


def test_an_object_that_is_passed_ships_without_its_files_other_parts() -> None:
    source = prepared(model=Line, train=fl_train).job.files["scripts/model_def.py"].decode()
    assert "class Line" in source and "def fl_train" in source and "def fl_validate" in source
    assert "SmallNet" not in source
    alone = prepared(model=SmallNet, training=THREE).job.files["scripts/model_def.py"].decode()
    assert "class SmallNet" in alone and "def fl_train" not in alone and "def rt_train_model" in alone


def test_a_class_that_every_site_can_import_is_named_and_not_shipped() -> None:
    config = reson.ModelConfig(model_class="tests.runs.models.SmallNet", model_args={"num_classes": 4})
    result = prepared(model_config=config)
    assert executor_args(result)["model_class"] == "tests.runs.models.SmallNet"
    assert "class SmallNet" not in result.job.files["scripts/model_def.py"].decode()
    assert result.model_class is SmallNet


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "there is no model"),
        ({"model": SmallNet(2)}, "pass the class SmallNet, not an instance"),
        ({"model": SmallNet, "executor": object()}, "the executor must be a class"),
        ({"model": SmallNet, "executor": SmallNet}, "cannot be the executor"),
        ({"model": SmallNet, "train": print}, "no train function"),
        ({"model": SmallNet, "model_config": reson.ModelConfig(model_class="Other")}, "model_class is 'Other'"),
        ({"model_config": reson.ModelConfig(model_class="nowhere.Net")}, "cannot be imported here"),
        ({"model_config": reson.ModelConfig(model_class="json.JSONDecoder")}, "no subclass of torch.nn.Module"),
        ({"model": reson.TrainingConfig}, "no subclass of torch.nn.Module"),
        ({"model": SmallNet}, "missing a required argument: 'num_classes'(.|\n)*Name the shards"),
        ({"model": Line, "model_config": reson.ModelConfig(model_args={"width": 4})}, "unexpected keyword argument 'width'"),
        (
            {"model": SmallNet, "model_config": reson.ModelConfig(model_args={"num_clases": 4})},
            r"Remove 'num_clases' from model_args, or did you mean 'num_classes'\?",
        ),
        ({"model": Line, "model_config": reson.ModelConfig(model_args={"width": 4})}, "Remove 'width' from model_args."),
        ({"model": Line, "executor": Bare}, r"gets every training field(.|\n)*kwargs"),
    ],
)
def test_what_cannot_be_used_is_refused_with_what_to_do(given: dict[str, Any], said: str) -> None:
    with pytest.raises(CaptureError, match=said):
        prepared(**given)


def test_a_class_of_a_library_is_not_extracted() -> None:
    from torch import nn

    with pytest.raises(CaptureError, match="Could not extract source of 'Linear'"):
        prepared(model=nn.Linear)


def test_the_requirements_are_those_of_what_ships_unless_the_user_gives_others(tmp_path: Path) -> None:
    lines = prepared(model=SmallNet, training=THREE).job.files["requirements/requirements.txt"].decode().splitlines()
    assert [line.split("==")[0].lower() for line in lines] == ["nvflare", "pillow", "torch"]
    own = tmp_path / "requirements.txt"
    own.write_text("torch\nmine==1\n")
    assert (
        prepared(model=SmallNet, training=THREE, requirements=own).job.files["requirements/requirements.txt"]
        == b"torch\nmine==1\n"
    )
    assert prepared(model=SmallNet, training=THREE, requirements=["x"]).job.files["requirements/requirements.txt"] == b"x\n"


def test_it_is_said_what_trains_and_what_nobody_reads() -> None:
    assert "training: fl_train of models.py" in prepared(model=Line, train=fl_train).notes
    notes = prepared(model=SmallNet, training=reson.TrainingConfig(num_classes=3, dropout=0.5)).notes
    assert any(note.startswith("nothing reads dropout") for note in notes if isinstance(note, Caution))
    with pytest.raises(ConfigError, match=r"training is a dict, not a TrainingConfig(.|\n)*reson.TrainingConfig\(\*\*"):
        prepared(model=Line, training={"batch_size": 3})
