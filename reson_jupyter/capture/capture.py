"""A capture: what a cell gives to a job."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..errors import CaptureError
from ..source_map import SourceMap
from .across.gather import Gathered, gather
from .across.inputs import Kernel
from .across.missing import missing_names
from .across.unseen import changed_classes, unseen_warnings
from .imports.local_modules import LocalFile, local_files, ships_in
from .imports.requirements import is_known, is_local
from .roles.command import command_function, require_command
from .roles.contract import (
    EXPECTED,
    TRAIN_NAMES,
    VALIDATE_NAMES,
    ContractFunction,
    Role,
    accepts_num_classes,
    base_name,
    contract_functions,
    is_a,
    require_constructor,
    require_kind,
)
from .roles.habits import habits
from .roles.startup import build_functions, require_startup, without_training
from .secrets.leaks import HINT, find_leaks
from .text.cell import Cell
from .text.module import Module, Piece, assemble, imported_modules
from .text.reach import reach

_CALLED = {"train": "fl_train", "validate": "fl_validate"}


@dataclass(frozen=True)
class Capture:
    """Source that can be shipped, where every line of it comes from, and what it satisfies.

    Attributes:
        role: "model", "train", "executor", "persistor", "startup" or "command".
        name: The class, or the function, that was captured.
        module: What ships.
        cell: The label of the cell that defines it, such as "In[4]".
        imports: Dotted names of the modules that the source and the files import when they run, and that do not ship; sorted.
        files: The user's own files that ship beside the source, because it imports them.
        left_behind: One line of text for each statement, magic and shell line of the cell that stays in the notebook.
        functions: The contract functions that ship.
        accepts_num_classes: Whether the model's constructor names a parameter `num_classes`.
        warnings: Sentences for the user.
        fix: Whether imports that no cell has were to be supplied.
        command: What the notebook calls a command by; "" in the other roles.
        renewed: What had changed each time it was captured anew since its cell ran, in sentences.
        live: The class or function as it is in the kernel.
    """

    role: Role
    name: str
    module: Module
    cell: str
    imports: tuple[str, ...] = ()
    files: tuple[LocalFile, ...] = ()
    left_behind: tuple[str, ...] = ()
    functions: tuple[ContractFunction, ...] = ()
    accepts_num_classes: bool = False
    warnings: tuple[str, ...] = ()
    fix: bool = False
    command: str = ""
    renewed: tuple[str, ...] = ()
    live: object = field(default=None, compare=False, repr=False)

    def __repr__(self) -> str:
        return f"Capture({self.title} from {self.cell}, {sum(bool(line) for _, line in self.module.lines)} lines ship)"

    @property
    def key(self) -> str:
        """What it takes the place of when it is captured: its role, and of a command its name."""
        return f"{self.role} {self.command}" if self.command else self.role

    @property
    def title(self) -> str:
        """What people call it: "model Net", "command clear_cache", "startup"."""
        return self.key if self.command or self.name == self.role else f"{self.role} {self.name}"

    @property
    def source(self) -> str:
        """The module's text."""
        return self.module.source

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """What ships, in order."""
        return self.module.pieces


def capture_cell(
    role: Role,
    cell: Cell,
    kernel: Kernel,
    *,
    name: str | None = None,
    command: str = "",
    beside: Capture | None = None,
    fix: bool = False,
    ran_just_now: bool = True,
) -> Capture:
    """Captures a cell that has run.

    Args:
        role: What the cell is to give.
        cell: The cell, parsed.
        kernel: What the kernel has after the cell ran, and what it ran before.
        name: The class, or the command's function, where the cell alone does not tell.
        command: What a command is to be called by.
        beside: The model's capture, or of a command the startup's. A train function and a command share its module, an executor
            and a persistor import from it.
        fix: Whether to supply the imports that no cell has.
        ran_just_now: Whether nothing ran since; else all that ships is held against what the kernel has now.

    Raises:
        CaptureError: the cell cannot be shipped in this role.
    """
    namespace = kernel.namespace
    defined = {name: namespace[name] for unit in cell.units for name in sorted(unit.names.binds) if name in namespace}
    functions = _functions(role, defined, cell.label)
    if role == "train":
        name = _train_name(cell, functions)
    elif role == "startup":
        name = require_startup(defined, cell.label)
    elif role == "command":
        name = name or command_function(cell, defined, command)
    else:
        name = _class_name(role, cell, defined, name, functions)
    live = namespace.get(name)
    _require_contract(role, name, live, cell.label)
    targets = [name, *(function.name for function in functions)]
    gathered = gather(cell, targets, kernel, ran_just_now=ran_just_now, lent=_lent(role, beside), fix=fix)
    if gathered.missing:
        raise missing_names(gathered.missing)
    _require_shippable(cell, gathered.pieces, targets)
    module = assemble(gathered.pieces)
    files = local_files(module.source, lambda line: "{}, line {}".format(*module.lines[line - 1]), namespace)
    texts = {"": module.source.encode()} | {file.path: file.text.encode() for file in files}
    leaks = find_leaks(texts, {"": SourceMap.of(module.lines)})
    if leaks.secrets:
        raise CaptureError("this must not ship:\n  " + "\n  ".join(leaks.secrets), HINT)
    imports = _foreign_imports(module, files)
    return Capture(
        role=role,
        name=name,
        module=module,
        cell=cell.label,
        imports=tuple(sorted(imports)),
        files=files,
        left_behind=tuple(_left_behind(cell, gathered)),
        functions=functions,
        accepts_num_classes=role == "model" and isinstance(live, type) and accepts_num_classes(live),
        warnings=(
            *leaks.warnings,
            *_check_imports(imports),
            *_unseen(gathered, namespace),
            *_misnamed(cell, functions, role),
            *_habits(gathered, functions),
            *(without_training((module.source, *(file.text for file in files))) if role == "startup" else ()),
        ),
        fix=fix,
        command=command,
        live=live,
    )


