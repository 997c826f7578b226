"""What the kernel has otherwise than the sites will, because of a statement that stays behind or of another cell."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterable, Iterator, Mapping
from types import BuiltinFunctionType, FunctionType, ModuleType

from ..text.cell import DEFINITION, Cell, Unit
from ..text.live import differs
from ..text.names import SUPPLIED, reads_first, right_side, root_name
from ..text.reach import Reach
from .bindings import set_by

# Calls of these leave their arguments as they are.
_READERS = frozenset({"print", "display", "len", "repr", "str", "type", "isinstance", "id", "sum", "min", "max", "sorted"})


def unseen_changes(cell: Cell, reached: Reach, namespace: Mapping[str, object]) -> Iterator[tuple[Unit, str, bool]]:
    """Yields the statements that stay behind although they change a value that ships, its name, and whether that is certain."""
    values = {name: unit for unit in reached.units if unit.kind in ("constant", "block") for name in unit.names.binds}
    defined = {name for unit in reached.units if unit.kind in ("class", "function") for name in unit.names.binds}
    later = {name for unit in reached.units for name in unit.names.later & reached.wanted}
    mutable = {name for name in values if _is_mutable(namespace.get(name)) and not _is_said(values[name], namespace.get(name))}
    functions = {unit.node.name: unit for unit in cell.units if isinstance(unit.node, ast.FunctionDef)}
    changed_by_what_ships = {name for unit in reached.units for name in unit.names.changes}
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
            yield unit, name, name not in changed_by_what_ships and evaluated(values[name].node) is not None


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


def reads_of_earlier_meanings(cell: Cell, reached: Reach) -> Iterator[tuple[Unit, str]]:
    """Yields the statements that ship and that read a name before their own cell binds it: what an earlier cell made of it."""
    bound_here = {name for unit in reached.units for name in unit.names.binds}
    shipped = {unit.first for unit in reached.units}
    so_far = set[str]()
    for unit in cell.units:
        if unit.first in shipped and not _asks_for_names(unit.node):
            for name in sorted((unit.names.now & bound_here) - so_far - SUPPLIED):
                at_once = isinstance(unit.node, DEFINITION) or name not in unit.names.binds
                if at_once or reads_first(unit.text, name) or _reads_after_failure(unit.node, name):
                    yield unit, name
        so_far |= unit.names.binds


def _reads_after_failure(node: ast.stmt, name: str) -> bool:
    """Whether a handler reads a name that only the statements before the failure would have bound."""
    read = (inner for handler in getattr(node, "handlers", ()) for inner in ast.walk(handler) if isinstance(inner, ast.Name))
    return any(inner.id == name and isinstance(inner.ctx, ast.Load) for inner in read)


def _asks_for_names(node: ast.stmt) -> bool:
    """Whether a statement is prepared for a name that is not there."""
    handlers = node.handlers if isinstance(node, ast.Try) else []
    return any(one.type is None or re.search(r"\b(NameError|Exception)\b", ast.unparse(one.type)) for one in handlers)


def reads_before_a_change(cell: Cell, reached: Reach, names: Iterable[str]) -> Iterator[tuple[Unit, str]]:
    """Yields the statements that ship and that read one of the names before the cell changes it for the last time."""
    wanted = frozenset(names)
    last = {name: unit.first for unit in cell.units for name in (unit.names.binds | unit.names.changes) & wanted}
    for unit in reached.units:
        yield from ((unit, name) for name in sorted(unit.names.now & wanted) if unit.first < last.get(name, 0))


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
    if getattr(value, "__wrapped__", value) is builtin:
        return False
    module = getattr(value, "__module__", None) or type(value).__module__
    return value is not builtin and not str(module).startswith(("IPython", "ipykernel"))


def changed_classes(cell: Cell, reached: Reach, namespace: Mapping[str, object]) -> list[str]:
    """Returns a warning for each class that ships and that is not what its body says, because a call changed it."""
    warnings = []
    for unit in reached.units:
        if isinstance(unit.node, ast.ClassDef) and unit.node.name in namespace and not unit.node.decorator_list:
            part = differs(unit, namespace[unit.node.name], set_by(cell, unit.node.name))
            if part:
                warnings.append(f"{cell.label}, line {unit.first}: {part} is not what the class says; that does not ship")
    return warnings


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
    mentioned = (inner for inner in ast.walk(node) if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Load))
    return {inner.id for inner in mentioned if inner.id in names and id(inner) not in read_only}
