"""Which statement of which cell gave a name its value, as far as the kernel's inputs and what it holds now can tell."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from types import FunctionType

from ..text.cell import Cell, Unit, is_setattr
from ..text.live import code_of, differs, files_of
from ..text.names import bound_name
from ..text.reach import is_star
from .inputs import Inputs, Kernel, binds
from .values import literal

Binder = tuple[Cell, Unit]


class Problem(Exception):
    """Why a name cannot be shipped, as a clause, and what to do."""


class Bindings:
    """The last binding of each name.

    Args:
        own: The cell that is captured.
        kernel: What the kernel has, and the cells it has run.
        ran_just_now: Whether nothing has run since `own`, so that its definitions are the present ones.
    """

    def __init__(self, own: Cell, kernel: Kernel, ran_just_now: bool) -> None:
        self._own = own
        self._kernel = kernel
        self._fresh = ran_just_now
        self._files: list[Cell] = []
        self._known: dict[str, Binder | None] = {}

    def is_fresh(self, number: int) -> bool:
        """Whether a cell is the captured one and has just run."""
        return self._fresh and number == self._own.number

    def add_file(self, file: Cell) -> None:
        """Adds a file that the kernel ran; it may bind what no cell does."""
        self._files.append(file)
        self._known.clear()

    def last(self, name: str) -> Binder | None:
        """Returns the statement that gave a name the value that the kernel has, and its cell; None if no cell did.

        Raises:
            Problem: it is the definition of a cell that failed.
        """
        if name not in self._known:
            self._known[name] = self._find(name)
        return self._known[name]

    def number(self, name: str) -> int | None:
        """Returns the number of the cell that `last` gives, None too if that has a problem."""
        try:
            binder = self.last(name)
        except Problem:
            return None
        return binder[0].number if binder else None

    def before(self, name: str, number: int) -> Unit | None:
        """Returns the statement that gave a name its value when a cell had run."""
        for cell in self._kernel.inputs.binding(name):
            if cell.number <= number and not self._kernel.inputs.failed(cell.number):
                return _binding_unit(cell, name)
        return None

    def changed_in_place(self, name: str, after: int) -> Iterator[Cell]:
        """Yields the later cells that changed a name's object, other than by definitions that nobody may have called."""
        for cell, unit in self._kernel.inputs.changing(name, after):
            if unit.kind not in ("function", "class") and name in unit.names.changes:
                yield cell

    def _find(self, name: str) -> Binder | None:
        value = self._kernel.namespace.get(name)
        origin = compiled_in(self._kernel.inputs, name, value)
        if origin and self._kernel.inputs.failed(origin[0].number) and not self.is_fresh(origin[0].number):
            label = origin[0].label
            raise Problem(f"which {label} defines, and {label} failed", f"Correct {label} and run it again.")
        if origin:
            return (self._own, _binding_unit(self._own, name)) if origin[0].number == self._own.number else origin
        latest: Binder | None = None
        failed: Binder | None = None  # the last of a cell that failed, which may have set the name before that
        for cell in self._candidates(name):
            unit = _binding_unit(cell, name)
            has_failed = self._kernel.inputs.failed(cell.number)
            if unit.kind in ("function", "class") and not self.is_fresh(cell.number):
                if differs(unit, value, set_by(cell, name)):
                    # Perhaps it was not reached, or bound nothing (%%timeit): an earlier one may say what the kernel has.
                    latest = latest or (None if has_failed else (cell, unit))
                elif has_failed:
                    failed = failed or (cell, unit)
                elif failed is None or code_of(value) or isinstance(value, type):
                    return cell, unit
            elif unit.kind == "import" and given_by(unit, name) is value and not latest:
                return cell, unit
            elif has_failed:
                failed = failed or (cell, unit)
            else:
                latest = latest or (cell, unit)
                break
        if failed is None or (latest and latest[0].number > failed[0].number):
            return latest
        if literal(value, self._kernel.namespace):
            return failed
        label, verb = failed[0].label, "defines" if failed[1].kind in ("function", "class") else "sets"
        raise Problem(f"which {label} {verb}, and {label} failed", f"Correct {label} and run it again.")

    def _candidates(self, name: str) -> Iterator[Cell]:
        own = self._own
        if any(binds(unit, name) for unit in own.units) and (self._fresh or not own.number):
            yield own
        yield from (cell for cell in self._kernel.inputs.binding(name) if cell.number != own.number or not self._fresh)
        yield from (file for file in self._files if any(binds(unit, name) for unit in file.units))


def compiled_in(inputs: Inputs, name: str, value: object) -> Binder | None:
    """Returns the definition of a function or class by the cell that its code was compiled in: surer than any comparison.

    If that cell failed, and another that did not has the very same definition, then the other.
    """
    files = files_of(value) if isinstance(value, type | FunctionType) and value.__name__ == name else set()
    cell = inputs.compiled_in(next(iter(files))) if len(files) == 1 else None
    if cell is None or not any(name in unit.names.binds for unit in cell.units):
        return None
    unit = _binding_unit(cell, name)
    if unit.kind not in ("function", "class"):
        return None
    for other in inputs.binding(name) if inputs.failed(cell.number) else ():
        twin = _binding_unit(other, name)
        if not inputs.failed(other.number) and ast.dump(twin.node) == ast.dump(unit.node):
            return other, twin
    return cell, unit


def set_by(cell: Cell, name: str) -> frozenset[str]:
    """Returns the attributes of a class that other statements of its cell set."""
    return frozenset(attribute for unit in cell.units for attribute in _set_attributes(unit.node, name))


def given_by(unit: Unit, name: str) -> object:
    """Returns what an import statement would give for a name in this process now; None if only importing could tell."""
    node = unit.node
    if isinstance(node, ast.Import):
        alias = next(alias for alias in node.names if bound_name(alias) == name)
        return sys.modules.get(alias.name if alias.asname else name)
    if not isinstance(node, ast.ImportFrom) or node.level:
        return None
    module = sys.modules.get(node.module or "")
    origin = name if is_star(unit) else next(alias.name for alias in node.names if bound_name(alias) == name)
    return vars(module).get(origin) if module else None


def _binding_unit(cell: Cell, name: str) -> Unit:
    return [unit for unit in cell.units if binds(unit, name)][-1]


def _set_attributes(node: ast.stmt, name: str) -> Iterator[str]:
    """The attributes of `name` that an assignment, or a `setattr`, sets."""
    if is_setattr(node) and isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        target, attribute = node.value.args[:2]
        if isinstance(target, ast.Name) and target.id == name and isinstance(attribute, ast.Constant):
            yield str(attribute.value)
    for target in getattr(node, "targets", [getattr(node, "target", None)]):
        if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == name:
            yield target.attr
