"""The folder that `%reson build` writes, as NVFlare's own command line takes it: nothing of this package carries these runs."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

import reson_jupyter as reson
from reson_jupyter.session import Session
from tests.capture.local_trees import Tree, tree
from tests.runs.conftest import write_image_shard

__all__ = ["tree"]

pytestmark = [pytest.mark.nvflare, pytest.mark.usefixtures("home")]

MODULES = {
    "mylayers/__init__.py": "",
    "mylayers/scaling.py": "from . import numbers\n\n\ndef scaled(x):\n    return x * numbers.TWO\n",
    "mylayers/numbers.py": "TWO = 2.0\n",
}
MODEL = """%%reson_model
import torch
from torch import nn
from mylayers.scaling import scaled

class Line(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2))
"""
TRAIN = """%%reson_train
from pathlib import Path

def fl_train(model, env, out_dir, logger=None):
    number = float((Path(env["DATA_ROOT"]) / "number.txt").read_text())
    return {"weights": {name: scaled(value) + number for name, value in model.state_dict().items()}, "samples": 1}
"""
IMAGES = """%%reson_model
from torch import nn

class Net(nn.Linear):
    def __init__(self, num_classes: int):
        super().__init__(3, num_classes)

    def forward(self, images):
        return super().forward(images.mean(dim=(2, 3)))
"""


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setattr(sys.modules["reson_jupyter.session"], "_current", Session())
    instance = InteractiveShell.instance()
    # Not by its magic, which does nothing where another test has loaded it: this session must know the cells.
    reson.load_ipython_extension(instance)
    yield instance
    instance.reset()


def ran(shell: InteractiveShell, cell: str) -> tuple[Any, str]:
    with capture_output() as captured:
        result = shell.run_cell(cell, store_history=True)
    assert result.success, captured.stdout + captured.stderr
    return result.result, captured.stdout


def simulated(said: str, data: Path, out: Path, cwd: Path) -> dict[str, torch.Tensor]:
    """Runs the line that was printed, with the two folders that it leaves open; returns the model."""
    line = next(line.strip() for line in said.splitlines() if "nvflare simulator" in line)
    words = shlex.split(line.replace("RESON_DATA_ROOT=DATA RESONTECH_OUT_DIR=OUT ", ""))
    words[0] = str(Path(sys.executable).parent / "nvflare")
    cwd.mkdir()
    environment = {**os.environ, "RESON_DATA_ROOT": str(data), "RESONTECH_OUT_DIR": str(out)}
    ended = subprocess.run(words, cwd=cwd, env=environment, capture_output=True, timeout=200, check=False)
    assert ended.returncode == 0, ended.stdout.decode()[-4000:]
    weights: dict[str, torch.Tensor] = torch.load(out / "GLOBAL_MODEL.pt", weights_only=True)["model"]
    return weights


def test_own_training_with_local_modules_from_a_checkpoint(shell: InteractiveShell, tree: Tree, tmp_path: Path) -> None:
    tree(MODULES)
    for site, number in (("site-1", 1), ("site-2", 3)):
        (tmp_path / "data" / site).mkdir(parents=True)
        (tmp_path / "data" / site / "number.txt").write_text(str(number))
    torch.save({"weight": torch.tensor([1.0, 10.0])}, tmp_path / "begin.pt")
    ran(shell, MODEL)
    ran(shell, TRAIN)
    ran(shell, "%reson config num_rounds=2 min_clients=2")
    ran(
        shell,
        "import reson_jupyter as reson\n"
        "from reson_jupyter.notebook.commands.build_text import saved_text\n"
        "job = reson.build(name='own', checkpoint='begin.pt')\n"
        "said = saved_text(job, job.save('a folder'), replaced=False)",
    )
    said = shell.user_ns["said"]
    assert (tmp_path / "a folder" / "app" / "custom" / "mylayers" / "numbers.py").exists()
    assert not re.search(r"-w '", said), "the simulator trains nothing in a workspace whose path has a space"
    weights = simulated(said, tmp_path / "data", tmp_path / "out", tmp_path / "elsewhere")
    # Each round doubles, and adds the mean of 1 and 3.
    assert torch.equal(weights["weight"], torch.tensor([(1.0 * 2 + 2) * 2 + 2, (10.0 * 2 + 2) * 2 + 2]))


def test_the_default_training_on_unpacked_shards(shell: InteractiveShell, tmp_path: Path) -> None:
    (tmp_path / "shards").mkdir()
    for number in (1, 2):
        shard = tmp_path / "shards" / f"{number}.zip"
        write_image_shard(shard, [0, 1, 2, 0], seed=number)
        with zipfile.ZipFile(shard) as archive:
            archive.extractall(tmp_path / "data" / f"site-{number}")
    ran(shell, IMAGES)
    job, said = ran(shell, "%reson build --name images --shards shards --rounds 2 --out built")
    assert json.loads((tmp_path / "built" / "meta.json").read_text())["name"] == "images" and isinstance(job, reson.Job)
    assert "-n 2 -t 2" in said
    weights = simulated(said, tmp_path / "data", tmp_path / "out", tmp_path / "elsewhere")
    assert weights["weight"].shape == (3, 3) and bool(weights["weight"].isfinite().all())
