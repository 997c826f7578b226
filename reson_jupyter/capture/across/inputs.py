"""The cells that a kernel has run: which of them gave a name its value, and what stood in it."""

from __future__ import annotations

import ast
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ...errors import CaptureError
from ..text.cell import Cell, Unit
from ..text.names import bound_in, changes_of, parsed, root_name
from ..text.reach import star_exports

Reader = Callable[[str, int, bool], Cell]

_STAR = "*"
_FUTURE = re.compile(r"^\s*from\s+__future__\s+import\b.*\bannotations\b", re.MULTILINE)
_WORD = re.compile(r"\w+")


class Inputs:
    """The inputs of one kernel, by number.

    Each is looked at once, when it is new, for the names that it may bind or change; it is parsed in full only when one of these
    names is asked for, so that a long session costs nothing.

    Args:
        texts: Gives the inputs so far; the place of each is its number.
        read: Parses an input, given its text, its number, and whether `from __future__ import annotations` holds already.
        compiled_as: Gives the number of the input that was compiled under a file's name.
    """

    def __init__(
        self, texts: Callable[[], Sequence[str]], read: Reader, compiled_as: Callable[[str], int | None] = lambda name: None
    ) -> None:
        self._texts = texts
        self._read = read
        self._compiled_as = compiled_as
        self._indexed: list[str] = []
        self._future_from: int | None = None
        self._binding: dict[str, list[int]] = {}
        self._changing: dict[str, list[int]] = {}
        self._cells: dict[int, Cell | None] = {}
        self._failed: set[int] = set()
        self._ran: set[int] = set()

    @property
    def empty(self) -> bool:
        """Whether there are none, as outside of a notebook."""
        return not self._texts()

    def ran(self, number: int) -> None:
        """Takes note that an input's code ran to its end, although the magic above it may have an error to show."""
        self._ran.add(number)

    def ended(self, number: int, well: bool) -> None:
        """Takes note of how an input ended."""
        if not well and number not in self._ran:
            self._failed.add(number)
        self.update()

    def failed(self, number: int) -> bool:
        """Whether an input is known to have raised."""
        return number in self._failed

    def compiled_in(self, file: str) -> Cell | None:
        """Returns the input whose code Python knows under a file's name; of several of the same text one that has not failed."""
        self.update()
        number = self._compiled_as(file)
        if number is None or not 0 < number < len(self._indexed):
            return None
        same = [other for other, text in enumerate(self._indexed) if text == self._indexed[number] and not self.failed(other)]
        return self.cell(same[-1] if same else number)

    def binding(self, name: str) -> Iterator[Cell]:
        """Yields the inputs that bind a name at their top level, the latest first."""
        self.update()
        numbers = {*self._binding.get(name, ()), *self._binding.get(_STAR, ())}
        for number in sorted(numbers, reverse=True):
            cell = self.cell(number)
            if cell and any(binds(unit, name) for unit in cell.units):
                yield cell

    def changing(self, name: str, after: int) -> Iterator[tuple[Cell, Unit]]:
        """Yields the statements in inputs later than `after` that change the object of a name in place, or inherit from it."""
        self.update()
        for number in self._changing.get(name, ()):
            if number > after and (cell := self.cell(number)):
                yield from ((cell, unit) for unit in cell.units if name in unit.names.changes | inherits_from(unit.node))

    def cell(self, number: int) -> Cell | None:
        """Returns an input, parsed; None if it is no Python."""
        if number not in self._cells:
            future = self._future_from is not None and self._future_from <= number
            try:
                self._cells[number] = self._read(self._indexed[number], number, future)
            except CaptureError:
                self._cells[number] = None
        return self._cells[number]

    def update(self) -> None:
        """Takes up the inputs that are new."""
        texts = self._texts()
        if len(texts) < len(self._indexed) or (self._indexed and texts[len(self._indexed) - 1] != self._indexed[-1]):
            self._forget()
        for number in range(len(self._indexed), len(texts)):
            text = texts[number]
            self._indexed.append(text)
            if self._future_from is None and _FUTURE.search(text):
                self._future_from = number
            bound, changed = _glance(text)
            for names, index in ((bound, self._binding), (changed, self._changing)):
                for name in names:
                    index.setdefault(name, []).append(number)

    def _forget(self) -> None:
        """The kernel has begun to count anew."""
        for known in (self._indexed, self._binding, self._changing, self._cells, self._failed, self._ran):
            known.clear()
        self._future_from = None


def no_inputs() -> Inputs:
    """Returns the inputs of a kernel that has none, as outside of a notebook."""
    return Inputs(tuple, lambda text, number, future: Cell("", ()))


@dataclass(frozen=True)
class Kernel:
    """What captures are held against.

    Attributes:
        namespace: What the kernel has under which name now.
        inputs: The cells that it has run.
    """

    namespace: Mapping[str, object]
    inputs: Inputs = field(default_factory=no_inputs)


def binds(unit: Unit, name: str) -> bool:
    """Whether a statement binds a name, be it by a star import or by a function's `global`."""
    return name in unit.names.binds or name in unit.names.later or name in (star_exports(unit) or ())


def inherits_from(node: ast.stmt) -> set[str]:
    """Returns the names on which the bases of a class stand."""
    bases = node.bases if isinstance(node, ast.ClassDef) else []
    return {name for name in map(root_name, bases) if name}


def _glance(text: str) -> tuple[set[str], set[str]]:
    """Names that a cell may bind, and those whose object it may change; every word of a cell that is not plain Python."""
    try:
        tree = parsed(text)
    except (SyntaxError, ValueError):
        words = set(_WORD.findall(text if text.isascii() else unicodedata.normalize("NFKC", text)))
        return words | ({_STAR} if "*" in text else set()), words
    bound = bound_in(tree.body)
    for node in ast.walk(tree):
        if isinstance(node, ast.Global):
            bound.update(node.names)
        elif isinstance(node, ast.MatchAs | ast.MatchStar | ast.MatchMapping):
            name = node.rest if isinstance(node, ast.MatchMapping) else node.name
            bound.update([name] if name else [])
    return bound, changes_of(ast.walk(tree)).union(*map(inherits_from, tree.body))
