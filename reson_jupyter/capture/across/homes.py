"""Where the present value of a name comes from: a cell whose statements ship, a value with a source, an import; or why not."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping

from ..imports.requirements import is_local
from ..text.cell import Cell, Unit
from ..text.live import code_of, differs, other_default
from ..text.module import Piece
from ..text.names import bound_name, right_side, root_name
from ..text.reach import is_star, reach
from .bindings import Bindings, Problem, given_by, set_by
from .inputs import Kernel, inherits_from
from .missing import USUAL, import_line, undefined
from .remade import remade
from .texts import file_of
from .values import LARGEST, asks_the_machine, literal, refused, same_again, says

# What IPython itself keeps in a notebook's namespace: outputs, inputs, histories.
_HISTORY = re.compile(r"_+|_i+|_i?\d+|_[iod]h|In|Out|exit|quit")


class Homes:
    """Finds where names come from.

    Args:
        own: The cell that is captured.
        kernel: What the kernel has, and the cells it has run.
        bindings: Which statement gave each name its value.
        lent: Names that ship with the model: None where both share a module, else the import that fetches the name.
        fix: Whether to supply imports that no cell has.

    Attributes:
        by_value: Names of the captured cell whose value has changed behind the statement that ships.
        extra: What must ship with a name beyond what its statement says.
    """

    def __init__(self, own: Cell, kernel: Kernel, bindings: Bindings, lent: Mapping[str, Piece | None], fix: bool) -> None:
        self._own = own
        self._kernel = kernel
        self._bindings = bindings
        self._lent = lent
        self._fix = fix
        self._files: dict[str, Cell] = {}
        self.by_value: set[str] = set()
        self.extra: dict[str, frozenset[str]] = {}

    def find(self, name: str) -> Cell | Piece | None:
        """Returns the cell that gives a name its present value, or a piece of its own that does; None for what is lent.

        Raises:
            Problem: the value cannot be shipped.
        """
        binder, namespace = self._bindings.last(name), self._kernel.namespace
        if binder and self._bindings.is_fresh(binder[0].number) and binder[1].kind != "run" and name not in self.by_value:
            return binder[0]  # a `global` in it may not have been run yet
        if name in self._lent and (binder is None or binder[1].kind != "import"):
            return self._lent[name]
        if name not in namespace and self._fix and name in USUAL:
            return Piece("import", (name,), USUAL[name] + "\n", "", (0,))
        if name not in namespace:
            raise Problem(*undefined(self._own, name))
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
        if unit.kind == "block" and name not in self.by_value:
            return cell
        return self._assigned(cell, unit, name, value)

    def _unbound(self, name: str, value: object) -> Cell | Piece:
        """A name that no cell binds: it came by `%run`, `exec`, a startup file or the like."""
        found = literal(value, self._kernel.namespace)
        if _HISTORY.fullmatch(name):
            raise Problem(*undefined(self._own, name, of_notebook=True))
        if found:
            return _value_piece(name, found, "the kernel", 0)
        line = import_line(name, value)
        if line:
            if self._fix:
                return Piece("import", (name,), line + "\n", "", (0,))
            raise Problem("which no cell imports", f"add: {line}, or put --fix behind the magic to have it added")
        file = file_of(value, -1 - len(self._files))
        for unit in file.units if file else ():
            if file and name in unit.names.binds:
                self._bindings.add_file(self._files.setdefault(file.label, file))
                self._require_shared_globals(name, value, file.label)
                return self._defined(self._files[file.label], unit, name, value)
        raise Problem(f"which no cell defines; it is {refused(value)}", f"Define {name} in this cell.")

    def _require_shared_globals(self, name: str, value: object, label: str) -> None:
        """A script that was run keeps names of its own; those of the notebook would ship in their place."""
        for function in (value, *(vars(value).values() if isinstance(value, type) else ())):
            code, own = code_of(function), getattr(function, "__globals__", {})
            for needed in code.co_names if code else ():
                if needed in own and own[needed] is not self._kernel.namespace.get(needed):
                    reason = f"which {label} defines with a {needed} of its own; the notebook has another under that name"
                    raise Problem(reason, f"Define {name} in a cell, or import it.")

    def _set_by_a_call(self, cell: Cell, unit: Unit, name: str, value: object) -> Piece:
        """A name that a function's `global` sets: on a site nobody calls the function before what ships is imported."""
        found, line = literal(value, self._kernel.namespace), import_line(name, value)
        if found:
            return _value_piece(name, found, cell.label, unit.first)
        if line:
            return Piece("import", (name,), line + "\n", cell.label, (unit.first,))
        raise Problem(f"which {', '.join(unit.names.binds)} ({cell.label}) sets when it is called; it is {refused(value)}", "")

    def _imported(self, cell: Cell, unit: Unit, name: str, value: object) -> Cell:
        for other, change in self._kernel.inputs.changing(name, 0) if is_local(_module_of(unit, name)) else ():
            if change.kind in ("run", "constant") and name in change.names.changes:
                reason = f"which {cell.label} imports from your own file and {other.label}, line {change.first} changes"
                raise Problem(reason, "The sites get the file as it is: put the change into it, and import it anew.")
        if given_by(unit, name) in (value, None):
            return cell
        raise Problem(
            f"which {cell.label} imports, but the kernel has something else under that name now", f"Run {cell.label} again."
        )

    def _defined(self, cell: Cell, unit: Unit, name: str, value: object) -> Cell:
        if problem := remade(cell, unit, value):
            raise problem
        part = differs(unit, value, set_by(cell, name))
        if part is None and (default := other_default(unit, value, self._kernel.namespace)):
            raise Problem(f"which {cell.label} made with another {default!r} than there is now", f"Run {cell.label} again.")
        if part:
            raise Problem(
                f"but {part} is not what {cell.label}, line {unit.first} says any more",
                f"Put the change into {cell.label} and run it again, or define {name} in this cell.",
            )
        for other, change in self._kernel.inputs.changing(name, cell.number):
            if not _is_harmless(unit, name, change):
                raise Problem(
                    f"which {cell.label} defines and {other.label}, line {change.first} changes",
                    f"Put the change into {cell.label}, below the definition, and run that cell again.",
                )
        return cell

    def _assigned(self, cell: Cell, unit: Unit, name: str, value: object) -> Cell | Piece:
        """A name whose value a statement computed: the statement ships if it says the value, else the value if it has a source.

        The captured cell's own statements ship as they stand, as long as no later cell and nothing unseen changed what they made.
        """
        namespace, said = self._kernel.namespace, right_side(unit.node)
        ships = unit.kind == "constant" and name not in self.by_value
        own = cell.number == self._own.number
        if ships and said and says(said, value, namespace) and (own or len(unit.text) <= LARGEST):
            return cell
        ships = ships and not any(self._kernel.inputs.changing(name, cell.number))
        found = literal(value, namespace)
        if found and ships and self._keeps_account(found[1], name):
            self.extra[name] = found[1]
            return cell
        if found and not (ships and (own or (said and asks_the_machine(said)))):
            return _value_piece(name, found, cell.label, unit.first)
        if ships and (found or own or same_again(value, said, namespace)):
            if differs(unit, value):
                raise Problem(f"but it is not what {cell.label}, line {unit.first} makes", f"Define {name} in this cell.")
            return cell
        where = f"{cell.label}, line {unit.first}" + (", in a statement that runs something," if unit.kind == "run" else "")
        raise Problem(f"which {where} makes; it is {refused(value)}", "")

    def _keeps_account(self, needs: Iterable[str], name: str) -> bool:
        """Whether a value is filled by the decorators, or the bases, of the definitions that are in it."""
        for needed in needs:
            node = (self._bindings.last(needed) or (None, None))[1]
            used = [*getattr(node and node.node, "decorator_list", ()), *getattr(node and node.node, "bases", ())]
            for keeper in {root_name(one.func if isinstance(one, ast.Call) else one) or "" for one in used}:
                binder = self._bindings.last(keeper)
                if binder and name in reach(binder[0].units, [keeper]).wanted:
                    return True
        return False


def _module_of(unit: Unit, name: str) -> str:
    """The module that an import statement takes a name from."""
    if isinstance(unit.node, ast.ImportFrom):
        return unit.node.module or ""
    names = unit.node.names if isinstance(unit.node, ast.Import) else []
    return next((alias.name for alias in names if bound_name(alias) == name), "")


def _value_piece(name: str, found: tuple[str, frozenset[str]], label: str, line: int) -> Piece:
    text, needs = found
    return Piece("value", (name,), f"{name} = {text}\n", label, (line,), needs, needs)


def _is_harmless(definition: Unit, name: str, later: Unit) -> bool:
    """Whether a later statement that mentions a class or function leaves it as it is."""
    if name in inherits_from(later.node) and name not in later.names.changes:
        return "__init_subclass__" not in definition.text
    # What a function does to it is done only when the function is called, which shows in the live object.
    return later.kind == "function" and not any(root_name(one) == name for one in later.node.decorator_list)  # type: ignore[attr-defined]
