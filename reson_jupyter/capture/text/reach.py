"""Which statements of a cell a definition reaches."""

from __future__ import annotations

import ast
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from .cell import Kind, Unit, is_setattr
from .names import SUPPLIED, bound_name, root_name

_MADE_HERE = frozenset({"function", "class", "constant", "block"})


@dataclass(frozen=True)
class Reach:
    """What ships of a cell.

    Attributes:
        units: The statements that ship, in order.
        wanted: Every name that they mention or that was asked for.
        missing: For each name that no statement of the cell supplies, the first statement that needs it.
    """

    units: tuple[Unit, ...]
    wanted: frozenset[str]
    missing: tuple[tuple[Unit, str], ...]


def reach(units: Iterable[Unit], targets: Iterable[str], elsewhere: Collection[str] = ()) -> Reach:
    """Returns what the definitions called `targets` need of `units`, themselves included.

    What ships reaches itself again and nothing more, so that the module, captured once more, gives itself.

    Args:
        units: The statements of a cell.
        targets: The names that are asked for.
        elsewhere: Names that have their present value from another cell; what `units` made of them is not it.
    """
    known = tuple(unit for unit in units if unit.kind not in ("run", "future"))
    while True:
        found = _Search(known, elsewhere).run(targets)
        if len(found.units) == len(known):
            return found
        known = found.units


class _Search:
    """One pass from the targets over everything they need."""

    def __init__(self, units: tuple[Unit, ...], elsewhere: Collection[str]) -> None:
        self._units = units
        self._elsewhere = elsewhere
        self._providers: dict[str, list[int]] = {}
        for index, unit in enumerate(units):
            for name in (unit.names.binds | unit.typing_binds | (star_exports(unit) or frozenset())).difference(elsewhere):
                self._providers.setdefault(name, []).append(index)
        self._reached: dict[int, frozenset[str]] = {}

    def run(self, targets: Iterable[str]) -> Reach:
        wanted, chosen, todo = set(targets), set[int](), sorted(targets)
        while todo:
            for index in self._supply(todo.pop()):
                if index not in chosen:
                    chosen.add(index)
                    self._want(index, wanted, todo)
            if not todo:
                for index in self._registered(chosen):
                    chosen.add(index)
                    self._want(index, wanted, todo)
        units = tuple(self._units[index] for index in sorted(chosen))
        return Reach(units, frozenset(wanted), tuple(self._missing(units)))

    def _want(self, index: int, wanted: set[str], todo: list[str]) -> None:
        names = self._units[index].names
        todo.extend(sorted((names.needs | names.hints) - wanted))
        wanted |= names.needs | names.hints

    def _supply(self, name: str) -> list[int]:
        """The statements that give `name` its value: all that bind it, but for those whose value nothing can have seen."""
        direct = self._providers.get(name, [])
        if name in self._elsewhere:
            return []
        if not direct:
            later = [index for index, unit in enumerate(self._units) if name in unit.names.later]
            return later or ([] if name in SUPPLIED else self._unknown_stars())
        return [index for index in direct if not any(self._hides(index, other, name) for other in direct if other > index)]

    def _unknown_stars(self) -> list[int]:
        return [index for index, unit in enumerate(self._units) if is_star(unit) and star_exports(unit) is None]

    def _hides(self, index: int, other: int, name: str) -> bool:
        """Whether `other` binds `name` anew in every case, with nothing between that could have used the value of `index`."""
        if self._units[other].kind == "block" or _loads_submodule(self._units[index].node, name):
            return False
        return not any(_runs(self._units[between]) and name in self._reaches(between) for between in range(index + 1, other + 1))

    def _reaches(self, index: int) -> frozenset[str]:
        """All names that a statement needs, directly or through what it uses."""
        if index not in self._reached:
            names, seen, todo = set[str](), {index}, [index]
            while todo:
                for name in self._units[todo.pop()].names.needs - names:
                    names.add(name)
                    new = [provider for provider in self._providers.get(name, []) if provider not in seen]
                    seen.update(new)
                    todo.extend(new)
            self._reached[index] = frozenset(names)
        return self._reached[index]

    def _registered(self, chosen: set[int]) -> list[int]:
        """Statements that nothing mentions by name but that change what ships: `X[0] = 1`, `Net.forward = f`, `@register`."""
        made = {
            name: self._units[index].kind
            for index in sorted(chosen)
            if self._units[index].kind in _MADE_HERE
            for name in self._units[index].names.binds
        }
        state = {name for name, kind in made.items() if kind == "constant"}
        packages = {package for index in chosen for package in _packages(self._units[index].node)}
        return [
            index
            for index, unit in enumerate(self._units)
            if index not in chosen
            and (
                assigned_parts(unit.node) & made.keys()
                or self._is_registered(unit.node, made, state)
                or self._is_noted(unit.node, made)
                or self._is_patch(unit.node, packages)
            )
        ]

    def _is_registered(self, node: ast.stmt, made: Mapping[str, Kind], state: set[str]) -> bool:
        """Whether a decorator is, or belongs to, something that ships and may keep what it decorates."""
        for decorator in getattr(node, "decorator_list", []):
            called = decorator.func if isinstance(decorator, ast.Call) else decorator
            name = root_name(called) or ""
            if name in state or (name in made and isinstance(called, ast.Attribute)):
                return True
            for index in self._providers.get(name, []):
                reached = [index, *(other for needed in self._reaches(index) for other in self._providers.get(needed, []))]
                if self._units[index].kind == "function" and any(self._units[other].names.changes & state for other in reached):
                    return True
        return False

    def _is_noted(self, node: ast.stmt, made: Mapping[str, Kind]) -> bool:
        """Whether a class inherits from one that ships and is told of its subclasses."""
        for name in filter(None, map(root_name, getattr(node, "bases", []))):
            for index in self._providers.get(name, []) if made.get(name) == "class" else []:
                if any(getattr(inner, "name", "") == "__init_subclass__" for inner in ast.walk(self._units[index].node)):
                    return True
        return False

    def _is_patch(self, node: ast.stmt, packages: set[str]) -> bool:
        """Whether an assignment hangs a function or class of the cell into a class of a library that what ships imports."""
        target = node.targets[0] if isinstance(node, ast.Assign) else None
        if not isinstance(node, ast.Assign) or not isinstance(target, ast.Attribute):
            return False
        givers = self._providers.get(root_name(target) or "", [])
        if not any(packages & _packages(self._units[index].node) for index in givers):
            return False
        values = self._providers.get(node.value.id, []) if isinstance(node.value, ast.Name) else []
        return isinstance(node.value, ast.Lambda) or any(self._units[index].kind in ("function", "class") for index in values)

    def _missing(self, units: tuple[Unit, ...]) -> Iterator[tuple[Unit, str]]:
        seen = set[str]()
        for unit in units:
            for name in sorted(unit.names.needs - seen):
                real = [index for index in self._supply(name) if name not in self._units[index].typing_binds]
                if not real and name not in SUPPLIED:
                    seen.add(name)
                    yield unit, name


