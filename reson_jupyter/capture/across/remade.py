"""Classes that are not what their body says because a decorator has made something else of them."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from ..text.cell import Cell, Unit
from ..text.live import differs
from ..text.reach import Reach
from .bindings import Problem, set_by
from .missing import Missing


def remade(cell: Cell, unit: Unit, value: object) -> Problem | None:
    """Returns why a decorated class cannot be held against its text, whose body then says something else; None if it can.

    Args:
        cell: The cell of the statement.
        unit: A statement.
        value: What the kernel has under its name.
    """
    node = unit.node
    if not isinstance(node, ast.ClassDef) or not node.decorator_list:
        return None
    part = differs(unit, value, set_by(cell, node.name))
    if part is None:
        return None
    place, name = f"{cell.label}, line {unit.first}", node.name
    plain = f"{name}Plain"
    apart = f"class {plain} without the decorator, and below it {name} = {_applied(node, plain)}"
    if not isinstance(value, type):
        what = f"its decorator ({place}) has made it an object of type {type(value).__name__}"
        return Problem(f"because {what}", f"Write it as two, in the cell that is captured: {apart}.")
    if any(base.__name__ == name and differs(unit, base) is None for base in value.__mro__[1:]):
        what = f"its decorator ({place}) has returned another class, {value.__name__}"
        return Problem(
            f"because {what}",
            f"Have the decorator return the class that it is given. Or write it as two, in the cell that is captured: {apart}; "
            f"if that is the class to capture, name it: --class {name} behind the magic.",
        )
    return Problem(
        f"because {part} is not the one of the class's body ({place}): its decorator, or what ran since, has put another there",
        "If it is the decorator that wraps the method, have it do so with functools.wraps; else run the cell again.",
    )


def remade_here(cell: Cell, found: Reach, namespace: Mapping[str, object]) -> Iterator[Missing]:
    """Yields such classes among what ships of a cell that has just run."""
    last = {name: unit.first for unit in cell.units for name in unit.names.binds}
    for unit in found.units:
        name = getattr(unit.node, "name", "")
        if name in namespace and last.get(name) == unit.first and (problem := remade(cell, unit, namespace[name])):
            yield Missing(cell.label, unit, name, *problem.args)


def _applied(node: ast.ClassDef, name: str) -> str:
    """The decorators written as calls: `one(two(3)(Net))`."""
    text = name
    for decorator in reversed(node.decorator_list):
        text = f"{ast.unparse(decorator)}({text})"
    return text
