"""The text that a class or function was compiled from: a file, or a cell that Python still keeps the lines of."""

from __future__ import annotations

import linecache
import sys
from pathlib import Path
from types import CodeType
from typing import Any

from ...errors import CaptureError
from ..imports.origin import in_libraries
from ..imports.unchanged import compiled_otherwise
from ..text.cell import Cell, parse

_RELOAD = "Reload the module (or start the kernel anew), and pass what it has then."


def file_of(value: Any, number: int = 0) -> Cell | None:
    """Returns the text that an object was compiled from, parsed; None if it is unknown or a library's.

    The text is found through the object's own code (Python keeps the file, or the cell, that each function was compiled from), so
    it cannot be another definition of the same name.

    Args:
        value: A class or function.
        number: The number that the text is to have among the kernel's inputs.

    Raises:
        CaptureError: it is a file that has changed since it was imported.
    """
    module = sys.modules.get(getattr(value, "__module__", None) or "")
    for path in filter(None, (_code_file(value), getattr(module, "__file__", None))):
        if in_libraries(Path(path)):
            return None
        linecache.checkcache(path)
        text = "".join(linecache.getlines(path))
        if text:
            try:
                cell = parse(text, label=Path(path).name, number=number)
            except CaptureError:
                return None
            if module and module.__name__ != "__main__" and compiled_otherwise(text, module):
                raise CaptureError(f"{cell.label} has changed since this kernel imported it", _RELOAD)
            return cell
    return None


def _code_file(value: Any) -> str | None:
    for member in (value, *vars(value).values()) if isinstance(value, type) else (value,):
        member = getattr(member, "__func__", getattr(member, "fget", member))
        code = getattr(member, "__code__", None)
        # A method that was made elsewhere and hung into the class (by a decorator, say) tells nothing of the class.
        if isinstance(code, CodeType) and member.__module__ == value.__module__:
            return code.co_filename
    return None
