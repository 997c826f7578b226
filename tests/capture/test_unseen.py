"""What the kernel has otherwise than the sites will: it is said, or refused."""

from __future__ import annotations

import pytest

from reson_jupyter.errors import CaptureError

from .shipping import ship

CELL = """import random
import torch
from torch import nn
W = torch.zeros(3)
A = [1, 2]
WIDTH = 4
class Net(nn.Module):
    def forward(self, x):
        return x + W.sum() + len(A) + WIDTH
"""


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("nn.init.constant_(W, 2.0)", "W"),
        ("W.fill_(2.0)", "W"),
        ("for value in A: W.add_(value)", "W"),
    ],
)
def test_a_statement_that_stays_behind_and_may_change_what_ships_is_warned_of(statement: str, name: str) -> None:
    warnings = ship(CELL + statement).warnings
    assert any(name in text and "line 10" in text and "stays behind" in text for text in warnings), warnings


@pytest.mark.parametrize(
    ("statement", "value"),
    [
        ("random.shuffle(A); A.sort(reverse=True)", "[2, 1]"),
        ("last = A.pop()", "[1]"),
        ("x = A.append(0)", "[1, 2, 0]"),
        ("B = A; B.append(2)", "[1, 2, 2]"),
        ("for A in (3, 4): pass", "4"),
    ],
)
def test_a_simple_value_ships_as_such_a_statement_left_it(statement: str, value: str) -> None:
    capture = ship(CELL + statement)
    assert f"A = {value}\n" in capture.source and capture.warnings == ()


def test_a_simple_value_that_was_handed_out_and_is_the_same_still_ships_as_it_stands() -> None:
    capture = ship(CELL + "random.choice(A)")
    assert "A = [1, 2]\n" in capture.source and capture.warnings == ()


@pytest.mark.parametrize("statement", ["print(W, A)", "net = Net()", "len(A)", "torch.rand(WIDTH)", "width = WIDTH + 1"])
def test_a_statement_that_only_reads_is_not(statement: str) -> None:
    assert ship(CELL + statement).warnings == ()


def test_a_builtin_that_another_cell_replaced_is_refused_with_the_line_to_add() -> None:
    import torch

    cell = "from torch import nn\nclass Net(nn.Module):\n    def forward(self, x):\n        return sum(x)\n"
    with pytest.raises(CaptureError, match=r"line 4, column 16: Net needs 'sum'(.|\n)*from torch import sum"):
        ship(cell, kernel={"__name__": "__main__", "sum": torch.sum})
    assert ship(cell, kernel={"__name__": "__main__", "sum": sum}).warnings == ()


@pytest.mark.parametrize(
    ("setting", "change", "name"),
    [
        ("class Block:\n    widths = []", "Block.widths.append(3)", "Block"),
        (
            "from functools import singledispatch\n@singledispatch\ndef Block(layer): return 0",
            "Block.register(int, len)",
            "Block",
        ),
        ("from abc import ABC\nclass Block(ABC): ...", "Block.register(int)", "Block"),
        ("W = torch.zeros(2)\ndef fill(): W[0] = 1\nBlock = W", "fill()", "W"),
    ],
)
def test_a_call_that_changes_a_class_or_function_or_tensor_is_warned_of(setting: str, change: str, name: str) -> None:
    cell = f"import torch\n{setting}\nclass Net(torch.nn.Module):\n    def forward(self, x): return Block\n{change}\n"
    line = cell.count("\n")
    said = f"In[1], line {line} changes {name} and stays behind; the sites have {name} without that change"
    assert [text for text in ship(cell).warnings if "stays behind" in text] == [said]


def test_a_name_that_a_called_function_sets_ships_as_a_value() -> None:
    cell = "import torch\ndef setup():\n    global LIMIT\n    LIMIT = 3\nsetup()\n"
    capture = ship(cell + "class Net(torch.nn.Module):\n    def forward(self, x): return LIMIT\n")
    assert "LIMIT = 3\n" in capture.source and "setup" not in capture.source


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ("def patch(cls): cls.scale = 7\npatch(Net)", "Net.scale"),
        ("def add(cls):\n    def g(self): return 5\n    cls.g = g\nadd(Net)", "Net.g"),
        ("globals()['Net'].forward = lambda self, x: 0", "Net.forward"),
    ],
)
def test_a_class_that_a_call_changed_is_warned_of(change: str, part: str) -> None:
    cell = "import torch\nclass Net(torch.nn.Module):\n    scale = 1\n    def forward(self, x): return x\n"
    assert f"In[1], line 2: {part} is not what the class says; that does not ship" in ship(cell + change).warnings
    assert ship(cell).warnings == ()
