"""The adapter trains and validates a model on a shard of images."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from reson_jupyter.worker import ADAPTER, adapter, source
from reson_jupyter.worker import shard as shard_module

from .images import Net, Quiet, Strange, entries_of, failure, make_noisy


def test_it_learns_colours_and_validates_on_what_it_never_trained_on(shard: Any, tmp_path: Path) -> None:
    env, model, logger = shard(entries_of(tmp_path, 60), local_epochs=12, learning_rate=0.1, batch_size=16), Net(), Quiet()
    before = adapter.rt_validate_model(model, env, "", logger)
    result = adapter.rt_train_model(model, env, "", logger)
    after = adapter.rt_validate_model(model, env, "", logger)
    assert after["val_accuracy"] == 1.0
    assert after["val_loss"] < before["val_loss"]
    assert set(result) == {"weights", "samples", "train_loss", "train_accuracy"}
    parts = next(iter(shard_module._rt_shards.values()))
    assert result["samples"] == len(parts.train) == 60 - len(parts.held_out)
    assert 0 < len(parts.held_out) < 20
    assert [step for _, step in logger.metrics] == list(range(12))
    assert logger.metrics[-1][0] == {"train_loss": result["train_loss"], "train_accuracy": result["train_accuracy"]}


def test_the_same_site_and_round_train_alike_and_others_differ(shard: Any, tmp_path: Path) -> None:
    entries = entries_of(tmp_path, 20)

    def train(**env: Any) -> torch.Tensor:
        model = Net()
        torch.seed()  # whatever random state there is
        return adapter.rt_train_model(model, shard(entries, **env), "", Quiet())["weights"]["head.weight"]

    assert torch.equal(train(), train())
    assert not torch.equal(train(), train(CURRENT_ROUND=1))
    assert not torch.equal(train(), train(SITE_NAME="site-2"))


def test_steps_go_on_over_the_rounds(shard: Any, tmp_path: Path) -> None:
    logger = Quiet()
    adapter.rt_train_model(Net(), shard(entries_of(tmp_path, 6), local_epochs=3, CURRENT_ROUND=2), "", logger)
    assert [step for _, step in logger.metrics] == [6, 7, 8]


def test_validation_leaves_the_batchnorm_statistics_alone(shard: Any, tmp_path: Path) -> None:
    model = Net()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    adapter.rt_validate_model(model, shard(entries_of(tmp_path, 30)), "", Quiet())
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


def test_a_last_batch_of_one_does_not_stop_batchnorm(shard: Any, tmp_path: Path) -> None:
    entries = entries_of(tmp_path, 9)
    while len(shard_module._rt_split([entry["id"] for entry in entries])[0]) % 4 != 1:
        entries.pop()
    assert len(entries) > 4
    assert adapter.rt_train_model(Net(), shard(entries), "", Quiet())["samples"] == 5


def test_batches_have_the_size_asked_for_but_never_one_left_over() -> None:
    assert [len(batch) for batch in adapter._rt_batches(list(range(9)), 4)] == [4, 5]
    assert [len(batch) for batch in adapter._rt_batches(list(range(10)), 4)] == [4, 4, 2]
    assert [len(batch) for batch in adapter._rt_batches(list(range(3)), 1)] == [1, 1, 1]
    assert [len(batch) for batch in adapter._rt_batches([7], 4)] == [1]


def test_several_labels_train_with_binary_cross_entropy(shard: Any, tmp_path: Path) -> None:
    many: dict[int, list[int]] = {0: [0], 1: [1, 2], 2: []}
    env = shard(entries_of(tmp_path, 60, lambda number: many[number % 3]), local_epochs=20, learning_rate=0.1, batch_size=16)
    model = Net()
    adapter.rt_train_model(model, env, "", Quiet())
    assert adapter.rt_validate_model(model, env, "", Quiet())["val_accuracy"] == 1.0


def test_a_site_with_single_labels_can_be_told_that_others_have_several(shard: Any, tmp_path: Path) -> None:
    entries = entries_of(tmp_path, 9)
    single = adapter.rt_validate_model(Net(), shard(entries), "", Quiet())
    several = adapter.rt_validate_model(Net(), shard(entries, multi_label=True), "", Quiet())
    assert single["val_loss"] != several["val_loss"]


def test_a_label_may_be_a_plain_number(shard: Any, tmp_path: Path) -> None:
    env = shard(entries_of(tmp_path, 6, lambda number: number % 3))
    assert adapter.rt_train_model(Net(), env, "", Quiet())["samples"] > 0


def test_a_site_with_one_sample_trains_on_it_and_validates_nothing(shard: Any, tmp_path: Path) -> None:
    env = shard(entries_of(tmp_path, 1))
    assert adapter.rt_validate_model(Net(), env, "", Quiet()) == {}
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 8 * 8, 2))
    assert adapter.rt_train_model(model, env, "", Quiet())["samples"] == 1


def test_the_split_is_stable_and_about_a_tenth() -> None:
    names = [f"sample-{number}" for number in range(2000)]
    train, held_out = shard_module._rt_split(names)
    assert sorted(train + held_out) == list(range(2000))
    assert 150 < len(held_out) < 250
    kept = {names[row] for row in held_out}
    shuffled = [*names[::-1], "one more"]
    assert kept <= {shuffled[row] for row in shard_module._rt_split(shuffled)[1]}


@pytest.mark.parametrize("count", [2, 3, 10])
def test_both_parts_have_a_sample_as_soon_as_there_are_two(count: int) -> None:
    for start in range(30):
        train, held_out = shard_module._rt_split([f"{start}-{number}" for number in range(count)])
        assert train
        assert held_out


def test_training_stops_between_batches(shard: Any, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        adapter.rt_train_model(Net(), shard(entries_of(tmp_path, 30), local_epochs=100), "", Quiet(checks=3))


def test_every_image_is_decoded_once_for_all_rounds(shard: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = []
    genuine = shard_module._rt_decode
    monkeypatch.setattr(shard_module, "_rt_decode", lambda path, *options: decoded.append(path) or genuine(path, *options))
    env = shard(entries_of(tmp_path, 12))
    for round_ in range(3):
        adapter.rt_validate_model(Net(), env | {"CURRENT_ROUND": round_}, "", Quiet())
        adapter.rt_train_model(Net(), env | {"CURRENT_ROUND": round_}, "", Quiet())
    assert len(decoded) == len(set(decoded)) == 12


@pytest.mark.parametrize("augment", [False, True])
def test_a_shard_trains_to_the_very_same_weights_with_a_cache_without_one_and_with_one_that_was_there(
    shard: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, augment: bool
) -> None:
    env = shard(entries_of(tmp_path, 30), local_epochs=2, STATE_DIR=str(tmp_path / "state"), augment=augment, img_size=32)
    make_noisy(tmp_path)
    (tmp_path.parent / f"{tmp_path.name}.sha256").write_text("0f" * 32)

    def train(line: str, allowed: int) -> dict[str, torch.Tensor]:
        monkeypatch.setenv("RESON_CACHE_BYTES", str(allowed))
        shard_module._rt_shards.clear()
        logger = Quiet()
        weights = adapter.rt_train_model(Net(), env, "", logger)["weights"]
        adapter.rt_validate_model(Net(), env, "", logger)
        assert [text for text in logger.lines if line in text] == logger.lines != []
        return weights

    trained = [train("image cache: none", 0), train("written", 10**6), train("reused", 10**6)]
    assert all(torch.equal(trained[0][key], other[key]) for other in trained[1:] for key in trained[0])


def test_a_changed_manifest_is_read_again(shard: Any, tmp_path: Path) -> None:
    entries = entries_of(tmp_path, 30)
    assert adapter.rt_train_model(Net(), shard(entries[:12]), "", Quiet())["samples"] < 12
    assert adapter.rt_train_model(Net(), shard(entries), "", Quiet())["samples"] > 12


# Models that do not fit


def test_a_label_beyond_the_models_outputs_names_sample_and_label(shard: Any, tmp_path: Path) -> None:
    entries = entries_of(tmp_path, 6, lambda number: [7 if number == 3 else 0])
    assert "sample 's3' has the label 7, but the model returns 3 logits (0 to 2)" in failure(shard(entries), Net())


def test_a_model_with_fewer_outputs_than_classes_is_named(shard: Any, tmp_path: Path) -> None:
    env = shard(entries_of(tmp_path, 6, lambda number: [0]), num_classes=10)
    assert failure(env, Net()) == "the model returns 3 logits, but num_classes is 10"


def test_a_model_for_other_images_is_told_what_it_got(shard: Any, tmp_path: Path) -> None:
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 3))
    message = failure(shard(entries_of(tmp_path, 8)), model)
    assert "images of the shape (4, 3, 8, 8), which is (B, 3, img_size, img_size)" in message


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda x: {"logits": x}, "it returned type dict"),
        (lambda x: x, "it returned shape (4, 3, 8, 8)"),
        (lambda x: x.mean((1, 2, 3)), "it returned shape (4,)"),
        (lambda x: x[:1].flatten(1), "it returned shape (1, 192)"),
    ],
)
def test_a_model_that_returns_no_logits_is_told_what_to_return(shard: Any, tmp_path: Path, make: Any, message: str) -> None:
    text = failure(shard(entries_of(tmp_path, 8)), Strange(make))
    assert "the model must return logits of the shape (B, classes)" in text
    assert message in text


# Below a user's module


def test_it_works_below_a_module_that_replaces_builtins_and_disturbs_nothing_there(shard: Any, tmp_path: Path) -> None:
    above = "from numpy import *\nfrom torch import *\nimport torch as np\njson = os = Image = warnings = 'mine'\n"
    module = ModuleType("model_def")
    exec(above, module.__dict__)
    before = dict(module.__dict__)
    exec("\n\n".join([above, *map(source, ADAPTER)]), module.__dict__)
    changed = {name for name, value in module.__dict__.items() if before.get(name) is not value and not name.startswith("_rt_")}
    assert changed <= {"rt_train_model", "rt_validate_model", "__doc__", "__annotations__"}
    env = shard(entries_of(tmp_path, 9, lambda number: [number % 3, 0]))
    assert module.rt_train_model(Net(), env, "", Quiet())["samples"] > 0
    assert set(module.rt_validate_model(Net(), env, "", Quiet())) == {"val_loss", "val_accuracy"}
