"""What the kernel has otherwise than the sites will, because of a statement that stays behind or of another cell."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator, Mapping
from types import BuiltinFunctionType, FunctionType, ModuleType

from .cell import Cell, Unit
from .names import right_side, root_name
from .reach import Reach

# Calls of these leave their arguments as they are.
_READERS = frozenset({"print", "display", "len", "repr", "str", "type", "isinstance", "id", "sum", "min", "max", "sorted"})


def unseen_changes(cell: Cell, reached: Reach, namespace: Mapping[str, object]) -> Iterator[tuple[Unit, str, bool]]:
    """Yields the statements that stay behind although they change a value that ships, its name, and whether that is certain."""
    values = {name: unit for unit in reached.units if unit.kind in ("constant", "block") for name in unit.names.binds}
    defined = {name for unit in reached.units if unit.kind in ("class", "function") for name in unit.names.binds}
    later = {name for unit in reached.units for name in unit.names.later & reached.wanted}
    mutable = {name for name in values if _is_mutable(namespace.get(name)) and not _is_said(values[name], namespace.get(name))}
    functions = {unit.node.name: unit for unit in cell.units if isinstance(unit.node, ast.FunctionDef)}
    shipped = {unit.first for unit in reached.units}
    for unit in cell.units:
        if unit.first in shipped or unit.kind not in ("run", "constant"):
            continue
        changed: frozenset[str] = frozenset()
        if unit.kind == "run":
            by_calls = _changed_by_calls(unit.node, functions)
            changed = (unit.names.changes & (values.keys() | defined)) | (unit.names.binds & values.keys())
            changed |= by_calls & (values.keys() | defined | later)
        yield from ((unit, name, True) for name in sorted(changed))
        for name in sorted(_handed_out(unit.node, mutable - changed, _READERS | defined)):
            yield unit, name, evaluated(values[name].node) is not None


def unseen_warnings(cell: Cell, reached: Reach, namespace: Mapping[str, object]) -> list[str]:
    """Returns a warning for each of the unseen changes."""
    sentences = {
        True: "{place} changes {name} and stays behind; the sites have {name} without that change",
        False: "{place} uses {name} and stays behind; a change that it makes to {name} does not ship",
    }
    return [
        sentences[certain].format(place=f"{cell.label}, line {unit.first}", name=name)
        for unit, name, certain in unseen_changes(cell, reached, namespace)
    ]


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


def _changed_by_calls(node: ast.stmt, functions: Mapping[str, Unit]) -> set[str]:
    """The names that the cell's functions change or set when a statement calls them, directly or through one another."""
    changed, seen, todo = set[str](), set[str](), [node]
    while todo:
        called = {
            inner.func.id for inner in ast.walk(todo.pop()) if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name)
        }
        for name in (called & functions.keys()) - seen:
            seen.add(name)
            changed |= functions[name].names.changes | functions[name].names.later
            todo.append(functions[name].node)
    return changed


def evaluated(node: ast.stmt) -> tuple[object] | None:
    """Returns the value that an assignment to one name says, if it is written out in full."""
    side = right_side(node)
    try:
        return (ast.literal_eval(side),) if side else None
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None


def _is_said(unit: Unit, value: object) -> bool:
    """Whether a value is what its assignment says, so that nothing has changed it."""
    said = evaluated(unit.node)
    return said is not None and type(said[0]) is type(value) and repr(said[0]) == repr(value)


def _is_mutable(value: object) -> bool:
    fixed = (type, FunctionType, BuiltinFunctionType, ModuleType)
    traits = ("__setitem__", "__dict__", "__next__")
    return not isinstance(value, fixed) and any(hasattr(value, trait) for trait in traits)


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
