"""Shards through real runs: made of a folder, sent once, decoded once."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
import torch
from PIL import Image

import reson_jupyter as reson
from reson_jupyter.data.digests import sha256_of
from tests.runs.conftest import COLOURS, rounds
from tests.runs.models import SmallNet

pytestmark = [pytest.mark.nvflare, pytest.mark.usefixtures("home")]

TRAINING = {"img_size": 12, "local_epochs": 2, "learning_rate": 0.02, "batch_size": 8}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of class folders: 30 images, whose colour tells the class, darker on one side."""
    for label, colour in enumerate(COLOURS):
        folder = tmp_path / "photos" / ("red", "green", "blue")[label]
        folder.mkdir(parents=True)
        for number in range(10):
            image = Image.linear_gradient("L").rotate(90).resize((16, 16)).convert("RGB")
            Image.blend(image, Image.new("RGB", (16, 16), colour), 0.5 + number / 20).save(folder / f"{number}.png")
    return tmp_path / "photos"


def submit(shards: Path, **training: object) -> reson.Run:
    """Trains two rounds to the end."""
    config = reson.TrainingConfig(**{**TRAINING, **training})
    run = reson.submit(SmallNet, name="photos", shards_dir=shards, check=False, training=config, federation=rounds(2))
    return run.wait(120)


def logged(run: reson.Run) -> list[str]:
    """What was said in the run's log."""
    return [str(event.data.get("message", "")) for event in run.events()]


def cache_lines(run: reson.Run) -> list[str]:
    """What the sites said of their image cache."""
    return [line for line in logged(run) if line.startswith("image cache: ")]


def weights(run: reson.Run) -> dict[str, torch.Tensor]:
    """The final weights."""
    return run.model().state_dict()


def test_a_folder_becomes_shards_that_train_and_a_test_set_that_no_site_has(photos: Path, tmp_path: Path) -> None:
    shards = tmp_path / "shards"
    report = reson.make_shards(photos, shards, sites=2, test=0.2, seed=1, progress=False)
    assert [shard.name for shard in report.shards] == ["shard_0.zip", "shard_1.zip"]
    assert report.samples == 24 and report.label_counts == {0: 8, 1: 8, 2: 8}
    run = submit(shards)
    assert run.state == reson.RunState.FINISHED
    tried = run.evaluate(shards / "test" / "test.zip")
    assert tried.samples == 6 and set(tried.metrics) == {"val_loss", "val_accuracy"}


def test_shards_are_sent_once_and_images_decoded_once_for_all_runs(photos: Path, tmp_path: Path, home: Path) -> None:
    shards = tmp_path / "shards"
    reson.make_shards(photos, shards, sites=2, seed=1, progress=False)
    first = submit(shards)
    assert not any("in the store already" in line for line in logged(first))
    assert len(cache_lines(first)) == 2 and not any("reused" in line for line in cache_lines(first))
    cached = {path.name: path.stat().st_ino for path in (home / "cache" / "images").iterdir()}
    assert {name[:64] for name in cached} == {sha256_of(path) for path in shards.glob("*.zip")}

    again = submit(shards)
    assert again.progress.sending.startswith("all 2 shards are in the store already"), "the view says so"
    assert len(cache_lines(again)) == 2 and all("reused" in line for line in cache_lines(again))
    assert {path.name: path.stat().st_ino for path in (home / "cache" / "images").iterdir()} == cached
    assert all(torch.equal(value, weights(first)[name]) for name, value in weights(again).items())

    with zipfile.ZipFile(shards / "shard_1.zip", "a") as shard:
        shard.writestr("notes.txt", "of this site")
    changed = submit(shards, augment=True)
    assert any(line.startswith("1 of 2 shards are in the store already") for line in logged(changed))
    assert sorted("reused" in line for line in cache_lines(changed)) == [False, True]
    assert not all(torch.equal(value, weights(first)[name]) for name, value in weights(changed).items()), "other pixels"
