"""Runs as they lie in a store when they are over, made without running them."""

from __future__ import annotations

import io
import itertools
from typing import Any

import torch
from PIL import Image
from torch import nn

import reson_jupyter as reson
from reson_jupyter.backend.store import Store
from reson_jupyter.prepare import prepare
from reson_jupyter.request import Request
from reson_jupyter.session import Session
from tests.runs.conftest import COLOURS

THREE = reson.TrainingConfig(num_classes=3, img_size=10, batch_size=4)
NAMES = ("model", "training", "federation", "model_config", "executor", "persistor", "train", "requirements", "checkpoint")


class ByColour(nn.Module):
    """Says 0 for red, 1 for green, 2 for blue: the channel that is the brightest."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(4.0))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.mean((2, 3)) * self.scale


_numbers = itertools.count()


def stored(store: Store, model: nn.Module, rounds: int = 0, **given: Any) -> str:
    """Stores what a run of a model leaves: its job, its final model, and a model for each round, all scaled by its number."""
    run = f"jobs/run-{next(_numbers)}"  # a kernel loads the code of a run once
    job = prepare(Request(name="n", shards_dir=None, **{**dict.fromkeys(NAMES), "model": type(model), **given}), Session()).job
    for key, data in job.files.items():
        store.put(f"{run}/{key}", data)
    store.put(f"{run}/model_out/GLOBAL_MODEL.pt", saved(model.state_dict()))
    for number in range(rounds):
        weights = {name: torch.full_like(value, number + 1.0) for name, value in model.state_dict().items()}
        store.put(f"{run}/files_out/rounds/round_{number:05d}.pt", saved({"model": weights}))
    return run


def saved(data: Any) -> bytes:
    file = io.BytesIO()
    torch.save(data, file)
    return file.getvalue()


def coloured(label: int) -> Image.Image:
    return Image.new("RGB", (12, 8), COLOURS[label])
