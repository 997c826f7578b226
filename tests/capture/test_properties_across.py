"""Properties that hold for generated sessions: many cells, redefinitions, failures in the middle."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest
from hypothesis import Phase, assume, event, example, given, settings
from hypothesis import strategies as st

from reson_jupyter.capture.across.gather import Gathered, gather
from reson_jupyter.capture.across.inputs import Inputs, Kernel
from reson_jupyter.capture.text.cell import parse
from reson_jupyter.capture.text.module import assemble
from reson_jupyter.session import Session

from .conftest import Notebook
from .test_properties import NAMES, anonymous, compiles, many, statements, value_of

# Shrinking whole sessions takes minutes; the failing session itself is short enough to read.
some = settings(parent=many, max_examples=300, phases=[Phase.explicit, Phase.reuse, Phase.generate])

FAILURE = "raise RuntimeError('half way')"


@st.composite
def sessions(draw: st.DrawFn) -> list[str]:
    """Cells of a session; the last defines `Target`, and any of the others may fail half way."""
    order = draw(st.lists(st.sampled_from(NAMES), min_size=2, max_size=8))
    cells: list[str] = ["import math, os"]
    known = ["math", "os"]
    everything = sorted({*known, *order})
    lines: list[str] = []
    for name in order:
        lines.append(draw(statements([*known], everything, name)))
        known = sorted({*known, name})
        if draw(st.booleans()):
            lines += [FAILURE] if draw(st.integers(0, 5)) == 0 else []
            cells.append("\n".join([*lines, ""]))
            lines = []
    cells.append("\n".join([*lines, draw(statements(everything, everything, "Target")), ""]))
    assume(all(map(compiles, cells)))
    return cells


def kernel_after(cells: list[str]) -> Kernel:
    """A kernel that ran the cells, each compiled by itself; the last one did not fail."""
    module = ModuleType("__main__")
    namespace: dict[str, Any] = vars(module)
    texts = [""]
    inputs = Inputs(lambda: texts, lambda text, number, future: parse(text, f"In[{number}]", number=number))
    for number, cell in enumerate(cells, start=1):
        texts.append(cell)
        try:
            exec(compile(cell, f"<{number}>", "exec", dont_inherit=True), namespace)
        except (RuntimeError, NameError, TypeError, RecursionError):
            assume(number < len(cells))
            inputs.ended(number, False)
        else:
            inputs.ended(number, True)
    return Kernel(namespace, inputs)


def gathered(cells: list[str], kernel: Kernel) -> Gathered:
    return gather(parse(cells[-1], f"In[{len(cells)}]", number=len(cells)), ["Target"], kernel)


def shipped_value(source: str) -> str:
    module = ModuleType("shipped")
    sys.modules["shipped"] = module
    try:
        exec(compile(source, "shipped", "exec", dont_inherit=True), vars(module))
        return anonymous(value_of(vars(module)))
    finally:
        del sys.modules["shipped"]


# A block reads a class of another cell, whose name its own cell then gives to a text.
_OVERWRITTEN = [
    "import math, os",
    "class b:\n    value = str(math)\n    def method(self):\n        # comment\n        return __class__, 'x'\n",
    "if len(str((lambda a, *, b=(1, str(b)): (a, b, str(math)))(1))) > 3:\n"
    "    c = (lambda a, *, b=(1, str(b)): (a, b, str(math)))(1)\nelse:\n    def c():\n        return str(b)\n"
    "@(lambda f: f)\ndef b(x=str(c)):\n    match x:\n        case (1, y):\n            return y\n    return (2, 3)\n"
    "b: object = f'{[str(c) for i in range(2) if i]!r}'  # comment\n",
    "@(lambda f: f)\ndef Target(x=str(math)):\n    match x:\n        case (1, y):\n            return y\n"
    "    return {k: (str(os), v) for k, v in [(1, {k: (1, v) for k, v in [(1, str(c))]})]}\n",
]
# A default calls a lambda, which reads what later has another meaning.
_CALLED_IN_A_DEFAULT = [
    "import math, os",
    "c = 'text'\n",
    "def d(p=(lambda a: (a, str(c)))(1)):\n    return p\n",
    "def c(x=1):\n    return x\n",
    "def b():\n    return str(d)\nc = {}\nc['k'] = str(b)\ndef Target(p=str(d)):\n    return p, c\n",
]


@some
@given(sessions())
@example(_OVERWRITTEN)
@example(_CALLED_IN_A_DEFAULT)
def test_what_ships_is_what_the_kernel_holds_or_nothing_ships(cells: list[str]) -> None:
    kernel = kernel_after(cells)
    found = gathered(cells, kernel)
    if found.missing:
        event("refused")
        return
    event("shipped")
    try:
        expected = anonymous(value_of(dict(kernel.namespace)))
    except (NameError, TypeError, RecursionError):
        return  # it fails when it is called, here as there
    assert shipped_value(assemble(found.pieces).source).replace("shipped.", "__main__.") == expected


@some
@given(sessions())
def test_a_capture_changes_nothing_in_the_kernel(cells: list[str]) -> None:
    kernel = kernel_after(cells)
    before = {name: id(value) for name, value in kernel.namespace.items()}
    gathered(cells, kernel)
    assert {name: id(value) for name, value in kernel.namespace.items()} == before


@some
@given(sessions())
def test_every_line_that_ships_is_a_line_of_its_cell_or_a_value_that_the_kernel_holds(cells: list[str]) -> None:
    kernel = kernel_after(cells)
    module = assemble(gathered(cells, kernel).pieces)
    texts = {f"In[{number}]": cell.split("\n") for number, cell in enumerate(cells, start=1)}
    values = {piece.text for piece in module.pieces if piece.kind == "value"}
    for text, (cell, line) in zip(module.source.splitlines(), module.lines, strict=True):
        assert not line or text + "\n" in values or " import " in f" {text}" or text in texts[cell][line - 1]


@some
@given(sessions())
def test_what_is_refused_is_refused_by_a_name_that_stands_in_the_line(cells: list[str]) -> None:
    for missing in gathered(cells, kernel_after(cells)).missing:
        assert missing.name in missing.unit.text and missing.reason


@pytest.mark.parametrize("line", range(9))
def test_a_cell_that_raises_anywhere_is_never_captured_and_runs_only_once(
    notebook: Notebook, session: Session, line: int
) -> None:
    lines = [
        "runs = globals().get('runs', 0) + 1",
        "import torch.nn as nn",
        "WIDTH = 3",
        "class Net(nn.Module):\n    width = WIDTH",
        "class Other(nn.Module): ...",
        "def helper(x): return x",
        "net = Net()",
        "print(net)",
    ]
    lines.insert(line, FAILURE)
    outcome = notebook.run("%%reson_model --class Net\n" + "\n".join(lines))
    assert isinstance(outcome.result.error_in_exec, RuntimeError)
    assert session.captures == {} and notebook.shell.user_ns.get("runs", 1) == 1
