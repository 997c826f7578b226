"""The shipped module: imports and the definitions that are reached, word for word, every line with its place in the notebook."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...errors import CaptureError
from .cell import DEFINITION, Cell, Kind, Unit, is_type_checking
from .names import SUPPLIED, bound_name, parsed
from .reach import Reach, import_names, is_star

if TYPE_CHECKING:
    from ..capture import Capture

FUTURE_ANNOTATIONS = "from __future__ import annotations\n"


@dataclass(frozen=True)
class Piece:
    """One statement that ships.

    Attributes:
        kind: What it is; "value" is what a name held, written as an assignment.
        names: The names it gives to the module.
        text: Its source; ends with a line end.
        cell: Label of the cell it comes from.
        lines: For each line of `text`, the cell's line; 0 where it is ours.
        needs: The names it reads from the module.
        now: Those of `needs` that it reads when it is imported.
    """

    kind: Kind
    names: tuple[str, ...]
    text: str
    cell: str
    lines: tuple[int, ...]
    needs: frozenset[str] = frozenset()
    now: frozenset[str] = frozenset()

    @property
    def title(self) -> str:
        """What people call it: "class Net", "import torch.nn as nn", "constants A, B"."""
        if self.kind in ("import", "future"):
            return re.sub(r"\s+", " ", ast.unparse(parsed(self.text)))
        if self.kind == "value":
            return self.text.strip() if len(self.text) <= 60 else f"{self.text[:50]}..."
        word = {"function": "def ", "class": "class ", "constant": "", "block": "block that sets "}.get(self.kind, "")
        return word + (", ".join(self.names) or self.text.strip().splitlines()[0])


@dataclass(frozen=True)
class Module:
    """A module made of pieces.

    Attributes:
        source: Its text.
        lines: For each line of `source` the label of the cell and the line in it; ("", 0) where it is ours.
        pieces: What it is made of, in order.
    """

    source: str
    lines: tuple[tuple[str, int], ...]
    pieces: tuple[Piece, ...]


def pieces_of(cell: Cell, reached: Reach) -> tuple[Piece, ...]:
    """Returns the pieces that ship of a cell, `from __future__` first.

    Raises:
        CaptureError: IPython's own syntax stands inside one of them.
    """
    futures = [Piece("future", (), unit.text, cell.label, _lines(unit)) for unit in cell.units if unit.kind == "future"]
    inherited = not futures and any(unit.future_annotations for unit in cell.units)
    if inherited:
        futures = [Piece("future", (), FUTURE_ANNOTATIONS, cell.label, (0,))]
    for unit in reached.units:
        _refuse_magics(cell, unit)
    return (*futures, *(_piece(cell, unit, reached.wanted) for unit in reached.units))


def assemble(pieces: Iterable[Piece]) -> Module:
    """Joins pieces to a module, with the blank lines that people put between such pieces."""
    ordered = sorted(pieces, key=lambda piece: piece.kind != "future")
    text: list[str] = []
    lines: list[tuple[str, int]] = []
    previous: Kind | None = None
    for piece in ordered:
        blank = _blank_lines(previous, piece.kind) if previous else 0
        text.append("\n" * blank + piece.text)
        lines += [("", 0)] * blank + [(piece.cell if line else "", line) for line in piece.lines]
        previous = piece.kind
    return Module("".join(text), tuple(lines), tuple(ordered))


def combine(captures: Sequence[Capture]) -> Module:
    """Joins what captures ship to the one module that travels as model_def.py; identical pieces are there once.

    Args:
        captures: A model's capture, and that of a train function if it is another cell's; the model comes first.

    Raises:
        CaptureError: two cells give a name different meanings, or a name that one took from the other is gone.
    """
    pieces: list[Piece] = []
    known: set[tuple[Kind, str]] = set()
    for capture in captures:
        for piece in capture.pieces:
            _refuse_conflict(piece, capture, captures[: captures.index(capture)])
            content = piece.kind, ast.dump(parsed(piece.text))
            if content not in known:
                known.add(content)
                pieces.append(piece)
    given = SUPPLIED.union(*(piece.names for piece in pieces))
    for piece in pieces:
        for name in sorted(piece.needs - given):
            raise CaptureError(
                f"{piece.cell}, line {piece.lines[0]}: {piece.title} needs {name!r}, which no captured cell ships any more",
                f"Put {name} back into the model's cell, or into the cell of {piece.title}, and run both again.",
            )
    return assemble(pieces)


def imported_modules(module: Module) -> dict[str, str]:
    """Returns the dotted modules that a module imports when it runs, each with the cell and line of its first import."""
    found: dict[str, str] = {}
    for piece in module.pieces:
        todo: list[ast.AST] = [parsed(piece.text)] if "import" in piece.text else []
        while todo:
            node = todo.pop()
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = ["." * node.level + (node.module or "")]
            else:
                names = []
            for name in names:
                place = f"{piece.cell}, line {piece.lines[node.lineno - 1]}" if isinstance(node, ast.stmt) else piece.cell
                found.setdefault(name, place)
            runs = node.orelse if isinstance(node, ast.If) and is_type_checking(node.test) else ast.iter_child_nodes(node)
            todo.extend(runs)
    found.pop("__future__", None)
    return found


def _piece(cell: Cell, unit: Unit, wanted: frozenset[str]) -> Piece:
    names = tuple(sorted(unit.names.binds | unit.names.later | unit.typing_binds))
    text, lines = unit.text, _lines(unit)
    if isinstance(unit.node, ast.Import | ast.ImportFrom):
        names = import_names(unit, wanted)
        kept = [alias for alias in unit.node.names if is_star(unit) or bound_name(alias) in wanted]
        if len(kept) < len(unit.node.names):
            text, lines = _trimmed(unit.node, kept) + "\n", (kept[0].lineno,)
    return Piece(unit.kind, names, text, cell.label, lines, unit.names.needs, unit.names.now)


def _trimmed(node: ast.Import | ast.ImportFrom, kept: list[ast.alias]) -> str:
    """An import statement without the names that nothing needs: they might not be installed on a site."""
    if isinstance(node, ast.Import):
        return ast.unparse(ast.Import(kept))
    return ast.unparse(ast.ImportFrom(node.module, kept, node.level))


def _lines(unit: Unit) -> tuple[int, ...]:
    return tuple(range(unit.first, unit.first + unit.text.count("\n")))


def _blank_lines(previous: Kind, kind: Kind) -> int:
    if {previous, kind} & {"function", "class"}:
        return 2
    return 0 if previous == kind != "block" or {previous, kind} == {"constant", "value"} else 1


def _refuse_magics(cell: Cell, unit: Unit) -> None:
    """Only in a block outside any function may a magic be left out; elsewhere the code would then do something else."""
    if not cell.magics:
        return
    last = unit.first + unit.text.count("\n") - 1
    definitions = [node for node in ast.walk(unit.node) if isinstance(node, DEFINITION)]
    for magic in cell.magics:
        inside = any(node.lineno <= magic.first <= (node.end_lineno or node.lineno) for node in definitions)
        if unit.first <= magic.first <= last and (unit.kind != "block" or magic.assigns or inside):
            name = ", ".join(sorted(unit.names.binds)) or "what ships"
            raise CaptureError(
                f"{cell.label}, line {magic.first}: `{magic.text.strip()}` belongs to {name}, which ships; sites have no IPython",
                "Write that line in plain Python, or move it out of what ships.",
            )


def _refuse_conflict(piece: Piece, capture: Capture, earlier: Sequence[Capture]) -> None:
    for other in earlier:
        for name in piece.names:
            theirs, ours = (
                list(dict.fromkeys(_meaning(known, name) for known in pieces if name in known.names))
                for pieces in (other.pieces, capture.pieces)
            )
            if theirs and ours != theirs:
                raise CaptureError(
                    f"{name!r} is one thing in {other.cell} ({other.role}) and another in {capture.cell} ({capture.role}), "
                    "and both ship in one module",
                    "Keep it in one of the two cells, rename it, or run both with the same definition.",
                )


def _meaning(piece: Piece, name: str) -> str:
    """What a piece makes of a name, regardless of layout, comments, and how an import is written."""
    node = parsed(piece.text).body[0]
    if isinstance(node, ast.Import):
        return next((_target(alias) for alias in node.names if bound_name(alias) == name), "")
    if isinstance(node, ast.ImportFrom):
        return next((f"{node.module}.{alias.name}" for alias in node.names if bound_name(alias) == name), f"{node.module}.{name}")
    return ast.dump(node)


def _target(alias: ast.alias) -> str:
    return alias.name if alias.asname else alias.name.split(".")[0]
