"""A whole run on images: the default training beside a train function that reads them by the plain loop of Pillow and torch.

Real NVFlare on this machine: 2 sites of 400 JPEGs of 1024x768, 3 rounds of 2 epochs, a tiny model, with the start of all
processes and the upload. The default training starts without a cache, and once more with that of the run before. Prints seconds
and ratios plain / ours: higher is better.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import reson_jupyter as reson
from benchmarks.loading import photo

IMAGES, CLASSES, REPEATS = 800, 4, 2


class Tiny(nn.Module):
    def __init__(self, num_classes: int):
        super().__init__()
        self.features = nn.Conv2d(3, 8, 8, stride=8)
        self.head = nn.Linear(8, num_classes)

    def forward(self, x):
        return self.head(self.features(x).relu().mean((2, 3)))


def batches(env):
    mean, std = (torch.tensor(value).view(3, 1, 1) for value in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    lines = Path(env["DATA_ROOT"], "manifest.ndjson").read_text().splitlines()
    samples = [json.loads(lines[row]) for row in torch.randperm(len(lines)).tolist()]
    for start in range(0, len(samples), env["BATCH_SIZE"]):
        images, batch = [], samples[start : start + env["BATCH_SIZE"]]
        for sample in batch:
            image = Image.open(Path(env["DATA_ROOT"], sample["uri"].removeprefix("file://"))).convert("RGB")
            pixels = np.array(image.resize((env["img_size"],) * 2, Image.Resampling.BILINEAR))
            images.append((torch.from_numpy(pixels).permute(2, 0, 1).float() / 255 - mean) / std)
        yield torch.stack(images), torch.tensor([sample["y"][0] for sample in batch])


def fl_train(model, env, out_dir, logger=None):
    optimizer = torch.optim.Adam(model.parameters(), lr=env["LR"])
    count = 0
    for _ in range(env["EPOCHS"]):
        for images, labels in batches(env):
            loss = nn.functional.cross_entropy(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            count += len(labels)
    return {"weights": model.state_dict(), "samples": count, "loss": loss.item()}


def seconds(shards: Path, **more: object) -> float:
    """From the submit to the stored model."""
    begun = time.perf_counter()
    federation = reson.FederationConfig(num_rounds=3)
    reson.submit(Tiny, name="images", shards_dir=shards, check=False, federation=federation, **more).wait()
    return time.perf_counter() - begun


def main() -> None:
    """Prints the seconds of each way and the ratios."""
    with tempfile.TemporaryDirectory(prefix="reson-bench-") as name:
        folder = Path(name)
        random = np.random.default_rng(0)
        some = [photo(1024, 768, random) for _ in range(8)]
        for number in range(IMAGES):
            path = folder / "photos" / str(number % CLASSES) / f"{number}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            some[number % len(some)].save(path, quality=85)
        shards = folder / "shards"
        reson.make_shards(folder / "photos", shards, sites=2, progress=False)
        plain, first, later = [], [], []
        for repeat in range(REPEATS):
            os.environ["RESON_HOME"] = str(folder / f"home-{repeat}")
            plain.append(seconds(shards, train=fl_train))
            first.append(seconds(shards))
            later.append(seconds(shards))
    of_plain, of_first, of_later = map(statistics.median, (plain, first, later))
    print(f"plain loop {of_plain:.1f} s; default training {of_first:.1f} s, with the images of an earlier run {of_later:.1f} s")
    print(f"plain / default: {of_plain / of_first:.2f}x, with the images of an earlier run {of_plain / of_later:.2f}x")


if __name__ == "__main__":
    main()
