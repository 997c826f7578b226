"""A real NVFlare run of a model alone: the adapter trains it to the weights of plain federated averaging."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from .fedavg import LR, Weights, assert_complete, difference, fedavg, final_weights, module_of
from .job_folder import Finished, JobParts, run

pytestmark = [pytest.mark.nvflare, pytest.mark.usefixtures("one_thread")]

IMAGE_MODEL = """
from torch import *  # replaces sum, min, range, float, ... for everything below
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout(0.2))
        self.head = nn.Linear(4 * 6 * 6, 3)

    def forward(self, x):
        return self.head(self.features(x))
"""


def write_shard(folder: Path, seed: int, count: int) -> None:
    """Random 8 x 8 images in three classes, so that no resizing is involved."""
    random = np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True)
    lines = []
    for number in range(count):
        Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(folder / "images" / f"{number}.png")
        lines.append(json.dumps({"id": f"{seed}-{number}", "uri": f"file://images/{number}.png", "y": [number % 3]}))
    (folder / "manifest.ndjson").write_text("\n".join(lines) + "\n")


def plain_image_training(data: Path, net: type[torch.nn.Module]) -> Any:
    """What the adapter documents, written once more without it."""

    def number_of(text: str) -> int:
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")

    def train(site: str, round_: int, weights: Weights) -> tuple[Weights, int]:
        entries = [json.loads(line) for line in (data / site / "manifest.ndjson").read_text().splitlines()]
        held_out = {entry["id"] for entry in entries if number_of(entry["id"]) < 0.1 * 2**48}
        assert held_out, "the test's ids must hold something out"
        entries = [entry for entry in entries if entry["id"] not in held_out]
        mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        images = []
        for entry in entries:
            pixels = np.array(Image.open(data / site / entry["uri"].removeprefix("file://")))
            images.append(((torch.from_numpy(pixels) / 255 - mean) / std).permute(2, 0, 1))
        x, y = torch.stack(images), torch.tensor([entry["y"][0] for entry in entries])
        model = net()
        model.load_state_dict(weights)
        optimizer = torch.optim.Adam(model.parameters(), lr=LR)
        for epoch in range(2):
            seed = number_of(f"{site} {round_} {epoch}")
            torch.manual_seed(seed)
            order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
            batches = list(order.split(8))
            if len(batches[-1]) == 1:
                batches[-2:] = [torch.cat(batches[-2:])]
            for batch in batches:
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
                optimizer.step()
        return model.state_dict(), len(x)

    return train


@pytest.fixture(scope="module")
def image_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Finished, Path]:
    data = tmp_path_factory.mktemp("data")
    write_shard(data / "site-1", seed=1, count=30)
    write_shard(data / "site-2", seed=2, count=45)
    parts = JobParts(IMAGE_MODEL, "rt_train_model", "rt_validate_model", training={"num_classes": 3, "local_epochs": 2})
    return run(tmp_path_factory.mktemp("model-only"), parts, data), data


def test_a_model_alone_trains_on_the_images_of_its_shards(image_run: tuple[Finished, Path]) -> None:
    finished, data = image_run
    assert_complete(finished)
    net = module_of(IMAGE_MODEL).Net
    expected = fedavg(net().state_dict(), plain_image_training(data, net))
    assert difference(final_weights(finished), expected) <= 1e-6


def test_the_adapter_tells_loss_and_accuracy_per_epoch_per_round_and_of_the_held_out_images(
    image_run: tuple[Finished, Path],
) -> None:
    metrics = [event for event in image_run[0].of("metrics") if event["site"] == "site-2"]
    told = [(event["round"], event["data"]["stage"], event["data"]["step"], sorted(event["data"]["values"])) for event in metrics]
    train, val = ["train_accuracy", "train_loss"], ["val_accuracy", "val_loss"]
    assert told == [
        (0, "validate", None, val),
        (0, "train", 0, train),
        (0, "train", 1, train),
        (0, "train", None, train),
        (1, "validate", None, val),
        (1, "train", 2, train),
        (1, "train", 3, train),
        (1, "train", None, train),
        (2, "validate", None, val),  # of the final model
    ]
    assert all(0 <= event["data"]["values"].get("val_accuracy", 0) <= 1 for event in metrics)