def is_star(unit: Unit) -> bool:
    """Whether a statement is `from module import *`."""
    return isinstance(unit.node, ast.ImportFrom) and unit.node.names[0].name == "*"


def star_exports(unit: Unit) -> frozenset[str] | None:
    """Returns the names that a star import gives in this process; None if it is none, or its module is not loaded."""
    if not isinstance(unit.node, ast.ImportFrom) or not is_star(unit):
        return None
    module = sys.modules.get(unit.node.module or "")
    if module is None:
        return None
    names = getattr(module, "__all__", None)
    return frozenset(names if names is not None else (name for name in vars(module) if not name.startswith("_")))


def import_names(unit: Unit, wanted: frozenset[str]) -> tuple[str, ...]:
    """Returns what an import statement gives of the names that are wanted."""
    if not isinstance(unit.node, ast.Import | ast.ImportFrom):
        return ()
    if is_star(unit):
        exports = star_exports(unit)
        return tuple(sorted(wanted if exports is None else exports & wanted))
    return tuple(name for alias in unit.node.names if (name := bound_name(alias)) in wanted)


def _packages(node: ast.stmt) -> set[str]:
    """The outermost packages that an import statement imports from."""
    if isinstance(node, ast.Import):
        return {alias.name.split(".")[0] for alias in node.names}
    return {(node.module or "").split(".")[0]} if isinstance(node, ast.ImportFrom) else set()


def _loads_submodule(node: ast.stmt, name: str) -> bool:
    """Whether a statement is `import name.more`, whose use is also in what it loads."""
    return isinstance(node, ast.Import) and any(alias.name.startswith(f"{name}.") for alias in node.names)


def _runs(unit: Unit) -> bool:
    """Whether anything is evaluated when the statement is met; a plain `def` only stores its body."""
    if not isinstance(unit.node, ast.FunctionDef | ast.AsyncFunctionDef):
        return True
    arguments = unit.node.args
    return bool(unit.node.decorator_list or arguments.defaults or any(arguments.kw_defaults))


def assigned_parts(node: ast.stmt) -> set[str | None]:
    """Returns the names of which an assignment changes a part: X in `X[0] = 1` and `X.a.b = 1`."""
    if is_setattr(node):
        return {root_name(node.value.args[0])}  # type: ignore[attr-defined]
    targets: list[ast.expr | None] = getattr(node, "targets", []) or [getattr(node, "target", None)]
    return {root_name(target) for target in targets if isinstance(target, ast.Attribute | ast.Subscript)}
