"""A class or function that was passed by name -> the capture of the text it was made from, a cell's or a file's."""

from __future__ import annotations

import linecache
import sys
import sysconfig
from pathlib import Path
from types import CodeType
from typing import Any

from ..errors import CaptureError
from .capture import Capture, capture_cell
from .cell import parse
from .contract import TRAIN_NAMES, VALIDATE_NAMES, Role, require_class, require_kind

_WAYS_OUT = (
    "Put %%reson_{role} on the first line of the cell that defines it, or define it in a .py file and import it, "
    "or install it on every site and name it by ModelConfig(model_class='package.{name}')."
)
_LIBRARIES = tuple(Path(sysconfig.get_path(kind)).resolve() for kind in ("stdlib", "purelib", "platlib"))


def capture_object(value: Any, role: Role) -> Capture:
    """Captures an object for a role from the text that defines it.

    The text is found through the object's own code (Python keeps the file, or the cell, that each function was compiled from), so
    it cannot be another definition of the same name. Of a model's or executor's file only the class and what it needs is taken;
    a train function brings the validate function of its file with it.

    Args:
        value: A class; for the role "train" a function called fl_train or fl_train_model.
        role: What it is to be.

    Raises:
        CaptureError: it is not of the kind that the role needs, or its text cannot be found or shipped.
    """
    if role == "train":
        if not callable(value) or getattr(value, "__name__", "") not in TRAIN_NAMES:
            raise CaptureError(f"{value!r} is no train function", f"Pass a function called {' or '.join(TRAIN_NAMES)}.")
    else:
        require_kind(require_class(value, role), role)
    name = value.__name__
    path, text = _text_of(value, role)
    namespace = dict(vars(sys.modules[value.__module__]))
    if namespace.get(name) is not value:
        raise CaptureError(f"{name} is not what its module {value.__module__} now has under that name", "Pass the present one.")
    if role != "train":
        namespace = {key: known for key, known in namespace.items() if key not in (*TRAIN_NAMES, *VALIDATE_NAMES)}
    cell = parse(text, label=Path(path).name)
    return capture_cell(role, cell, namespace, class_name=None if role == "train" else name)


def _text_of(value: Any, role: Role) -> tuple[str, str]:
    """The file, or the name of the cell, that an object was compiled from, and the whole text of it."""
    for path in filter(None, (_code_file(value), getattr(sys.modules.get(value.__module__), "__file__", None))):
        if any(Path(path).resolve().is_relative_to(library) for library in _LIBRARIES):
            break
        text = "".join(linecache.getlines(path))
        if text:
            return path, text
    hint = _WAYS_OUT.format(role=role, name=value.__name__)
    raise CaptureError(f"Could not extract source of {value.__name__!r}", hint)


def _code_file(value: Any) -> str | None:
    for member in (value, *vars(value).values()) if isinstance(value, type) else (value,):
        member = getattr(member, "__func__", getattr(member, "fget", member))
        code = getattr(member, "__code__", None)
        # A method that was made elsewhere and hung into the class (by a decorator, say) tells nothing of the class.
        if isinstance(code, CodeType) and member.__module__ == value.__module__:
            return code.co_filename
    return None
