"""Pieces of several cells in an order in which they can be imported."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from .module import Piece


def in_order(cells: Mapping[int, Sequence[Piece]], loose: Iterable[Piece]) -> tuple[Piece, ...]:
    """Returns all pieces, those of one cell in their own order, and each after whatever it may use when it is imported.

    Args:
        cells: For each cell's number the pieces that ship of it.
        loose: Pieces that belong to no cell's text: values, and imports that were supplied.
    """
    pieces = [*loose, *(piece for number in sorted(cells) for piece in cells[number])]
    ordering = _Ordering(pieces)
    for piece in pieces:
        ordering.place(piece)
    return tuple(ordering.placed.values())


class _Ordering:
    def __init__(self, pieces: Sequence[Piece]) -> None:
        self._givers: dict[str, list[Piece]] = {}
        for piece in pieces:
            for name in piece.names:
                self._givers.setdefault(name, []).append(piece)
        self._cells: dict[str, list[Piece]] = {}
        for piece in pieces:
            if piece.kind != "value":
                self._cells.setdefault(piece.cell, []).append(piece)
        self._begun = set[int]()
        self.placed: dict[object, Piece] = {}

    def place(self, piece: Piece) -> None:
        """Places what a piece may use at import, then the piece; what it is used by in turn cannot come first as well."""
        if id(piece) in self._begun:
            return
        self._begun.add(id(piece))
        # Within a cell the order stays: it is the order in which the cell ran. A value belongs to no place in it.
        own = self._cells.get(piece.cell, []) if piece.kind != "value" else []
        for earlier in own[: own.index(piece)] if own else ():
            self.place(earlier)
        for name in sorted(self._used(piece)):
            for giver in self._givers.get(name, ()):
                if giver not in own:
                    self.place(giver)
        self.placed[piece.text if piece.kind == "future" else id(piece)] = piece

    def _used(self, piece: Piece) -> set[str]:
        """All names that the import of a piece may read: what it reads at once, and what that reads when it is called."""
        names, todo = set[str](), list(piece.now)
        while todo:
            name = todo.pop()
            if name not in names:
                names.add(name)
                givers = (giver for giver in self._givers.get(name, ()) if giver is not piece)
                todo.extend(needed for giver in givers for needed in giver.needs)
        return names
