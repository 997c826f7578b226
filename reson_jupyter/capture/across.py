"""What a definition needs of other cells: found in the kernel's inputs, and held against what the kernel has now."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from types import MappingProxyType, ModuleType

from .cell import Cell, Unit
from .inputs import Kernel, binds, inherits_from
from .live import among_imports, differs, imported_in
from .missing import Missing, import_line, undefined
from .module import Piece, pieces_of
from .names import bound_name, right_side, root_name
from .ordering import in_order
from .reach import Reach, is_star, reach
from .texts import file_of
from .unseen import shadowed_builtins, unseen_changes
from .values import LARGEST, asks_the_machine, literal, refused, same_again, says

# What IPython itself keeps in a notebook's namespace: outputs, inputs, histories.
_HISTORY = re.compile(r"_+|_i+|_i?\d+|_[iod]h|In|Out|exit|quit")


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
    return _Search(cell, kernel, ran_just_now, lent, fix).run(targets)


class _Problem(Exception):
    """Why a name cannot be shipped, and what to do."""


class _Search:
    def __init__(self, cell: Cell, kernel: Kernel, ran_just_now: bool, lent: Mapping[str, Piece | None], fix: bool) -> None:
        self._own = cell
        self._kernel = kernel
        self._fresh = ran_just_now
        self._lent = lent
        self._fix = fix
        self._cells = {cell.number: cell}
        # Where each name comes from: the number of a cell, a piece of its own, or None for what is lent or missing.
        self._homes: dict[str, int | Piece | None] = {}
        self._binders: dict[str, tuple[Cell, Unit] | None] = {}
        self._by_value: set[str] = set()
        # What must ship with a name beyond what its statement says.
        self._extra: dict[str, frozenset[str]] = {}
        self._missing: list[Missing] = []

    def run(self, targets: list[str]) -> Gathered:
        wanted = {self._own.number: set(targets)}
        for target in targets if not self._fresh else ():
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
        parts = {number: [*map(self._with_extra, pieces_of(self._cells[number], found))] for number, found in reached.items()}
        loose += self._submodules([*loose, *chain.from_iterable(parts.values())])
        pairs = tuple((self._cells[number], found) for number, found in sorted(reached.items()))
        return Gathered(in_order(parts, loose), pairs, tuple(self._missing))

    def _with_extra(self, piece: Piece) -> Piece:
        extra = [self._extra[name] for name in piece.names if name in self._extra]
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
            if certain and name not in self._by_value and _has_source(name, namespace):
                self._by_value.add(name)
                yield unit, name
        yield from (pair for pair in found.missing if pair[1] not in self._homes)
        yield from (pair for pair in shadowed_builtins(found, namespace) if pair[1] not in self._homes)
        if not self._is_fresh(number):
            for unit in found.units:
                yield from ((unit, name) for name in sorted(unit.names.binds & found.wanted) if name not in self._homes)

    def _settle(self, name: str, cell: Cell, unit: Unit, wanted: dict[int, set[str]]) -> None:
        if name in self._homes:
            return
        self._homes[name] = None
        try:
            home = self._home(name)
        except _Problem as problem:
            reason, hint = problem.args
            self._missing.append(Missing(cell.label, unit, name, reason, hint))
            return
        if isinstance(home, Cell):
            if home.number < 0 and home.number not in self._cells:
                self._binders.clear()  # a file was found, which may bind what seemed unbound
            self._cells[home.number] = home
            wanted.setdefault(home.number, set()).add(name)
            self._homes[name] = home.number
        else:
            self._homes[name] = home
        for needed in sorted(self._extra.get(name, home.needs if isinstance(home, Piece) else ())):
            self._settle(needed, cell, unit, wanted)

    def _elsewhere(self, number: int) -> set[str]:
        """Names that a cell binds, but that have their present value from somewhere else."""
        if self._is_fresh(number):
            return {name for name in self._by_value if isinstance(self._homes.get(name), Piece)}
        bound = {name for unit in self._cells[number].units for name in unit.names.binds | unit.names.later}
        return {name for name in bound if self._homes.get(name, self._latest(name)) != number}

    def _is_fresh(self, number: int) -> bool:
        return self._fresh and number == self._own.number

    def _latest(self, name: str) -> int | None:
        try:
            binder = self._binder(name)
        except _Problem:
            return None
        return binder[0].number if binder else None

    def _binder(self, name: str) -> tuple[Cell, Unit] | None:
        """The last statement that gave a name its value, and its cell."""
        if name not in self._binders:
            self._binders[name] = self._find_binder(name)
        return self._binders[name]

    def _find_binder(self, name: str) -> tuple[Cell, Unit] | None:
        latest: tuple[Cell, Unit] | None = None
        for cell in self._candidates(name):
            unit = [unit for unit in cell.units if binds(unit, name)][-1]
            value, failed = self._kernel.namespace.get(name), self._kernel.inputs.failed(cell.number)
            if unit.kind in ("function", "class") and not self._is_fresh(cell.number):
                if differs(self._as_compiled(cell, unit), value, _set_by(cell, name)):
                    # Perhaps it was not reached, or bound nothing (%%timeit): an earlier one may say what the kernel has.
                    latest = latest or (None if failed else (cell, unit))
                    continue
                if failed:
                    hint = f"Correct {cell.label} and run it again."
                    raise _Problem(f"which {cell.label} defines, and {cell.label} failed", hint)
                return cell, unit
            if not failed or (unit.kind == "import" and _gives(unit, name) is value):
                return latest or (cell, unit)
        return latest

    def _as_compiled(self, cell: Cell, unit: Unit) -> Unit:
        return unit if cell.number > 0 else among_imports(unit, imported_in(cell))

    def _candidates(self, name: str) -> Iterator[Cell]:
        own = self._own
        if any(binds(unit, name) for unit in own.units) and (self._fresh or not own.number):
            yield own
        for cell in self._kernel.inputs.binding(name):
            if cell.number != own.number or not self._fresh:
                yield self._cells.get(cell.number, cell)
        # Files that were run, whose names no cell binds.
        yield from (cell for cell in self._cells.values() if cell.number < 0 and any(binds(unit, name) for unit in cell.units))

    def _home(self, name: str) -> Cell | Piece | None:
        """The cell that gives a name its present value, or a piece of its own that does.

        Raises:
            _Problem: the value cannot be shipped.
        """
        binder, namespace = self._binder(name), self._kernel.namespace
        if binder and self._is_fresh(binder[0].number) and binder[1].kind != "run" and name not in self._by_value:
            return binder[0]  # a `global` in it may not have been run yet
        if name in self._lent and (binder is None or binder[1].kind != "import"):
            return self._lent[name]
        if name not in namespace:
            raise _Problem(*undefined(self._own, name))
        value = namespace[name]
        if binder is None:
            return self._unbound(name, value)
        cell, unit = binder
        if name not in unit.names.binds and not is_star(unit):
            return self._set_by_a_call(cell, unit, name, value)
        if unit.kind == "import":
            return self._imported(cell, unit, name, value)
        if unit.kind in ("function", "class"):
            return self._defined(cell, unit, name, value)
        if unit.kind == "block" and name not in self._by_value:
            return cell
        return self._assigned(cell, unit, name, value)

    def _unbound(self, name: str, value: object) -> Cell | Piece:
        """A name that no cell binds: it came by `%run`, `exec`, a startup file or the like."""
        found = literal(value, self._kernel.namespace)
        if _HISTORY.fullmatch(name):
            raise _Problem(*undefined(self._own, name, of_notebook=True))
        if found:
            return _value_piece(name, found, "the kernel", 0)
        line = import_line(name, value)
        if line:
            if self._fix:
                return Piece("import", (name,), line + "\n", "", (0,))
            raise _Problem("which no cell imports", f"add: {line}, or put --fix behind the magic to have it added")
        file = file_of(value, -len(self._cells))
        for unit in file.units if file else ():
            if file and name in unit.names.binds:
                known = next((cell for cell in self._cells.values() if cell.label == file.label), file)
                return self._defined(known, unit, name, value)
        raise _Problem(f"which no cell defines; it is {refused(value)}", f"Define {name} in this cell.")

    def _set_by_a_call(self, cell: Cell, unit: Unit, name: str, value: object) -> Piece:
        """A name that a function's `global` sets: on a site nobody calls the function before what ships is imported."""
        found, line = literal(value, self._kernel.namespace), import_line(name, value)
        if found:
            return _value_piece(name, found, cell.label, unit.first)
        if line:
            return Piece("import", (name,), line + "\n", cell.label, (unit.first,))
        raise _Problem(f"which {', '.join(unit.names.binds)} ({cell.label}) sets when it is called; it is {refused(value)}", "")

    def _imported(self, cell: Cell, unit: Unit, name: str, value: object) -> Cell:
        if _gives(unit, name) in (value, None):
            return cell
        raise _Problem(
            f"which {cell.label} imports, but the kernel has something else under that name now", f"Run {cell.label} again."
        )

    def _defined(self, cell: Cell, unit: Unit, name: str, value: object) -> Cell:
        part = differs(self._as_compiled(cell, unit), value, _set_by(cell, name))
        if part:
            raise _Problem(
                f"but {part} is not what {cell.label}, line {unit.first} says any more",
                f"Put the change into {cell.label} and run it again, or define {name} in this cell.",
            )
        for other, change in self._kernel.inputs.changing(name, cell.number):
            if not _is_harmless(unit, name, change):
                raise _Problem(
                    f"which {cell.label} defines and {other.label}, line {change.first} changes",
                    f"Put the change into {cell.label}, below the definition, and run that cell again.",
                )
        return cell

    def _assigned(self, cell: Cell, unit: Unit, name: str, value: object) -> Cell | Piece:
        """A name whose value a statement computed: the statement ships if it says the value, else the value if it has a source.

        The captured cell's own statements ship as they stand, as long as no later cell and nothing unseen changed what they made.
        """
        namespace, said = self._kernel.namespace, right_side(unit.node)
        ships = unit.kind == "constant" and name not in self._by_value
        own = cell.number == self._own.number
        if ships and said and says(said, value, namespace) and (own or len(unit.text) <= LARGEST):
            return cell
        ships = ships and not any(self._kernel.inputs.changing(name, cell.number))
        found = literal(value, namespace)
        if found and ships and self._keeps_account(found[1], name):
            self._extra[name] = found[1]
            return cell
        if found and not (ships and (own or (said and asks_the_machine(said)))):
            return _value_piece(name, found, cell.label, unit.first)
        if ships and (found or own or same_again(value, said, namespace)):
            if differs(unit, value):
                raise _Problem(f"but it is not what {cell.label}, line {unit.first} makes", f"Define {name} in this cell.")
            return cell
        where = f"{cell.label}, line {unit.first}" + (", in a statement that runs something," if unit.kind == "run" else "")
        raise _Problem(f"which {where} makes; it is {refused(value)}", "")

    def _keeps_account(self, needs: Iterable[str], name: str) -> bool:
        """Whether a value is filled by the decorators, or the bases, of the definitions that are in it."""
        for needed in needs:
            node = (self._binder(needed) or (None, None))[1]
            used = [*getattr(node and node.node, "decorator_list", ()), *getattr(node and node.node, "bases", ())]
            for keeper in {root_name(one.func if isinstance(one, ast.Call) else one) or "" for one in used}:
                binder = self._binder(keeper)
                if binder and name in reach(binder[0].units, [keeper]).wanted:
                    return True
        return False

    def _outdated(self, cell: Cell, found: Reach) -> Iterator[Missing]:
        """Names that were read when a statement ran, and that have another meaning since: what it made is of the old one."""
        for unit in found.units if not self._is_fresh(cell.number) else ():
            for name in sorted(unit.names.now):
                latest = self._binder(name) if isinstance(self._homes.get(name), int | Piece) else None
                if latest is None or latest[1].kind == "import":
                    continue
                changed = next(self._changed_since(name, cell.number), None)
                if changed:
                    made = ", ".join(sorted(unit.names.binds))
                    reason = f"which {changed.label} has changed since {cell.label} made {made} with it"
                    yield Missing(cell.label, unit, name, reason, f"Run {cell.label} again.")
                if changed or latest[0].number <= cell.number:
                    continue
                then = self._bound_before(name, cell.number)
                if then is None or ast.dump(then.node) != ast.dump(latest[1].node):
                    made = ", ".join(sorted(unit.names.binds))
                    reason = f"which {latest[0].label} has changed since {cell.label} made {made} with it"
                    yield Missing(cell.label, unit, name, reason, f"Run {cell.label} again.")

    def _changed_since(self, name: str, number: int) -> Iterator[Cell]:
        """The later cells that changed in place what a statement read, other than by definitions that nobody has called."""
        for cell, unit in self._kernel.inputs.changing(name, number):
            if unit.kind not in ("function", "class") and name in unit.names.changes:
                yield cell

    def _bound_before(self, name: str, number: int) -> Unit | None:
        for cell in self._kernel.inputs.binding(name):
            if cell.number <= number and not self._kernel.inputs.failed(cell.number):
                return [unit for unit in cell.units if binds(unit, name)][-1]
        return None


