"""A run's model is tried on shards, folders and images, read as on the sites, by the code that was shipped."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import reson_jupyter as reson
from reson_jupyter.backend.run.evaluate import Evaluation, evaluate
from reson_jupyter.backend.store import Store
from reson_jupyter.data.shards import unpack_shard
from reson_jupyter.errors import RunError, ShardError
from reson_jupyter.worker import adapter
from tests.runs import models
from tests.runs.conftest import COLOURS, write_image_shard
from tests.runs.models import Line, SmallNet

from .finished_runs import THREE, ByColour, coloured, stored


def fl_train_model(payload):  # type: ignore[no-untyped-def]
    return {"weights": payload["initial_weights"], "samples": 1}


def fl_validate_model(payload, logger):  # type: ignore[no-untyped-def]
    with open(os.path.join(payload["dataset"]["data_root"], "number.txt")) as file:
        logger.log_metric("number", int(file.read()))
    logger("read %s", "number.txt")
    return {"scale": payload["initial_weights"]["scale"], "round": payload["env"]["CURRENT_ROUND"], "samples": 5, "note": "text"}


def folder_of(path: Path, images: dict[str, Image.Image]) -> Path:
    for name, image in images.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        image.save(path / name)
    return path


# Data


def test_a_shard_is_measured_on_all_its_samples_as_a_site_measures_them(store: Store, tmp_path: Path) -> None:
    torch.manual_seed(3)
    run, shard = stored(store, model := SmallNet(3), training=THREE), tmp_path / "a.zip"
    write_image_shard(shard, [0, 1, 2, 2, 1, 0, 1, 1, 2, 0, 0, 2, 1], seed=1)
    found = evaluate(store, run, str(shard))
    unpack_shard(shard, tmp_path / "data")
    env = {"DATA_ROOT": str(tmp_path / "data"), "manifest_file": "manifest.ndjson", "DEVICE": "cpu", **THREE.model_dump()}

    class Quiet:
        def check_task_abort(self) -> None: ...

    theirs = adapter._rt_load_shard(env)
    with torch.no_grad():
        expected = adapter._rt_pass(model.eval(), theirs, list(range(13)), env, Quiet(), "val")
    assert found.samples == 13 and found.metrics == pytest.approx(expected)
    assert [one.name for one in found.predictions] == [name for name, _, _ in theirs.samples]
    assert [one.truth for one in found.predictions] == [tuple(labels) for _, _, labels in theirs.samples]
    assert np.mean([one.right for one in found.predictions]) == pytest.approx(found.metrics["val_accuracy"])
    assert evaluate(store, run, tmp_path / "data") == found


def test_a_folder_of_images_gets_predictions_only(store: Store, tmp_path: Path) -> None:
    images = {"red.png": coloured(0), "green.jpg": coloured(1), "blue.jpeg": coloured(2)}
    folder = folder_of(tmp_path / "images", images)
    (folder / ".hidden.png").write_text("no image")
    (folder / "notes.txt").write_text("no image")
    found = evaluate(store, stored(store, ByColour(), training=THREE), folder)
    assert found.metrics == {} and found.samples == 3
    assert {one.name: one.label for one in found.predictions} == {"red.png": 0, "green.jpg": 1, "blue.jpeg": 2}
    assert all(one.right is None and one.probability == pytest.approx(one.probabilities.max()) for one in found.predictions)
    assert all(one.probabilities.sum() == pytest.approx(1) for one in found.predictions)


@pytest.mark.parametrize(
    ("folders", "accuracy", "classes"),
    [
        ({"0": 0, "2": 2}, 1.0, ()),
        ({"0": 0, "1": 2}, 0.5, ()),
        ({"apple": 0, "leaf": 1, "sky": 2}, 1.0, ("apple", "leaf", "sky")),
    ],
)
def test_class_folders_give_the_labels(
    store: Store, tmp_path: Path, folders: dict[str, int], accuracy: float, classes: tuple[str, ...]
) -> None:
    folder = folder_of(tmp_path / "images", {f"{name}/a.png": coloured(label) for name, label in folders.items()})
    found = evaluate(store, stored(store, ByColour(), training=THREE), folder)
    assert found.metrics["val_accuracy"] == accuracy and found.classes == classes


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "CMYK", "I;16"])
def test_images_in_memory_are_read_as_files_are(store: Store, tmp_path: Path, mode: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (9, 14, 3), "uint8")
    image = Image.fromarray(noise).convert("L" if mode == "I;16" else mode)
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image).astype("uint16") * 257)
    path = tmp_path / "a.png"
    (image.convert("RGB") if mode == "CMYK" else image).save(path)
    run = stored(store, SmallNet(3), training=THREE)
    in_memory, in_file = evaluate(store, run, [image]), evaluate(store, run, [path])
    assert np.array_equal(in_memory.predictions[0].probabilities, in_file.predictions[0].probabilities)
    assert in_memory.predictions[0].name == "image 1"


def test_an_image_that_was_turned_by_its_camera_stays_so(store: Store) -> None:
    top_red = Image.new("RGB", (20, 20), COLOURS[2])
    top_red.paste(COLOURS[0], (0, 0, 20, 10))
    top_red.getexif()[0x0112] = 3
    run = stored(store, SmallNet(3), training=THREE)
    turned, plain = evaluate(store, run, [top_red]), evaluate(store, run, [top_red.transpose(Image.Transpose.ROTATE_180)])
    assert np.array_equal(turned.predictions[0].probabilities, plain.predictions[0].probabilities)


def test_a_model_of_several_labels_says_every_class_that_is_more_probable_than_not(store: Store, tmp_path: Path) -> None:
    training = THREE.replace(multi_label=True)
    run = stored(store, ByColour(), training=training)
    white, black = Image.new("RGB", (5, 5), "white"), Image.new("RGB", (5, 5), "black")
    assert [one.labels for one in evaluate(store, run, [white, black]).predictions] == [(0, 1, 2), ()]
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name, image in (("w", white), ("b", black)):
            image.save(file := io.BytesIO(), "PNG")
            archive.writestr(f"{name}.png", file.getvalue())
        archive.writestr("manifest.ndjson", '{"id": "w", "uri": "w.png", "y": [2, 0]}\n{"id": "b", "uri": "b.png", "y": []}\n')
    found = evaluate(store, run, tmp_path / "a.zip")
    assert found.metrics["val_accuracy"] == pytest.approx(5 / 6)
    assert [one.right for one in found.predictions] == [False, True]


# The user's own functions


def test_a_shard_is_given_to_the_validate_function_that_was_shipped(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    federation = reson.FederationConfig(num_rounds=7)
    run = stored(store, ByColour(), train=fl_train_model, federation=federation, rounds=2)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("number.txt", "42")
    assert evaluate(store, run, tmp_path / "a.zip") == Evaluation(5, {"number": 42.0, "scale": 4.0, "round": 7.0})
    assert capsys.readouterr().out == "read number.txt\n"
    # What a round made is validated at the beginning of the next one.
    assert evaluate(store, run, tmp_path / "a.zip", round=1).metrics == {"number": 42.0, "scale": 2.0, "round": 2.0}


def test_a_validate_function_gets_the_model_and_what_a_site_gives_it(store: Store, tmp_path: Path) -> None:
    run = stored(store, Line(), train=models.fl_train)
    (tmp_path / "shard").mkdir()
    (tmp_path / "shard" / "number.txt").write_text("3")
    found = evaluate(store, run, tmp_path / "shard")
    assert found.metrics and found.predictions == ()


def test_what_the_users_function_raises_keeps_its_traceback(store: Store, tmp_path: Path) -> None:
    run = stored(store, ByColour(), train=fl_train_model)
    (tmp_path / "data.csv").write_text("x")
    with pytest.raises(FileNotFoundError) as caught:
        evaluate(store, run, tmp_path)
    lines = [str(entry.statement) for entry in caught.traceback]
    assert any('open(os.path.join(payload["dataset"]["data_root"]' in line for line in lines)


def test_images_of_a_run_with_its_own_training_get_predictions(store: Store, tmp_path: Path) -> None:
    run = stored(store, ByColour(), train=fl_train_model, training=THREE)
    assert [one.label for one in evaluate(store, run, [coloured(1), coloured(0)]).predictions] == [1, 0]
    assert [one.label for one in evaluate(store, run, folder_of(tmp_path / "i", {"a.png": coloured(2)})).predictions] == [2]


# Refusals


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda folder: folder / "absent.zip", "there is no file or folder"),
        (lambda folder: [folder / "absent.png"], "there is no image"),
        (lambda folder: [], "there is no image to evaluate"),
        (lambda folder: [3], "a int is no image(.|\n)*PIL.Image.fromarray"),
        (lambda folder: 3, "a int is no image"),
        (lambda folder: np.zeros((1, 2, 2, 3), "uint8"), r"a ndarray is no image(.|\n)*PIL.Image.fromarray"),
        (lambda folder: folder, "there is no JPEG or PNG in"),
        (lambda folder: [folder / "broken.txt"], "broken.txt is no usable image"),
        (lambda folder: folder / "broken.zip", "broken.zip cannot be used: 1 problem\n  - broken.zip is not a zip file"),
        (lambda folder: folder / "bare.zip", r"it has no manifest.ndjson at its root\n  A run with an fl_validate of its own"),
        (lambda folder: folder / "shards", "there is no JPEG or PNG in .*\n  Pass one shard of it, such as .*a.zip"),
        (lambda folder: folder / "bad", r"manifest.ndjson cannot be used: 1 problem\n  - line 1: "),
        (lambda folder: folder / "gone", "gone is no usable image: .*No such file"),
    ],
)
def test_data_that_cannot_be_used_is_refused_with_what_to_pass(store: Store, tmp_path: Path, made: Any, said: str) -> None:
    data = tmp_path / "data"
    for name, text in {"broken.txt": "x", "broken.zip": "x", "shards/a.zip": "x", "bad/manifest.ndjson": "{}"}.items():
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_text(text)
    (data / "gone").mkdir()
    (data / "gone" / "manifest.ndjson").write_text('{"id": "gone", "uri": "a.png", "y": 0}\n')
    with zipfile.ZipFile(data / "bare.zip", "w") as archive:
        archive.writestr("x.txt", "x")
    with pytest.raises(ShardError, match=said):
        evaluate(store, stored(store, ByColour(), training=THREE), made(data))


def test_a_model_that_cannot_take_the_images_is_told_of(store: Store, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="the model cannot be tried on these images"):
        evaluate(store, stored(store, Line(), train=models.fl_train), [coloured(0)])
    folder = folder_of(tmp_path / "i", {"7/a.png": coloured(2)})
    with pytest.raises(RunError, match="has the label 7, but the model returns 3 logits"):
        evaluate(store, stored(store, ByColour(), training=THREE), folder)


# What is shown


def test_what_the_model_got_wrong_is_shown_the_surest_first(store: Store, tmp_path: Path) -> None:
    images = {"apple/a.png": coloured(0), "sky<b>/dark.png": Image.new("RGB", (4, 4), (90, 0, 0)), "sky<b>/red.png": coloured(0)}
    found = evaluate(store, stored(store, ByColour(), training=THREE), folder_of(tmp_path / "i", images))
    head, caption, names, first, second = repr(found).splitlines()
    assert head.startswith("Evaluation: 3 samples, val_loss ") and head.endswith("val_accuracy 0.3333")
    assert caption == "  2 of 3 wrong, the surest first"
    assert names.split() == ["sample", "the", "model", "says", "probability", "it", "is"]
    assert [line.split()[0] for line in (first, second)] == ["sky<b>/red.png", "sky<b>/dark.png"]
    assert first.split()[1:3] + first.split()[4:] == ["0", "apple", "1", "sky<b>"]
    html = found._repr_html_()
    assert "sky&lt;b&gt;" in html and "sky<b>" not in html


def test_a_model_that_is_always_right_needs_no_table(store: Store, tmp_path: Path) -> None:
    found = evaluate(store, stored(store, ByColour(), training=THREE), folder_of(tmp_path / "i", {"1/a.png": coloured(1)}))
    assert repr(found).splitlines()[1:] == ["  0 of 1 wrong"]
    assert "0 of 1 wrong" in found._repr_html_() and "<tr>" not in found._repr_html_()
    own = Evaluation(None, {"f1": 0.5})
    assert repr(own) == "Evaluation: f1 0.5" and "<b>Evaluation: f1 0.5</b>" in own._repr_html_()
    assert repr(Evaluation(None, {})) == "Evaluation: nothing was measured"


def test_a_long_list_is_cut(store: Store) -> None:
    found = evaluate(store, stored(store, ByColour(), training=THREE), [coloured(1)] * 25)
    assert len(repr(found).splitlines()) == 13 and repr(found).splitlines()[1] == "  the first 10 are shown"
    assert found._repr_html_().count("<tr>") == 11
