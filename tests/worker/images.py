"""Small image shards for the tests of the adapter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from reson_jupyter.worker import adapter

Entry = dict[str, Any]


class Quiet:
    """A logger that keeps metrics, and stops the run after so many checks."""

    def __init__(self, checks: int = 10**9) -> None:
        self.metrics: list[tuple[dict[str, float], int]] = []
        self.checks = checks
        self.lines: list[str] = []

    def info(self, message: str) -> None:
        self.lines.append(message)

    def log_metric(self, metrics: dict[str, float], step: int) -> None:
        self.metrics.append((metrics, step))

    def check_task_abort(self) -> None:
        self.checks -= 1
        if self.checks < 0:
            raise KeyboardInterrupt


class Net(torch.nn.Module):
    """A small classifier with BatchNorm and dropout."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = torch.nn.Sequential(
            torch.nn.Conv2d(3, 4, 3),
            torch.nn.AdaptiveAvgPool2d(1),
            torch.nn.Flatten(),
            torch.nn.BatchNorm1d(4),
            torch.nn.Dropout(0.1),
        )
        self.head = torch.nn.Linear(4, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.layers(x))


class Strange(torch.nn.Module):
    """Returns what it is told to."""

    def __init__(self, make: Callable[[torch.Tensor], Any]) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.make = make

    def forward(self, x: torch.Tensor) -> Any:
        return self.make(x)


def save(folder: Path, name: str, image: Image.Image, **options: Any) -> str:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    image.save(folder / name, **options)
    return name


def coloured(colour: tuple[int, int, int], size: tuple[int, int] = (12, 12)) -> Image.Image:
    return Image.new("RGB", size, colour)


def entries_of(folder: Path, count: int, labels: Callable[[int], Any] = lambda number: [number % 3]) -> list[Entry]:
    """Images whose colour tells their label."""
    colours = [(220, 20, 20), (20, 220, 20), (20, 20, 220)]
    return [
        {"id": f"s{number}", "uri": save(folder, f"images/{number}.png", coloured(colours[number % 3])), "y": labels(number)}
        for number in range(count)
    ]


def make_noisy(folder: Path, size: tuple[int, int] = (40, 30)) -> None:
    """Replaces the images of a shard by others of which every pixel differs."""
    random = np.random.default_rng(0)
    for path in sorted((folder / "images").iterdir()):
        Image.fromarray(random.integers(0, 256, (*size, 3), "uint8")).save(path)


def failure(shard_env: dict[str, Any], model: torch.nn.Module) -> str:
    with pytest.raises((ValueError, RuntimeError)) as caught:
        adapter.rt_train_model(model, shard_env, "", Quiet())
    return str(caught.value)
