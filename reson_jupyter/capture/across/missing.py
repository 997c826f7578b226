"""What to tell a user whose cell needs a name that it does not have."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType

from ...errors import CaptureError
from ..text.cell import Cell, Unit, obstacle
from ..text.names import NOTEBOOK_ONLY, bound_in, locate

# Names that people mean these imports by.
USUAL = {
    "torch": "import torch",
    "nn": "import torch.nn as nn",
    "F": "import torch.nn.functional as F",
    "optim": "import torch.optim as optim",
    "np": "import numpy as np",
    "DataLoader": "from torch.utils.data import DataLoader",
    "Dataset": "from torch.utils.data import Dataset",
}


@dataclass(frozen=True)
class Missing:
    """A name that what ships needs, and that cannot ship.

    Attributes:
        cell: Label of the cell in which it is needed.
        unit: The statement that needs it.
        name: The name.
        reason: A clause that says what it is or what became of it.
        hint: What to do; "" if the reason says it.
    """

    cell: str
    unit: Unit
    name: str
    reason: str
    hint: str


def missing_names(missing: Sequence[Missing]) -> CaptureError:
    """Returns the error for names that the shipped source needs and nothing supplies."""
    problems = []
    for one in missing:
        line, column = locate(one.unit.text, one.name)
        place = f"{one.cell}, line {one.unit.first + line - 1}, column {column + 1}"
        owner = ", ".join(sorted(one.unit.names.binds)) or "what ships"
        needs = f"{owner} cannot ship" if one.name in one.unit.names.binds else f"{owner} needs {one.name!r}"
        problems.append(f"{place}: {needs}, {one.reason}")
    return CaptureError("\n  ".join(problems), "\n  ".join(dict.fromkeys(one.hint for one in missing if one.hint)) or None)


def undefined(cell: Cell, name: str, of_notebook: bool = False) -> tuple[str, str]:
    """Returns what to say of a name that the kernel does not have, or that only a notebook has."""
    if of_notebook or name in NOTEBOOK_ONLY:
        return "which exists only in notebooks", f"Take {name} out of what ships."
    for unit in cell.units:
        if name in unit.typing_binds:
            line = f"which line {unit.first} imports for type checkers only"
            return line, f"Import {name} outside `if TYPE_CHECKING`."
        if unit.kind == "run" and name in bound_in([unit.node]):
            blocker = obstacle(unit.node) or unit.node
            reason = f"which gets its value in line {unit.first}, in a statement that runs something (line {blocker.lineno})"
            return f"{reason} and stays behind", f"Give {name} its value in a plain assignment at the top level of the cell."
    hint = (
        f"add: {USUAL[name]}, or put --fix behind the magic to have it added" if name in USUAL else f"Define {name} in the cell."
    )
    return "which is not defined anywhere", hint


def import_line(name: str, value: object) -> str | None:
    """Returns the import statement that gives `value` the name `name`; None if there is none."""
    if isinstance(value, ModuleType):
        path = value.__name__
        return None if path == "__main__" else f"import {path}" if path == name else f"import {path} as {name}"
    home, own = getattr(value, "__module__", None), getattr(value, "__name__", None)
    if not isinstance(home, str) or not isinstance(own, str) or home in ("__main__", "builtins"):
        return None
    parts = home.split(".")
    # The shortest path is the public one: torch.utils.data.DataLoader, not torch.utils.data.dataloader.DataLoader.
    for length in range(1, len(parts) + 1):
        path = ".".join(parts[:length])
        if getattr(sys.modules.get(path), own, None) is value:
            return f"from {path} import {own}" + (f" as {name}" if own != name else "")
    return None
