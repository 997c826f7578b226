"""A model and a train function of two cells become one module."""

from __future__ import annotations

from typing import Any

import pytest

from reson_jupyter.capture.capture import Capture
from reson_jupyter.capture.text.module import combine
from reson_jupyter.errors import CaptureError

from .shipping import cell_lines, ship

MODEL = """\
import torch
import torch.nn as nn

WIDTH = 4

def block(n):
    return nn.Linear(n, n)

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.b = block(WIDTH)
"""


def two_cells(model: str, train: str) -> tuple[Capture, Capture]:
    kernel: dict[str, Any] = {"__name__": "__main__"}
    first = ship(model, label="In[2]", kernel=kernel)
    return first, ship(train, "train", label="In[5]", kernel=kernel, beside=first)


def test_one_capture_alone_stays_as_it_is() -> None:
    capture = ship(MODEL)
    module = combine([capture])
    assert (module.source, cell_lines(module)) == (capture.source, cell_lines(capture.module))


def test_a_train_function_uses_what_the_model_ships() -> None:
    model, train = two_cells(
        MODEL, "def fl_train_model(payload):\n    return {'weights': Net().state_dict(), 'samples': WIDTH}\n"
    )
    assert "class Net" not in train.source
    namespace: dict[str, Any] = {}
    exec(combine([model, train]).source, namespace)
    assert namespace["fl_train_model"]({})["samples"] == 4


def test_every_line_knows_which_cell_it_is_from() -> None:
    module = combine(two_cells(MODEL, "import os\ndef fl_train_model(payload):\n    return os\n"))
    lines = module.source.splitlines()
    assert len(lines) == len(module.lines)
    assert module.lines[lines.index("class Net(nn.Module):")] == ("In[2]", 9)
    assert module.lines[lines.index("import os")] == ("In[5]", 1)
    assert module.lines[lines.index("    return os")] == ("In[5]", 3)


def test_what_both_cells_have_is_there_once() -> None:
    train = (
        "import torch.nn as nn\nimport torch\nWIDTH = 4  # same\n\ndef fl_train_model(payload):\n    return nn, torch, WIDTH\n"
    )
    source = combine(two_cells(MODEL, train)).source
    assert source.count("import torch.nn as nn") == source.count("WIDTH = 4") == 1


def test_an_import_written_in_another_way_is_no_conflict() -> None:
    train = "from torch import nn\nimport torch, os\ndef fl_train_model(payload):\n    return nn, torch.rand, os\n"
    exec(combine(two_cells(MODEL, train)).source, {})


def test_future_imports_come_first_and_once() -> None:
    future = "from __future__ import annotations\n"
    source = combine(two_cells(future + MODEL, future + "def fl_train_model(payload: int): ...\n")).source
    assert source.startswith(future) and source.count("__future__") == 1
    compile(source, "model_def.py", "exec")


@pytest.mark.parametrize(
    ("train", "name"),
    [
        ("WIDTH = 5\ndef fl_train_model(payload): return WIDTH\n", "WIDTH"),
        ("def block(n): return n\ndef fl_train_model(payload): return block(1)\n", "block"),
        ("import numpy as nn\ndef fl_train_model(payload): return nn\n", "nn"),
    ],
)
def test_one_name_with_two_meanings_is_refused_with_both_cells(train: str, name: str) -> None:
    with pytest.raises(CaptureError) as caught:
        combine(two_cells(MODEL, train))
    assert caught.value.message.startswith(f"{name!r} is one thing in In[2] (model) and another in In[5] (train)")


def test_a_name_that_the_model_no_longer_ships_is_refused() -> None:
    _, train = two_cells(MODEL, "def fl_train_model(payload): return WIDTH\n")
    slimmer = ship("import torch.nn as nn\nclass Net(nn.Module): ...\n", label="In[9]")
    with pytest.raises(
        CaptureError, match=r"In\[5\], line 1: def fl_train_model needs 'WIDTH', which no captured cell ships any more"
    ):
        combine([slimmer, train])


def test_the_result_does_not_depend_on_when_it_is_made() -> None:
    train = "import os, sys, json\ndef fl_train_model(payload): return os, sys, json, {**globals()}\n"
    assert combine(two_cells(MODEL, train)) == combine(two_cells(MODEL, train))
