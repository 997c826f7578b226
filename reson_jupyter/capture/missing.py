"""What to tell a user whose cell needs a name that it does not have."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from types import ModuleType

from ..errors import CaptureError
from .cell import Cell, Unit, obstacle
from .names import NOTEBOOK_ONLY, bound_in, locate

_KEPT = (bool, int, float, str, bytes, type(None))


def missing_names(
    cell: Cell, missing: Sequence[tuple[Unit, str]], namespace: Mapping[str, object], in_model: frozenset[str] = frozenset()
) -> CaptureError:
    """Returns the error for names that the shipped source needs and the cell does not supply.

    Args:
        cell: The cell.
        missing: The names, each with a statement that needs it.
        namespace: What the kernel has under which name.
        in_model: Names that ship in the model's module.
    """
    problems, hints = [], []
    for unit, name in missing:
        line, _ = locate(unit.text, name)
        where = f"line {unit.first + line - 1}"
        if name in in_model:
            problem, hint = "which ships with the model", f"Inside the method that uses it, write: from model_def import {name}"
        else:
            problem, hint = _explain(cell, name, namespace)
        owner = ", ".join(sorted(unit.names.binds)) or "what ships"
        problems.append(f"{where}: {owner} needs {name!r}, {problem}")
        hints.append(hint)
    return CaptureError(f"{cell.label}, " + "\n  ".join(problems), "\n  ".join(dict.fromkeys(hints)))


def _explain(cell: Cell, name: str, namespace: Mapping[str, object]) -> tuple[str, str]:
    """What is wrong with a name, and what to do about it."""
    if name in NOTEBOOK_ONLY:
        return "which exists only in notebooks", f"Take {name} out of what ships."
    for unit in cell.units:
        if name in unit.typing_binds:
            return f"which line {unit.first} imports for type checkers only", "Import it outside `if TYPE_CHECKING`."
        if unit.kind == "run" and name in bound_in([unit.node]):
            blocker = obstacle(unit.node) or unit.node
            reason = f"which line {unit.first} sets, in a statement that runs something (line {blocker.lineno}) and stays behind"
            return reason, f"Give {name} its value in a plain assignment at the top level of the cell."
    if name not in namespace:
        return "which is not defined anywhere", f"Define {name} in the cell."
    line = import_line(name, namespace[name])
    if line:
        return "which this cell does not import", f"add: {line}"
    value = namespace[name]
    if isinstance(value, _KEPT) and len(repr(value)) < 80:
        return "which is set in another cell", f"add: {name} = {value!r}"
    if getattr(value, "__module__", None) == "__main__" and hasattr(value, "__qualname__"):
        return "which is defined elsewhere", f"Put {name} into this cell."
    return f"which is defined elsewhere (a {type(value).__name__})", f"Put the line that makes {name} into this cell."


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
