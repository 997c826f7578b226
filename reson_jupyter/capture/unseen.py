"""What the kernel has otherwise than the sites will, because of a statement that stays behind or of another cell."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Mapping
from types import BuiltinFunctionType, FunctionType, ModuleType

from .cell import Cell, Unit
from .names import root_name
from .reach import Reach

# Calls of these leave their arguments as they are.
_READERS = frozenset({"print", "display", "len", "repr", "str", "type", "isinstance", "id", "sum", "min", "max", "sorted"})


def unseen_changes(cell: Cell, reached: Reach, namespace: Mapping[str, object]) -> list[str]:
    """Returns warnings of statements that stay behind although they change, or may change, a value that ships."""
    made = {name for unit in reached.units if unit.kind in ("constant", "block") for name in unit.names.binds}
    defined = {name for unit in reached.units if unit.kind in ("class", "function") for name in unit.names.binds}
    mutable = {name for name in made if _is_mutable(namespace.get(name))}
    shipped = {unit.first for unit in reached.units}
    warnings = []
    for unit in cell.units:
        if unit.first in shipped or unit.kind not in ("run", "constant"):
            continue
        changed = (unit.names.changes | unit.names.binds) & made if unit.kind == "run" else set()
        for name in sorted(changed):
            warnings.append(f"line {unit.first} changes {name} and stays behind; the sites have {name} without that change")
        for name in sorted(_handed_out(unit.node, mutable - changed, _READERS | defined)):
            warnings.append(f"line {unit.first} uses {name} and stays behind; a change that it makes to {name} does not ship")
    return warnings


def shadowed_builtins(reached: Reach, namespace: Mapping[str, object]) -> list[tuple[Unit, str]]:
    """Returns the names that another cell has given a meaning, but that would be Python's own builtins on the sites."""
    bound = {name for unit in reached.units for name in unit.names.binds | unit.names.later}
    return [
        (unit, name)
        for unit in reached.units
        for name in sorted(unit.names.needs - bound)
        # Every module has its own __name__ and the like.
        if not name.startswith("__")
        and hasattr(builtins, name)
        and name in namespace
        and _is_users(namespace[name], getattr(builtins, name))
    ]


def _is_users(value: object, builtin: object) -> bool:
    """Whether the kernel's meaning of a builtin's name is the user's; IPython itself replaces a few, such as `open`."""
    module = getattr(value, "__module__", None) or type(value).__module__
    return value is not builtin and not str(module).startswith(("IPython", "ipykernel"))


def _is_mutable(value: object) -> bool:
    fixed = (type, FunctionType, BuiltinFunctionType, ModuleType)
    return not isinstance(value, fixed) and (hasattr(value, "__setitem__") or hasattr(value, "__dict__"))


def _handed_out(node: ast.stmt, names: set[str], harmless: frozenset[str] | set[str]) -> set[str]:
    """Those of `names` that a statement mentions other than as an argument of a harmless call."""
    read_only = {
        id(inner)
        for call in ast.walk(node)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and root_name(call.func) in harmless
        for argument in (*call.args, *(keyword.value for keyword in call.keywords))
        for inner in ast.walk(argument)
    }
    return {
        inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name) and inner.id in names and id(inner) not in read_only
    }
