"""How long a capture takes, beside what Python itself needs to compile the same cell.

Two cells in a session of 1,000 cells that define, use and redefine the names they need: a typical model of 40 lines, and a model
of 500 lines. A capture is everything below the magic but the model's trial on the meta device: parse, follow names through the
session, hold them against the kernel, assemble, scan for secrets. Prints medians in milliseconds; the targets are 10 and 50 ms.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable

from reson_jupyter.capture.across.inputs import Inputs, Kernel
from reson_jupyter.capture.capture import capture_cell
from reson_jupyter.capture.text.cell import parse

_CELLS = 1000
_REPEATS = 15


def _session() -> list[str]:
    """Cells as notebooks have them: imports first, helpers now and then, and most of the rest uses and plots."""
    cells = ["", "import math\nimport torch\nimport torch.nn as nn\nimport torch.nn.functional as F"]
    while len(cells) < _CELLS:
        number = len(cells)
        if number % 10 == 0:
            name = f"helper_{number // 10 % 20}"
            cells.append(f"WIDTH_{number % 7} = {number}\ndef {name}(x):\n    return F.relu(x) * {number} + math.pi\n")
        else:
            cells.append(
                f"x = torch.rand(4, {number})\nfor i in range(3):\n    y = helper_{number % 5}(x)\nprint(x.mean(), y.shape)\n"
            )
    return cells


def _model(methods: int) -> str:
    """A model's cell, four lines a method."""
    body = "".join(
        f"    def block_{number}(self, x):\n        x = helper_{number % 20}(x) + WIDTH_{(number * 10) % 7}\n"
        f"        return F.relu(self.fc(x)) * math.sqrt({number + 1})\n\n"
        for number in range(methods)
    )
    return (
        f"class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.fc = nn.Linear(4, 4)\n\n{body}"
        "    def forward(self, x):\n        return self.block_0(x)\n"
    )


def _milliseconds(work: Callable[[], object]) -> float:
    times = []
    for _ in range(_REPEATS):
        begun = time.perf_counter()
        work()
        times.append((time.perf_counter() - begun) * 1000)
    return statistics.median(times)


def main() -> None:
    """Prints one line for each cell."""
    cells = _session()
    namespace: dict[str, object] = {"__name__": "__main__"}
    for number, cell in enumerate(cells):
        if number == 1 or number % 10 == 0:
            exec(compile(cell, f"<{number}>", "exec", dont_inherit=True), namespace)
    for title, methods, target in (("typical cell", 8, 10), ("500 lines", 124, 50)):
        cell = _model(methods)
        exec(compile(cell, "<model>", "exec", dont_inherit=True), namespace)
        history = [*cells, cell]
        inputs = Inputs(lambda history=history: history, lambda text, number, future: parse(text, f"In[{number}]", number=number))  # type: ignore[misc]
        begun = time.perf_counter()
        inputs.update()
        indexed = (time.perf_counter() - begun) * 1000
        kernel = Kernel(namespace, inputs)

        def capture(cell: str = cell, kernel: Kernel = kernel) -> object:
            return capture_cell("model", parse(cell, "In[1000]", number=_CELLS), kernel)

        first = _milliseconds_once(capture)
        took, compiled = _milliseconds(capture), _milliseconds(lambda cell=cell: compile(cell, "<cell>", "exec"))  # type: ignore[misc]
        print(
            f"{title}, {cell.count(chr(10))} lines: {took:.1f} ms (the first time {first:.1f} ms; target {target} ms), "
            f"{took / compiled:.1f} times a compilation ({compiled:.2f} ms); all {_CELLS} cells indexed in {indexed:.0f} ms"
        )
        if first > target:
            print(f"  over the target of {target} ms", file=sys.stderr)


def _milliseconds_once(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) * 1000


if __name__ == "__main__":
    main()
