"""A cell as a list of its top-level statements, each with its text, its lines in the cell and its names.

IPython's own syntax is recognised by IPython, in `notebook/`; it arrives here replaced by `pass`, line for line.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Literal

from ...errors import CaptureError
from .names import Names, analyse, bound_in, bound_name, parsed

Kind = Literal["future", "import", "function", "class", "constant", "block", "value", "run"]

_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_HARMLESS_CALLS = frozenset({"print", "warnings.warn"})
_SIMPLE = ast.Import | ast.ImportFrom | ast.Assign | ast.AnnAssign | ast.AugAssign | ast.Pass | ast.Raise | ast.Assert
DEFINITION = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_TYPE_ALIAS = getattr(ast, "TypeAlias", ())


@dataclass(frozen=True)
class Magic:
    """A magic, shell or help line that stays in the notebook.

    Attributes:
        first: Its first line in the cell.
        last: Its last line in the cell.
        text: What stands there.
        assigns: Whether it gives its result to a name, as in `files = !ls`.
        compiles: Whether it has the text below it compiled as one, as a file is, and not statement by statement.
    """

    first: int
    last: int
    text: str
    assigns: bool = False
    compiles: bool = False


@dataclass(frozen=True)
class Unit:
    """One top-level statement of a cell.

    Attributes:
        kind: What it is; "run" never ships.
        node: The statement, parsed; its line numbers are those of the cell.
        text: Its source: whole lines, unless it shares one with another statement.
        first: Its first line in the cell, decorators included.
        future_annotations: Whether annotations in it are left unevaluated.
        imported: The names that the text which was compiled together with it imports: `torch.zeros()` is other code for them.
    """

    kind: Kind
    node: ast.stmt
    text: str
    first: int
    future_annotations: bool = False
    imported: frozenset[str] = frozenset()

    @cached_property
    def names(self) -> Names:
        """What it binds and needs."""
        names = analyse(self.text, self.node, self.future_annotations)
        if isinstance(self.node, ast.AnnAssign) and self.node.value is None:
            return Names(hints=names.needs | names.hints)
        if isinstance(self.node, ast.If) and is_type_checking(self.node.test):
            typing_only = bound_in(self.node.body) - bound_in(self.node.orelse)
            test = analyse(ast.unparse(self.node.test), ast.Expr(self.node.test)).needs
            needs = test if not self.node.orelse else names.needs
            hints = names.needs | names.hints
            return Names(names.binds - typing_only, names.later, needs, hints, names.changes, names.now & needs)
        return names

    @cached_property
    def typing_binds(self) -> frozenset[str]:
        """Names it binds for type checkers only."""
        if isinstance(self.node, ast.If) and is_type_checking(self.node.test):
            return frozenset(bound_in(self.node.body) - bound_in(self.node.orelse))
        return frozenset()

    @property
    def last(self) -> int:
        """Its last line in the cell."""
        return self.first + self.text.rstrip("\n").count("\n")


@dataclass(frozen=True)
class Cell:
    """A parsed cell.

    Attributes:
        label: How people know it, such as "In[4]".
        units: Its top-level statements, in order.
        magics: What of IPython's own syntax stood in it.
        number: Its place among the cells of the kernel; 0 for text that is no cell.
    """

    label: str
    units: tuple[Unit, ...]
    magics: tuple[Magic, ...] = field(default=())
    number: int = 0


def parse(
    source: str,
    label: str = "the cell",
    first_line: int = 1,
    magics: tuple[Magic, ...] = (),
    future_annotations: bool = False,
    number: int = 0,
) -> Cell:
    """Parses a cell's Python text.

    Args:
        source: The text, with `pass` in the place of IPython's own syntax.
        label: How people know the cell.
        first_line: The line of the cell on which `source` begins.
        magics: What has been replaced by `pass`.
        future_annotations: Whether an earlier cell's `from __future__ import annotations` still holds.
        number: The cell's number in the kernel.

    Raises:
        CaptureError: the text is no Python; the message has the line.
    """
    source = re.sub(r"\r\n?", "\n", source)
    try:
        tree = parsed(source)
    except SyntaxError as error:
        line = (error.lineno or 1) + first_line - 1
        raise CaptureError(f"{label}, line {line}: {error.msg}", "Correct the cell and run it again.") from None
    future_annotations = future_annotations or any(_is_future(node, "annotations") for node in tree.body)
    # The shell compiles the statements of a cell one by one.
    as_one = number <= 0 or any(magic.compiles for magic in magics)
    imported = frozenset(_imported(tree) if as_one else ())
    units = tuple(_units(tree, source, first_line, future_annotations, imported))
    return Cell(label, units, magics, number)


def is_type_checking(test: ast.expr) -> bool:
    """Whether a condition is `TYPE_CHECKING`, which holds for type checkers and never when code runs."""
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


def is_setattr(node: ast.stmt) -> bool:
    """Whether a statement is `setattr(X, "name", value)`: an assignment in other words."""
    call = node.value if isinstance(node, ast.Expr) else None
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.func.id != "setattr" or len(call.args) != 3:
        return False
    return isinstance(call.args[0], ast.Name) and isinstance(call.args[1], ast.Constant)


def obstacle(node: ast.stmt) -> ast.stmt | None:
    """Returns the statement that keeps a statement from shipping because it runs something; None if all of it can ship."""
    if isinstance(node, _SIMPLE | DEFINITION) or (_TYPE_ALIAS and isinstance(node, _TYPE_ALIAS)):
        return node if _awaits(node) else None
    if isinstance(node, ast.Expr):
        call = node.value
        if isinstance(call, ast.Call):
            return None if ast.unparse(call.func) in _HARMLESS_CALLS or is_setattr(node) else node
        return None if isinstance(call, ast.Constant | ast.Name) else node
    if isinstance(node, ast.If):
        if any(isinstance(inner, ast.Name) and inner.id == "__name__" for inner in ast.walk(node.test)):
            return node
        blocks = [node.body, node.orelse]
    elif isinstance(node, ast.Try):
        blocks = [node.body, *(handler.body for handler in node.handlers), node.orelse, node.finalbody]
    else:
        return node
    return next((found for block in blocks for inner in block if (found := obstacle(inner))), None)


def _imported(tree: ast.Module) -> Iterator[str]:
    """The names that a module's own imports bind, those inside `if`, `with` and the like too."""
    todo: list[ast.AST] = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from (bound_name(alias) for alias in node.names if alias.name != "*")
        todo.extend(child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.expr | DEFINITION))


