"""What a definition needs of other cells: found in the kernel's inputs, and held against what the kernel has now."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from types import MappingProxyType, ModuleType

from ..text.cell import Cell, Unit
from ..text.module import Piece, pieces_of
from ..text.ordering import in_order
from ..text.reach import Reach, reach
from .bindings import Bindings, Problem
from .homes import Homes
from .inputs import Kernel, binds
from .missing import Missing
from .remade import remade_here
from .unseen import reads_before_a_change, reads_of_earlier_meanings, shadowed_builtins, unseen_changes
from .values import literal


@dataclass(frozen=True)
class Gathered:
    """What ships, and what is in the way.

    Attributes:
        pieces: What ships, in an order in which it can be imported.
        reached: For each cell that gives something, what of it ships.
        missing: The names that cannot be shipped.
    """

    pieces: tuple[Piece, ...]
    reached: tuple[tuple[Cell, Reach], ...]
    missing: tuple[Missing, ...]


def gather(
    cell: Cell,
    targets: list[str],
    kernel: Kernel,
    *,
    ran_just_now: bool = True,
    lent: Mapping[str, Piece | None] = MappingProxyType({}),
    fix: bool = False,
) -> Gathered:
    """Gathers what the definitions called `targets` need, from their cell and from others.

    Args:
        cell: The cell that defines the targets.
        targets: Their names.
        kernel: What the kernel has, and the cells it has run.
        ran_just_now: Whether nothing has run since `cell`, so that its definitions are the present ones.
        lent: Names that ship with the model: None where both share a module, else the import that fetches the name.
        fix: Whether to supply imports that no cell has.
    """
    bindings = Bindings(cell, kernel, ran_just_now)
    return _Search(cell, kernel, bindings, Homes(cell, kernel, bindings, lent, fix)).run(targets)


class _Search:
    def __init__(self, cell: Cell, kernel: Kernel, bindings: Bindings, sources: Homes) -> None:
        self._own = cell
        self._kernel = kernel
        self._bindings = bindings
        self._sources = sources
        self._cells = {cell.number: cell}
        # Where each name comes from: the number of a cell, a piece of its own, or None for what is lent or missing.
        self._homes: dict[str, int | Piece | None] = {}
        self._missing: list[Missing] = []

    def run(self, targets: list[str]) -> Gathered:
        wanted = {self._own.number: set(targets)}
        for target in targets if not self._bindings.is_fresh(self._own.number) else ():
            unit = [unit for unit in self._own.units if target in unit.names.binds][-1]
            self._settle(target, self._own, unit, wanted)
        while True:
            reached = {
                number: reach(self._cells[number].units, names, self._elsewhere(number)) for number, names in wanted.items()
            }
            settled = len(self._homes)
            for number, found in reached.items():
                for unit, name in self._open_names(number, found):
                    self._settle(name, self._cells[number], unit, wanted)
            if len(self._homes) == settled:
                break
        loose = [piece for piece in self._homes.values() if isinstance(piece, Piece)]
        for number, found in reached.items():
            self._missing += self._outdated(self._cells[number], found)
            self._missing += self._overwritten(self._cells[number], found)
            if number > 0 and self._bindings.is_fresh(number):  # of others `Homes` says it; a file cannot have changed since
                self._missing += remade_here(self._cells[number], found, self._kernel.namespace)
        parts = {number: [*map(self._with_extra, pieces_of(self._cells[number], found))] for number, found in reached.items()}
        loose += self._submodules([*loose, *chain.from_iterable(parts.values())])
        pairs = tuple((self._cells[number], found) for number, found in sorted(reached.items()))
        return Gathered(in_order(parts, loose), pairs, tuple(self._missing))

    def _with_extra(self, piece: Piece) -> Piece:
        extra = [self._sources.extra[name] for name in piece.names if name in self._sources.extra]
        return replace(piece, needs=piece.needs.union(*extra)) if extra else piece

    def _submodules(self, pieces: list[Piece]) -> list[Piece]:
        """Imports such as `import xml.dom` of other cells: they bind the same name as `import xml.etree`, and both are needed."""
        names = {name for piece in pieces if piece.kind == "import" for name in piece.names}
        found: dict[str, Piece] = {}
        for name in sorted(names):
            for cell in self._kernel.inputs.binding(name):
                for unit in cell.units:
                    for alias in unit.node.names if isinstance(unit.node, ast.Import) and binds(unit, name) else ():
                        used = any(alias.name in piece.text for piece in pieces if piece.kind != "import")
                        text = f"import {alias.name}\n"
                        if alias.name.startswith(f"{name}.") and not alias.asname and used:
                            found.setdefault(text, Piece("import", (name,), text, cell.label, (unit.first,)))
        return [piece for text, piece in found.items() if not any(known.text == text for known in pieces)]

    def _open_names(self, number: int, found: Reach) -> Iterator[tuple[Unit, str]]:
        """The names of which it is not yet known where they come from, each with a statement that needs it."""
        namespace = self._kernel.namespace
        for unit, name, certain in unseen_changes(self._own, found, namespace) if number == self._own.number else ():
            if certain and name not in self._sources.by_value and _has_source(name, namespace):
                self._sources.by_value.add(name)
                yield unit, name
        if number == self._own.number:
            yield from self._replaced_by_values(found)
        yield from (pair for pair in found.missing if pair[1] not in self._homes)
        yield from (pair for pair in shadowed_builtins(found, namespace) if pair[1] not in self._homes)
        if not self._bindings.is_fresh(number):
            for unit in found.units:
                for name in sorted(unit.names.binds & found.wanted - self._homes.keys()):
                    users = (user for user in found.units if name in user.names.needs - user.names.binds)
                    yield next(users, unit), name

    def _replaced_by_values(self, found: Reach) -> Iterator[tuple[Unit, str]]:
        """Names of the captured cell whose statements, run once more, would make something else: their values can ship."""
        early = chain(
            reads_of_earlier_meanings(self._own, found), reads_before_a_change(self._own, found, self._sources.by_value)
        )
        for unit, _ in early:
            for name in sorted(unit.names.binds - self._sources.by_value):
                bound_once = sum(name in other.names.binds for other in self._own.units) == 1
                if unit.kind in ("constant", "block") and bound_once and _has_source(name, self._kernel.namespace):
                    self._sources.by_value.add(name)
                    yield unit, name

    def _settle(self, name: str, cell: Cell, unit: Unit, wanted: dict[int, set[str]]) -> None:
        if name in self._homes:
            return
        self._homes[name] = None
        try:
            home = self._sources.find(name)
        except Problem as problem:
            reason, hint = problem.args
            self._missing.append(Missing(cell.label, unit, name, reason, hint))
            return
        if isinstance(home, Cell):
            self._cells[home.number] = home
            wanted.setdefault(home.number, set()).add(name)
            self._homes[name] = home.number
        else:
            self._homes[name] = home
        for needed in sorted(self._sources.extra.get(name, home.needs if isinstance(home, Piece) else ())):
            self._settle(needed, cell, unit, wanted)

    def _elsewhere(self, number: int) -> set[str]:
        """Names that a cell binds, but that have their present value from somewhere else."""
        if self._bindings.is_fresh(number):
            return {name for name in self._sources.by_value if isinstance(self._homes.get(name), Piece)}
        bound = {name for unit in self._cells[number].units for name in unit.names.binds | unit.names.later}
        return {name for name in bound if self._homes.get(name, self._bindings.number(name)) != number}

    def _overwritten(self, cell: Cell, found: Reach) -> Iterator[Missing]:
        """Names of which a statement needs the meaning that its own cell has overwritten: the kernel has it no more."""
        if cell.number == self._own.number:
            early = reads_before_a_change(cell, found, self._sources.by_value)
        else:  # what ships in such a name's place is what a later statement of the cell made of it
            values = {name for name, home in self._homes.items() if isinstance(home, Piece) and home.kind == "value"}
            early = reads_before_a_change(cell, found, {name for name in values if self._bindings.number(name) == cell.number})
        for unit, name in chain(reads_of_earlier_meanings(cell, found), early):
            reason = f"as it was before {cell.label} gave it another meaning; the kernel has that no more"
            yield Missing(cell.label, unit, name, reason, f"Give one of the two meanings of {name} another name.")

    def _outdated(self, cell: Cell, found: Reach) -> Iterator[Missing]:
        """Names that were read when a statement ran, and that have another meaning since: what it made is of the old one."""
        for unit in found.units if not self._bindings.is_fresh(cell.number) else ():
            for name in sorted(unit.names.now):
                latest = self._bindings.last(name) if isinstance(self._homes.get(name), int | Piece) else None
                if latest is None or latest[1].kind == "import":
                    continue
                changed = next(self._bindings.changed_in_place(name, cell.number), None)
                then = self._bindings.before(name, cell.number)
                if changed is None and latest[0].number > cell.number:
                    changed = None if then and ast.dump(then.node) == ast.dump(latest[1].node) else latest[0]
                if changed:
                    made = ", ".join(sorted(unit.names.binds))
                    reason = f"which {changed.label} has changed since {cell.label} made {made} with it"
                    yield Missing(cell.label, unit, name, reason, f"Run {cell.label} again.")


def _has_source(name: str, namespace: Mapping[str, object]) -> bool:
    value = namespace.get(name)
    return bool(literal(value, namespace)) or isinstance(value, ModuleType)
