"""A capture: what a cell gives to a job."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..errors import CaptureError
from .cell import Cell
from .contract import (
    EXPECTED,
    TRAIN_NAMES,
    VALIDATE_NAMES,
    ContractFunction,
    Role,
    accepts_num_classes,
    base_name,
    contract_functions,
    is_a,
    require_kind,
)
from .missing import missing_names
from .module import Piece, assemble, imported_modules, pieces_of
from .reach import Reach, reach
from .requirements import is_known, is_local
from .unseen import shadowed_builtins, unseen_changes

_CALLED = {"train": "fl_train", "validate": "fl_validate"}


@dataclass(frozen=True)
class Capture:
    """Source that can be shipped, where every line of it comes from, and what it satisfies.

    Attributes:
        role: "model", "train", "executor" or "persistor".
        name: The class (or train function) that was captured.
        source: The module's text.
        line_map: For each line of `source` the line of the cell it is (1-based, the magic's line is 1); 0 where it is ours.
        cell: The cell's label, such as "In[4]".
        imports: Dotted names of the modules that `source` imports when it runs, sorted.
        pieces: What ships, in order.
        left_behind: One line of text for each statement, magic and shell line that stays in the notebook.
        functions: The contract functions that ship.
        accepts_num_classes: Whether the model's constructor names a parameter `num_classes`.
        warnings: Sentences for the user.
        live: The class or function as it is in the kernel.
    """

    role: Role
    name: str
    source: str
    line_map: tuple[int, ...]
    cell: str
    imports: tuple[str, ...] = ()
    pieces: tuple[Piece, ...] = ()
    left_behind: tuple[str, ...] = ()
    functions: tuple[ContractFunction, ...] = ()
    accepts_num_classes: bool = False
    warnings: tuple[str, ...] = ()
    live: object = field(default=None, compare=False, repr=False)


def capture_cell(
    role: Role,
    cell: Cell,
    namespace: Mapping[str, object],
    *,
    class_name: str | None = None,
    beside: Capture | None = None,
) -> Capture:
    """Captures a cell that has run.

    Args:
        role: What the cell is to give.
        cell: The cell, parsed.
        namespace: What the kernel has under which name, after the cell ran.
        class_name: The class, where the cell alone does not tell.
        beside: The model's capture. A train function may use its names, because both ship in one module.

    Raises:
        CaptureError: the cell cannot be shipped in this role.
    """
    defined = {name: namespace[name] for unit in cell.units for name in sorted(unit.names.binds) if name in namespace}
    functions = contract_functions(defined, cell.label) if role in ("model", "train") else ()
    name = _train_name(cell, functions) if role == "train" else _class_name(role, cell, defined, class_name, functions)
    live = namespace.get(name)
    targets = [name, *(function.name for function in functions)]
    reached = reach(cell.units, targets)
    _require_shippable(cell, reached, targets)
    lent = frozenset(known for piece in beside.pieces for known in piece.names) if beside and role != "model" else frozenset()
    missing = [(unit, needed) for unit, needed in reached.missing if role != "train" or needed not in lent]
    missing += shadowed_builtins(reached, namespace)
    if missing:
        raise missing_names(cell, missing, namespace, lent)
    pieces = pieces_of(cell, reached)
    module = assemble(pieces)
    imports = imported_modules(module.pieces)
    return Capture(
        role=role,
        name=name,
        source=module.source,
        line_map=module.line_map,
        cell=cell.label,
        imports=tuple(imports),
        pieces=module.pieces,
        left_behind=tuple(_left_behind(cell, reached)),
        functions=functions,
        accepts_num_classes=role == "model" and isinstance(live, type) and accepts_num_classes(live),
        warnings=(*_check_imports(cell, imports), *unseen_changes(cell, reached, namespace), *_misnamed(cell, functions, role)),
        live=live,
    )


def _train_name(cell: Cell, functions: Sequence[ContractFunction]) -> str:
    for function in functions:
        if function.purpose == "train":
            return function.name
    raise CaptureError(f"{cell.label} defines no train function", EXPECTED)


def _class_name(
    role: Role, cell: Cell, defined: Mapping[str, object], asked: str | None, functions: Sequence[ContractFunction]
) -> str:
    if asked is not None:
        if asked not in defined:
            classes = ", ".join(known for known, value in defined.items() if isinstance(value, type))
            raise CaptureError(
                f"{cell.label} defines no {asked}", f"Give --class a class of this cell: {classes or 'it has none'}."
            )
        require_kind(defined[asked], role)
        return asked
    own = {unit.node.name for unit in cell.units if isinstance(unit.node, ast.ClassDef)}
    found = [name for name, value in defined.items() if name in own and is_a(value, role)]
    if not found:
        raise CaptureError(f"{cell.label} defines no subclass of {base_name(role)}", f"Define the {role}'s class in this cell.")
    chosen = _outermost(cell, found, functions)
    if chosen is None:
        raise CaptureError(
            f"{cell.label} defines several classes that could be the {role}: {', '.join(found)}",
            f"Say which: %%reson_{role} --class {found[-1]}",
        )
    require_kind(defined[chosen], role)
    return chosen


def _outermost(cell: Cell, found: Sequence[str], functions: Sequence[ContractFunction]) -> str | None:
    """Of several classes, the one that is part of no other; else the only one that the contract functions use."""
    parts = {name: _taken_along(cell, [name]) for name in found}
    left = [name for name in found if not any(name in parts[other] for other in found if other != name)]
    if len(left) > 1:
        used = _taken_along(cell, [function.name for function in functions])
        left = [name for name in left if name in used] or left
    if len(left) > 1:
        contract = {function.name for function in functions}
        others = [name for unit in cell.units if unit.kind == "function" for name in unit.names.binds - contract]
        left = [name for name in left if name not in _taken_along(cell, others)]
    return left[0] if len(left) == 1 else None


def _taken_along(cell: Cell, names: Sequence[str]) -> frozenset[str]:
    return frozenset(name for unit in reach(cell.units, names).units for name in unit.names.binds)


def _require_shippable(cell: Cell, reached: Reach, targets: Sequence[str]) -> None:
    for target in targets:
        if not any(target in unit.names.binds for unit in reached.units):
            raise CaptureError(
                f"{cell.label}: {target} is defined inside a statement that runs something, and such statements stay behind",
                f"Define {target} at the top level of the cell.",
            )


def _left_behind(cell: Cell, reached: Reach) -> list[str]:
    magics = {magic.first: magic.text for magic in cell.magics}
    shipped = {unit.first for unit in reached.units}
    left = [unit for unit in cell.units if unit.kind != "future" and unit.first not in shipped]
    return [f"line {unit.first}: {_summary(magics.get(unit.first, unit.text))}" for unit in left]


def _summary(text: str) -> str:
    line = text.strip().splitlines()[0]
    return line if len(line) <= 60 else line[:57] + "..."


def _check_imports(cell: Cell, imports: Mapping[str, int]) -> list[str]:
    """Refuses imports that no site could resolve; returns warnings on those that this kernel cannot either."""
    warnings = []
    for module, line in imports.items():
        where = f"{cell.label}, line {line}"
        if module.startswith("."):
            raise CaptureError(f"{where}: a relative import has no meaning in a module of its own", "Import by the full name.")
        if module.split(".")[0] == "reson_jupyter":
            raise CaptureError(f"{where}: {module} is not on the sites", "Keep reson_jupyter out of what ships.")
        if is_local(module):
            raise CaptureError(
                f"{where}: {module} is a file on this machine and no installed package, so a site cannot import it",
                "Put what you need of it into this cell.",
            )
        if not is_known(module):
            warnings.append(f"line {line} imports {module}, which is not installed here; the sites will not have it either")
    return warnings


def _misnamed(cell: Cell, functions: Sequence[ContractFunction], role: Role) -> list[str]:
    """Warns of functions whose names are nearly those of the contract: they stay behind, and the default trains."""
    known = {function.name for function in functions}
    found = [
        (unit, name, near[0])
        for unit in cell.units
        if unit.kind == "function" and role in ("model", "train")
        for name in sorted(unit.names.binds - known)
        if (near := difflib.get_close_matches(name, (*TRAIN_NAMES, *VALIDATE_NAMES, "train", "validate"), n=1, cutoff=0.8))
    ]
    return [
        f"line {unit.first}: {name} is called by nobody; did you mean {_CALLED.get(near, near)}?" for unit, name, near in found
    ]