def _functions(role: Role, defined: Mapping[str, object], where: str) -> tuple[ContractFunction, ...]:
    if role == "startup":
        return build_functions(defined, where)
    return contract_functions(defined, where) if role in ("model", "train") else ()


def _require_contract(role: Role, name: str, live: object, where: str) -> None:
    if role == "command":
        require_command(live, name, where)
    elif isinstance(live, type):
        require_constructor(role, live)


def _lent(role: Role, beside: Capture | None) -> dict[str, Piece | None]:
    """What the model's module has already: it is shared with functions, and imported by the classes of other modules."""
    if beside is None or role == "model":
        return {}
    names = sorted({name for piece in beside.pieces if piece.kind != "import" for name in piece.names})
    imported = {name: Piece("import", (name,), f"from model_def import {name}\n", "", (0,)) for name in names}
    return dict.fromkeys(names) if role in ("train", "command") else dict(imported)


def _unseen(gathered: Gathered, namespace: Mapping[str, object]) -> list[str]:
    return [
        warning
        for cell, reached in gathered.reached
        for warning in (*unseen_warnings(cell, reached, namespace), *changed_classes(cell, reached, namespace))
    ]


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
    # A class that a function of the notebook made: Net = make_net(3).
    found = found or [name for name, value in defined.items() if is_a(value, role) and value.__module__ == "__main__"]
    if not found:
        raise CaptureError(f"{cell.label} defines no subclass of {base_name(role)}", f"Define the {role}'s class in this cell.")
    # A class and its base may need each other, if the base keeps account of its subclasses.
    outer = [name for name in found if not any(_is_base(defined[name], defined[other]) for other in found)]
    chosen = _outermost(cell, found, functions) or (outer[0] if len(outer) == 1 else None)
    if chosen is None:
        raise CaptureError(
            f"{cell.label} defines several classes that could be the {role}: {', '.join(found)}",
            f"Say which: %%reson_{role} --class {found[-1]}",
        )
    require_kind(defined[chosen], role)
    return chosen


def _is_base(one: object, other: object) -> bool:
    return one is not other and isinstance(one, type) and isinstance(other, type) and issubclass(other, one)


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


def _require_shippable(cell: Cell, pieces: Sequence[Piece], targets: Sequence[str]) -> None:
    for target in targets:
        if not any(target in piece.names for piece in pieces):
            raise CaptureError(
                f"{cell.label}: {target} is defined inside a statement that runs something, and such statements stay behind",
                f"Define {target} at the top level of the cell.",
            )


def _left_behind(cell: Cell, gathered: Gathered) -> list[str]:
    magics = {magic.first: magic.text for magic in cell.magics}
    shipped = {unit.first for known, reached in gathered.reached if known is cell for unit in reached.units}
    left = [unit for unit in cell.units if unit.kind != "future" and unit.first not in shipped]
    return [f"line {unit.first}: {_summary(magics.get(unit.first, unit.text))}" for unit in left]


def _summary(text: str) -> str:
    line = text.strip().splitlines()[0]
    return line if len(line) <= 60 else line[:57] + "..."


def _foreign_imports(module: Module, files: Sequence[LocalFile]) -> dict[str, str]:
    """The modules that what ships imports and that do not ship themselves, each with the place of its first import."""
    imports = {name: place for name, place in imported_modules(module).items() if not ships_in(name, files)}
    for file in files:
        imports |= {name: file.path for name in file.imports if name not in imports and not ships_in(name, files)}
    return imports


def _check_imports(imports: Mapping[str, str]) -> list[str]:
    """Refuses imports that no site could resolve; returns warnings on those that this kernel cannot either."""
    warnings = []
    for module, where in imports.items():
        if module.split(".")[0] == "reson_jupyter":
            hint = "Keep reson_jupyter out of what ships."
            if module.startswith("reson_jupyter.edge"):
                hint = "Import those names from scaleout and scaleoututil instead: the sites have them."
            raise CaptureError(f"{where}: {module} is not on the sites", hint)
        if is_local(module):
            warnings.append(f"{where} imports {module}, which belongs to no installed package; a site may not have it")
        elif not is_known(module):
            warnings.append(f"{where} imports {module}, which is not installed here; the sites will not have it either")
    return warnings


def _habits(gathered: Gathered, functions: Sequence[ContractFunction]) -> list[str]:
    """Warnings about what the functions do that the worker calls."""
    return [
        f"{cell.label}, line {line}: {sentence}"
        for cell, reached in gathered.reached
        for unit in reached.units
        for function in functions
        if isinstance(unit.node, ast.FunctionDef) and unit.node.name == function.name and function.contract != "nothing"
        for line, sentence in habits(unit.node, function.contract, function.purpose)
    ]


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
