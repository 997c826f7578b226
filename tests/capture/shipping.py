"""Cells as text -> what is captured of them, without a shell."""

from __future__ import annotations

import warnings
from typing import Any

from IPython.core.inputtransformer2 import TransformerManager

from reson_jupyter.capture.across.inputs import Kernel
from reson_jupyter.capture.capture import Capture, capture_cell
from reson_jupyter.capture.roles.contract import Role
from reson_jupyter.capture.text.cell import Cell, parse
from reson_jupyter.capture.text.module import Module
from reson_jupyter.notebook.capturing.plain import plain_cell


def read_cell(text: str, label: str = "In[1]") -> Cell:
    """A cell whose first line is line 1; IPython's own syntax is taken out as the magics do it."""
    plain, magics = plain_cell(text, label, 1, TransformerManager())
    return parse(plain, label, 1, magics)


def run(text: str, namespace: dict[str, Any] | None = None) -> dict[str, Any]:
    """What a kernel has after a cell ran."""
    namespace = {"__name__": "__main__"} if namespace is None else namespace
    plain, _ = plain_cell(text, "In[1]", 1, TransformerManager())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(compile(plain, "<cell>", "exec", dont_inherit=True), namespace)
    return namespace


def ship(
    text: str, role: Role = "model", *, label: str = "In[1]", kernel: dict[str, Any] | None = None, **options: Any
) -> Capture:
    """Runs a cell and captures it."""
    return capture_cell(role, read_cell(text, label), Kernel(run(text, kernel)), **options)


def cell_lines(module: Module) -> tuple[int, ...]:
    """For each line of a module the line of its cell; 0 where it is ours."""
    return tuple(line for _, line in module.lines)


def titles(capture: Capture) -> list[str]:
    """What ships, as the card says it, without imports."""
    return [piece.title for piece in capture.pieces if piece.kind not in ("import", "future")]


def imports(capture: Capture) -> list[str]:
    """The import statements that ship."""
    return [piece.title for piece in capture.pieces if piece.kind == "import"]
