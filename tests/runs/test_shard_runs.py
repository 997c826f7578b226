"""Shards through real runs: made of a folder, sent once, decoded once."""

from __future__ import annotations

import re
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
    """A folder of class folders: 30 images, whose colour tells the class."""
    for label, colour in enumerate(COLOURS):
        folder = tmp_path / "photos" / ("red", "green", "blue")[label]
        folder.mkdir(parents=True)
        for number in range(10):
            shade = tuple(min(255, part + 3 * number) for part in colour)
            Image.new("RGB", (16, 16), shade).save(folder / f"{number}.png")
    return tmp_path / "photos"


def submit(shards: Path, **training: object) -> reson.Run:
    """Trains two rounds to the end."""
    config = reson.TrainingConfig(**{**TRAINING, **training})
    run = reson.submit(SmallNet, name="photos", shards_dir=shards, check=False, training=config, federation=rounds(2))
    return run.wait(120)


def cache_lines(run: reson.Run) -> list[str]:
    """What the sites said of their image cache."""
    messages = [str(event.data.get("message", "")) for event in run.events()]
    return [message for message in messages if message.startswith("image cache: ")]


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


def test_images_are_decoded_once_for_all_runs_and_the_weights_are_the_same(photos: Path, tmp_path: Path, home: Path) -> None:
    shards = tmp_path / "shards"
    reson.make_shards(photos, shards, sites=2, seed=1, progress=False)
    first = submit(shards)
    cached = {path.name: path.stat() for path in (home / "cache" / "images").iterdir()}
    assert {name[:64] for name in cached} == {sha256_of(path) for path in shards.glob("*.zip")}
    assert len(cache_lines(first)) == 2 and not any("reused" in line for line in cache_lines(first))

    again = submit(shards)
    assert len(cache_lines(again)) == 2 and all("reused" in line for line in cache_lines(again))
    assert {path.name: path.stat().st_ino for path in (home / "cache" / "images").iterdir()} == {
        name: found.st_ino for name, found in cached.items()
    }
    assert all(torch.equal(value, weights(first)[name]) for name, value in weights(again).items())

    smaller = submit(shards, img_size=8)
    assert not any("reused" in line for line in cache_lines(smaller)), "another size is another cache"


def test_a_second_submit_sends_no_shard_and_a_changed_one_alone(photos: Path, tmp_path: Path) -> None:
    shards = tmp_path / "shards"
    reson.make_shards(photos, shards, sites=2, seed=1, progress=False)
    submit(shards)
    again = submit(shards)
    assert any(re.search(r"2 of 2 shards are in the store already", note) for note in _logged(again))
    digests = {shard.sha256 for shard in reson.check_shards(shards).shards}
    Image.new("RGB", (16, 16), "black").save(photos / "blue" / "10.png")
    report = reson.make_shards(photos, shards, sites=2, seed=1, progress=False)
    changed = {shard.sha256 for shard in report.shards} - digests
    assert changed, "the new image lies in some shard"
    third = submit(shards)
    there = 2 - len(changed)
    assert any(f"{there} of 2 shards" in note for note in _logged(third)) or there == 0


def test_mirrored_and_shifted_images_train_another_model(photos: Path, tmp_path: Path) -> None:
    shards = tmp_path / "shards"
    reson.make_shards(photos, shards, sites=2, seed=1, progress=False)
    plain, augmented = weights(submit(shards)), weights(submit(shards, augment=True))
    assert not all(torch.equal(value, augmented[name]) for name, value in plain.items())


def _logged(run: reson.Run) -> list[str]:
    return [str(event.data.get("message", "")) for event in run.events()]
