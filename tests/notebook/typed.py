"""What a user types, and what comes of it."""

from __future__ import annotations

from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

MODEL = """%%reson_model
from torch import nn

class Net(nn.Linear):
    def __init__(self, num_classes: int):
        super().__init__(3, num_classes)

    def forward(self, images):
        return super().forward(images.mean(dim=(2, 3)))
"""


def run(shell: InteractiveShell, source: str) -> tuple[Any, str]:
    with capture_output() as captured:
        result = shell.run_cell(source, store_history=True)
    return result, captured.stdout + captured.stderr
