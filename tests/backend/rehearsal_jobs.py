"""Jobs to rehearse, and the process that does it."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from reson_jupyter.backend.job import Job, JobParts, UserModule, build_job
from reson_jupyter.config import TrainingConfig
from reson_jupyter.source_map import SourceMap

NET = """\
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, num_classes=3):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(4, num_classes)

    def forward(self, images):
        return self.head(self.body(images))
"""
LINE = """\
import os, sys, time
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([1.0, 2.0]))

"""
FL_TRAIN = "def fl_train(model, env, out_dir, logger=None):\n"
ADD_ONE = "    return {'weights': {'weight': model.weight.detach() + 1}, 'samples': 5, 'loss': 0.25}\n"
SMALL: Mapping[str, Any] = {"num_classes": 3, "img_size": 12, "batch_size": 4, "local_epochs": 3}


def lines_of(source: str, cell: str = "In[4]") -> SourceMap:
    """As if the whole source were one cell."""
    return SourceMap.of((cell, number) for number in range(1, source.count("\n") + 1))


def image_job(source: str = NET, **parts: Any) -> Job:
    """A job whose model is trained by the default training."""
    training = TrainingConfig(**{**SMALL, **parts.pop("training", {})})
    return build_job(
        JobParts("job", "model_def.Net", source, lines_of(source), accepts_num_classes=True, training=training, **parts)
    )


def own_job(train: str, validate: str = "", **parts: Any) -> Job:
    """A job whose model of two numbers is trained by these lines of fl_train."""
    source = LINE + FL_TRAIN + train + validate
    chosen = {"train_fn": "fl_train", "validate_fn": "fl_validate" if validate else "", "training": TrainingConfig(**SMALL)}
    return build_job(JobParts("job", "model_def.Net", source, lines_of(source), **(chosen | parts)))


def module(source: str, name: str, cell: str) -> UserModule:
    """A captured executor or persistor."""
    return UserModule(source, name, lines_of(source, cell))


def write_shard(path: Path, files: Mapping[str, str]) -> Path:
    """Writes a zip with these texts."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def table_shard(path: Path, samples: int) -> Path:
    """A shard of text files, with a manifest and a file that is no sample."""
    manifest = [json.dumps({"id": f"s{number}", "uri": f"file://rows/{number}.txt", "y": [0]}) for number in range(samples)]
    rows = {f"rows/{number}.txt": str(number) for number in range(samples)}
    return write_shard(path, {"manifest.ndjson": "\n".join(manifest) + "\n", "vocabulary.txt": "a b c", **rows})


def processes() -> list[psutil.Process]:
    """The rehearsals' processes of this process, and their children."""
    mine = psutil.Process(os.getpid()).children(recursive=True)
    return [process for process in mine if any(part.endswith("rehearsal/process.py") for part in _command(process))]


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
