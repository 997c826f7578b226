"""A cell without IPython's own syntax, line for line, as the shell itself recognises it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import takewhile
from typing import Any

from IPython.core.inputtransformer2 import (
    MagicAssign,
    SystemAssign,
    TokenTransformBase,
    TransformerManager,
    classic_prompt,
    ipython_prompt,
    leading_indent,
    make_tokens_by_line,
)

from ...capture.text.cell import Magic
from ...errors import CaptureError

# Cell magics that run their body as Python in the kernel's own namespace.
_TRANSPARENT = ("%%time", "%%capture", "%%prun", "%%reson_")
_COMPILING = ("%%time", "%%prun")  # the others have the shell run it
_IN_A_FUNCTION = "%%timeit"


def plain_cell(cell: str, label: str, first_line: int, manager: TransformerManager) -> tuple[str, tuple[Magic, ...]]:
    """Returns a cell's Python text, with as many lines as the cell, and what IPython syntax stood in it.

    Args:
        cell: The cell as the user wrote it, from `first_line` on.
        label: How people know the cell.
        first_line: The line of the visible cell on which `cell` begins.
        manager: The shell's own.

    Raises:
        CaptureError: the cell's text is not for Python to run.
    """
    lines = dedented(cell)
    magics = list(_cell_magics(lines, label, first_line))
    while found := _first_special(lines, manager):
        first, column, count, assigns = found
        text = "".join(lines[first : first + count])
        indent = lines[first][: len(lines[first]) - len(lines[first].lstrip())]
        # An assignment keeps its name, so that Python's scopes stay as they are.
        replacement = lines[first][:column] + "None\n" if assigns else indent + "pass\n"
        lines[first : first + count] = [replacement] + ["\n"] * (count - 1)
        magics.append(Magic(first_line + first, first_line + first + count - 1, text.strip(), assigns))
    return "".join(lines), tuple(magics)


def dedented(cell: str) -> list[str]:
    """Returns a cell's lines without what IPython drops: a common indent, prompts that were pasted with the code."""
    lines = cell.splitlines(keepends=True)
    blank = len(list(takewhile(lambda line: not line.strip(), lines)))
    rest = lines[blank:]
    transforms: tuple[Callable[[list[str]], list[str]], ...] = (leading_indent, classic_prompt, ipython_prompt)
    for transform in transforms:
        rest = transform(rest)
    return ["\n"] * blank + rest


def _cell_magics(lines: list[str], label: str, first_line: int) -> Iterator[Magic]:
    """Takes out cell magics that stand before the code."""
    for index, line in enumerate(lines):
        if not line.startswith("%%"):
            if line.strip():
                return
            continue
        if not line.startswith(_TRANSPARENT) or line.startswith(_IN_A_FUNCTION):
            name = line.split()[0]
            raise CaptureError(
                f"{label}, line {first_line + index}: the text below {name} is not for Python", f"Take {name} out."
            )
        innermost = not "".join(lines[index + 1 :]).lstrip().startswith("%%")
        compiles = innermost and line.startswith(_COMPILING)
        yield Magic(first_line + index, first_line + index, line.strip(), compiles=compiles)
        lines[index] = "\n"


def _first_special(lines: list[str], manager: TransformerManager) -> tuple[int, int, int, bool] | None:
    """Returns line, column, number of lines of the first piece of IPython syntax, and whether it is an assignment."""
    tokens = make_tokens_by_line(lines)
    kinds: list[Any] = manager.token_transformers
    found = [transformer for kind in kinds if (transformer := kind.find(tokens))]
    for transformer in sorted(found, key=TokenTransformBase.sortby):
        try:
            changed = transformer.transform(lines)
        except SyntaxError:
            continue
        count = len(lines) - len(changed) + 1
        return transformer.start_line, transformer.start_col, count, isinstance(transformer, MagicAssign | SystemAssign)
    return None