def _awaits(node: ast.stmt) -> bool:
    """Whether a statement awaits outside any function, which only a notebook can do."""
    todo: list[ast.AST] = [] if isinstance(node, DEFINITION) else [node]
    while todo:
        inner = todo.pop()
        if isinstance(inner, ast.Await) or (isinstance(inner, ast.comprehension) and inner.is_async):
            return True
        todo.extend(child for child in ast.iter_child_nodes(inner) if not isinstance(child, ast.Lambda | DEFINITION))
    return False


def _kind(node: ast.stmt) -> Kind:
    if isinstance(node, ast.ImportFrom) and node.module == "__future__":
        return "future"
    if isinstance(node, ast.Import | ast.ImportFrom):
        return "import"
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return "function"
    if isinstance(node, ast.ClassDef):
        return "class"
    if is_setattr(node):
        return "constant"
    if obstacle(node) or isinstance(node, ast.Expr | ast.Pass | ast.Raise | ast.Assert):
        return "run"
    if isinstance(node, ast.If | ast.Try):
        return "block"
    return "run" if isinstance(node, ast.AnnAssign) and node.value is None else "constant"


def _is_future(node: ast.stmt, feature: str) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module == "__future__" and any(alias.name == feature for alias in node.names)


def _units(tree: ast.Module, source: str, first_line: int, future_annotations: bool, imported: frozenset[str]) -> Iterator[Unit]:
    # str.splitlines would also split at form feeds and other characters that are no line ends to Python.
    lines = _LINE.findall(source)
    spans = [(_first_line(node, lines), node.end_lineno or node.lineno) for node in tree.body]
    # A backslash after a semicolon joins the next line to this one.
    shared = [after[0] <= last or lines[last - 1].rstrip("\n").endswith("\\") for (_, last), after in pairwise(spans)]
    borders = [False, *shared, False]
    for index, (node, (first, last)) in enumerate(zip(tree.body, spans, strict=True)):
        shares_first, shares_last = borders[index : index + 2]
        text = "".join(lines[first - 1 : last])
        if shares_first or shares_last:
            text = _cut(lines[first - 1 : last], node, shares_first, shares_last)
        if first_line > 1:
            ast.increment_lineno(node, first_line - 1)
        text = text if text.endswith("\n") else text + "\n"
        yield Unit(_kind(node), node, text, first + first_line - 1, future_annotations, imported)


def _first_line(node: ast.stmt, lines: list[str]) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(decorator.lineno for decorator in decorators)])
    # A decorator in brackets may begin below its "@".
    while decorators and not lines[first - 1].lstrip().startswith("@"):
        first -= 1
    return first


def _cut(lines: list[str], node: ast.stmt, at_start: bool, at_end: bool) -> str:
    """Cuts a statement out of lines that it shares with others; the parser counts columns in UTF-8 bytes."""
    encoded = [line.encode() for line in lines]
    if at_end:
        encoded[-1] = encoded[-1][: node.end_col_offset] + b"\n"
    if at_start:
        encoded[0] = encoded[0][node.col_offset :]
    return b"".join(encoded).decode()
