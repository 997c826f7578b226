"""The kernel as captures see it: what it has under which name, and the cells that it ran, as the shell recorded them."""

from __future__ import annotations
import __future__

import ast
from typing import Any

from IPython.core.interactiveshell import ExecutionResult, InteractiveShell

from ...capture.across.inputs import Inputs, Kernel
from ...capture.text.cell import Cell, parse
from .plain import plain_cell


def kernel_of(shell: InteractiveShell) -> Kernel:
    """Returns a shell's kernel, and keeps up with the cells that run from now on."""

    def texts() -> list[str]:
        history = shell.history_manager
        return list(history.input_hist_raw) if history else []

    def read(text: str, number: int, future_annotations: bool) -> Cell:
        label = f"In[{number}]"
        if _is_plain(text):
            return parse(text, label, future_annotations=future_annotations, number=number)
        plain, magics = plain_cell(text, label, 1, shell.input_transformer_manager)
        return parse(plain, label, 1, magics, future_annotations, number)

    def compiled_as(file: str) -> int | None:
        known: dict[str, int] = getattr(shell.compile, "_filename_map", {})
        return known.get(file)

    inputs = Inputs(texts, read, compiled_as)

    def ended(result: ExecutionResult) -> None:
        if result.execution_count is not None:
            inputs.ended(result.execution_count, result.success)

    shell.events.register("post_run_cell", ended)
    inputs.update()
    return Kernel(shell.user_ns, inputs)


def future_annotations(shell: InteractiveShell) -> bool:
    """Whether an earlier cell's `from __future__ import annotations` holds for this one too, as it does in a shell."""
    flags: Any = shell.compile.flags
    return bool(flags & __future__.annotations.compiler_flag)


def _is_plain(text: str) -> bool:
    """Whether a cell is Python as it stands; IPython's own syntax never is."""
    try:
        ast.parse(text)
    except (SyntaxError, ValueError):
        return False
    return True
