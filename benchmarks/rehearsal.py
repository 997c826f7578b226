"""What a rehearsal costs before a run starts: the first of a kernel, which imports torch and NVFlare, and those after it.

A shard of 500 images, a ResNet-like model of 1 M parameters, the default training. Prints seconds: lower is better.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import tempfile
import time
import zipfile
from itertools import pairwise
from pathlib import Path

import torch
from PIL import Image
from torch import nn

import reson_jupyter as reson
from reson_jupyter.backend.rehearsal import rehearse

IMAGES, SIDE, WARM_UP = 500, 224, 8.0


class Net(nn.Module):
    def __init__(self, num_classes: int):
        super().__init__()
        widths = (3, 32, 64, 128, 256)
        blocks = [
            nn.Sequential(nn.Conv2d(before, width, 3, stride=2, padding=1), nn.BatchNorm2d(width), nn.ReLU())
            for before, width in pairwise(widths)
        ]
        self.layers = nn.Sequential(*blocks, nn.Conv2d(256, 256, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(256, num_classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.layers(images))


def write_shard(path: Path) -> Path:
    """Writes images of one colour each."""
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(IMAGES):
            data = io.BytesIO()
            Image.new("RGB", (SIDE, SIDE), (number % 255, 90, 90)).save(data, "JPEG")
            archive.writestr(f"images/{number}.jpg", data.getvalue())
        lines = (json.dumps({"id": str(n), "uri": f"images/{n}.jpg", "y": [n % 10]}) for n in range(IMAGES))
        archive.writestr("manifest.ndjson", "\n".join(lines) + "\n")
    return path


def main() -> None:
    """Rehearses one job several times and prints how long that took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as name:
        shard = write_shard(Path(name) / "shard.zip")
        job = reson.build(Net, shards_dir=name, training=reson.TrainingConfig(num_classes=10, img_size=SIDE))
        seconds = []
        for _ in range(repeats + 1):
            rehearsal = rehearse(job, shard)
            assert rehearsal.ok, rehearsal
            seconds.append(rehearsal.seconds)
            time.sleep(WARM_UP)
    print(f"{rehearsal.facts.parameters / 1e6:.1f} M parameters, images of {SIDE} x {SIDE}, {repeats} warm rehearsals, median")
    print(", ".join(f"{step.name} {step.seconds:.2f} s" for step in rehearsal.steps))
    print(f"first: {seconds[0]:.2f} s, warm: {statistics.median(seconds[1:]):.2f} s (limit 1.5 s)")


if __name__ == "__main__":
    main()
