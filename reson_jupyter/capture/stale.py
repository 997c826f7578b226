"""Captures held against the kernel: what ran since may have changed what they took along."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import CaptureError
from .across.inputs import Kernel
from .capture import Capture
from .objects import made_beside, recapture
from .roles.contract import ROLES
from .text.names import parsed


@dataclass(frozen=True)
class Outdated:
    """What is otherwise with a capture, in a sentence, and whether it could be captured anew."""

    what: str
    ships: bool


def outdated(captures: Mapping[str, Capture], kernel: Kernel) -> dict[str, Outdated]:
    """Says, by key, which captures would now ship something else, or nothing; it takes about as long as capturing them did."""
    try:
        new = renewed(captures, kernel)
    except CaptureError:
        return _one_by_one(captures, kernel)
    return {key: Outdated(changes(captures[key], capture), True) for key, capture in new.items()}


def _one_by_one(captures: Mapping[str, Capture], kernel: Kernel) -> dict[str, Outdated]:
    said: dict[str, Outdated] = {}
    # The others are captured beside the model or the startup; where that is the trouble, it is told there.
    for key, capture in sorted(captures.items(), key=lambda item: ROLES.index(item[1].role)):
        first = {key: captures[key] for key in ("model", "startup") if key in captures and said.get(key, _FINE).ships}
        try:
            new = renewed({**first, key: capture}, kernel)
        except CaptureError as error:
            said[key] = Outdated(error.message, False)
        else:
            if key in new:
                said[key] = Outdated(changes(capture, new[key]), True)
    return said


_FINE = Outdated("", True)


def renewed(captures: Mapping[str, Capture], kernel: Kernel) -> dict[str, Capture]:
    """Returns the captures, by key, that would now ship something else, as they would be now.

    Raises:
        CaptureError: what the kernel holds now cannot be shipped.
    """
    now = dict(captures)
    # The model first, and a startup before the commands: the others are captured beside them.
    for key, was in sorted(captures.items(), key=lambda item: ROLES.index(item[1].role)):
        try:
            now[key] = recapture(was, kernel, made_beside(was.role, now))
        except CaptureError as error:
            raise CaptureError(f"the capture of {was.name} ({was.cell}) no longer holds\n  {error.message}", error.hint) from None
    return {key: capture for key, capture in now.items() if _texts(capture) != _texts(captures[key])}


def _texts(capture: Capture) -> list[str]:
    """What ships, whatever the comments and the order: that may change when a cell runs again as it was."""
    pieces = (ast.dump(parsed(piece.text)) for piece in capture.pieces)
    return sorted((*pieces, *(f"{file.path}\n{file.text}" for file in capture.files)))


def changes(before: Capture, after: Capture) -> str:
    """Says in a sentence what is otherwise."""
    known = {ast.dump(parsed(piece.text)) for piece in before.pieces}
    new = [piece for piece in after.pieces if ast.dump(parsed(piece.text)) not in known and piece.kind != "future"]
    files = [file.path for file in after.files if file not in before.files]
    said = ", ".join([*(f"{piece.title} ({piece.cell})" if piece.cell else piece.title for piece in new), *files])
    gone = "something that shipped is not needed any more"
    return f"the {before.title} was captured in {before.cell}; since then changed: {said or gone}"