def _has_source(name: str, namespace: Mapping[str, object]) -> bool:
    value = namespace.get(name)
    return bool(literal(value, namespace)) or isinstance(value, ModuleType)


def _value_piece(name: str, found: tuple[str, frozenset[str]], label: str, line: int) -> Piece:
    text, needs = found
    return Piece("value", (name,), f"{name} = {text}\n", label, (line,), needs, needs)


def _is_harmless(definition: Unit, name: str, later: Unit) -> bool:
    """Whether a later statement that mentions a class or function leaves it as it is."""
    if name in inherits_from(later.node) and name not in later.names.changes:
        return "__init_subclass__" not in definition.text
    # What a function does to it is done only when the function is called, which shows in the live object.
    return later.kind == "function" and not any(root_name(one) == name for one in later.node.decorator_list)  # type: ignore[attr-defined]


def _set_by(cell: Cell, name: str) -> frozenset[str]:
    """The attributes of a class that other statements of its cell set."""
    return frozenset(attribute for unit in cell.units for attribute in _set_attributes(unit.node, name))


def _set_attributes(node: ast.stmt, name: str) -> Iterator[str]:
    """The attributes of `name` that an assignment sets."""
    for target in getattr(node, "targets", [getattr(node, "target", None)]):
        if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == name:
            yield target.attr


def _gives(unit: Unit, name: str) -> object:
    """What an import statement would give for `name` in this process now; None if that cannot be said without importing."""
    node = unit.node
    if isinstance(node, ast.Import):
        alias = next(alias for alias in node.names if bound_name(alias) == name)
        return sys.modules.get(alias.name if alias.asname else name)
    if not isinstance(node, ast.ImportFrom) or node.level:
        return None
    module = sys.modules.get(node.module or "")
    origin = name if is_star(unit) else next(alias.name for alias in node.names if bound_name(alias) == name)
    return vars(module).get(origin) if module else None
