"""Notebook situations, by theme: the cells that are run, and what a site must make of what ships, or why nothing does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .situation import Situation, read

_NET = "%%reson_model\nimport torch.nn as nn\nclass Net(nn.Module):\n    def forward(self, x): return {}\n"
_TRAINED = """import reson_jupyter as reson
import torch.nn as nn
class Net(nn.Module):
    def __init__(self, num_classes=2):
        super().__init__()
        self.head = nn.Linear(3, num_classes)
    def forward(self, x): return self.head(x.mean((2, 3)))
    def f(self, x): return x + 1
"""


def _situations() -> Iterator[Situation]:
    for file in sorted(Path(__file__).parent.glob("*/*.cells")):
        yield read(file)
    # Too long for a file, and text that an editor might change on saving one.
    yield _odd("P12: 205 cells later", "m.Net().f(1)", "2", _TRAINED, *["1"] * 205, "job = reson.build(model=Net)")
    windows = "import math\r\n%matplotlib inline\r\ndef helper(x):\r\n    return math.floor(x) + 1\r\n"
    yield _odd("line ends of windows in another cell", "m.Net()(1.5)", "2", windows, _NET.format("helper(x)"))
    yield _odd("a name written in two unicode forms", "m.Net()(1)", "3", "\N{LATIN SMALL LIGATURE FI} = 3", _NET.format("fi"))


def _odd(name: str, expression: str, value: str, *cells: str) -> Situation:
    return Situation(cells, {}, {"situation": name, "evaluates": expression, "gives": value})


SITUATIONS = tuple(_situations())
