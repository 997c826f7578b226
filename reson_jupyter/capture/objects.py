"""A class or function that was passed by name -> the capture of the text it was made from, a cell's or a file's."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from typing import Any

from ..errors import CaptureError
from .across.bindings import compiled_in
from .across.inputs import Kernel
from .across.texts import file_of
from .capture import Capture, capture_cell
from .imports.unchanged import changed_part
from .roles.command import require_command, require_command_name
from .roles.contract import TRAIN_NAMES, VALIDATE_NAMES, Role, require_class, require_kind
from .text.cell import Cell
from .text.live import differs

_WAYS_OUT = (
    "Put %%reson_{role} on the first line of the cell that defines it, or define it in a .py file and import it, "
    "or install it on every site and name it by ModelConfig(model_class='package.{name}')."
)


def made_beside(role: Role, captures: Mapping[str, Capture]) -> Capture | None:
    """Returns the capture beside which one of this role is made: the model's, of a command else the startup's."""
    if role in ("model", "startup"):
        return None
    return captures.get("model") or (captures.get("startup") if role == "command" else None)


def capture_object(
    value: Any, role: Role, kernel: Kernel | None = None, beside: Capture | None = None, command: str = ""
) -> Capture:
    """Captures an object for a role from the text that defines it.

    Of a notebook's class that is the last cell that defined it, held against the class itself; of another class the file that its
    code was compiled from. Of a model's or executor's text only the class and what it needs is taken; a train function brings the
    validate function that stands beside it.

    Args:
        value: A class; for the role "train" a function called fl_train or fl_train_model; for a command any function.
        role: What it is to be.
        kernel: The notebook's kernel, if there is one.
        beside: What `made_beside` gives for the role.
        command: What a command is to be called by.

    Raises:
        CaptureError: it is not of the kind that the role needs, or its text cannot be found or shipped.
    """
    _require_kind(value, role, command)
    name = value.__name__
    home = vars(sys.modules[value.__module__])
    if home.get(name) is not value:
        also = (key for key, known in home.items() if known is value and not key.startswith("_"))
        if role not in ("train", "command") and name not in home and (alias := next(also, None)):
            hint = f"Put %%reson_{role} --class {alias} on the first line of the cell that makes {alias}."
            raise CaptureError(f"{alias} is a class that calls itself {name}, and its module has nothing under that name", hint)
        raise CaptureError(f"{name} is not what its module {value.__module__} now has under that name", "Pass the present one.")
    in_notebook = kernel is not None and kernel.namespace.get(name) is value
    cell = _cell_of(value, kernel) if kernel and in_notebook else None
    held = kernel if kernel and cell else Kernel(home)
    cell = cell or file_of(value)
    if cell is None:
        raise CaptureError(f"Could not extract source of {name!r}", _WAYS_OUT.format(role=role, name=name))
    if role not in ("train", "command"):
        others = (*TRAIN_NAMES, *VALIDATE_NAMES)
        held = Kernel({key: known for key, known in held.namespace.items() if key not in others}, held.inputs)
    asked = None if role == "train" else name
    capture = capture_cell(role, cell, held, name=asked, command=command, beside=beside, ran_just_now=held.inputs.empty)
    module = sys.modules[value.__module__]
    if value.__module__ != "__main__" and (part := changed_part(capture.source, cell.label, module)):
        raise CaptureError(f"{part} in this kernel is not what {cell.label} says", "Put the change into the file and reload it.")
    return capture


def recapture(capture: Capture, kernel: Kernel, beside: Capture | None = None) -> Capture:
    """Captures anew what a capture is of, as the kernel holds it now; what the kernel no longer has stays as it was.

    Raises:
        CaptureError: what the kernel holds now cannot be shipped.
    """
    value = kernel.namespace.get(capture.name)
    cell = _cell_of(value, kernel, capture.name) if value is not None else None
    if cell is None:
        return capture
    asked = None if capture.role in ("train", "startup") else capture.name
    return capture_cell(
        capture.role, cell, kernel, name=asked, command=capture.command, beside=beside, fix=capture.fix, ran_just_now=False
    )


def _require_kind(value: Any, role: Role, command: str) -> None:
    name = getattr(value, "__name__", "")
    if role == "command":
        where = f"the command {require_command_name(command)!r}"
        if not inspect.isfunction(value) or not name.isidentifier():
            raise CaptureError(f"{where} is no function with a name, but {value!r}", "Define it with def, and pass the function.")
        require_command(value, name, where)
    elif role != "train":
        require_kind(require_class(value, role), role)
    elif not callable(value) or name not in TRAIN_NAMES:
        raise CaptureError(f"{name or value!r} is no train function", f"Pass a function called {' or '.join(TRAIN_NAMES)}.")


def _cell_of(value: Any, kernel: Kernel, name: str = "") -> Cell | None:
    """The last cell that defines an object, and that says what the object is."""
    name = name or value.__name__
    origin = compiled_in(kernel.inputs, name, value)
    if origin:
        return origin[0]
    after_failure: Cell | None = None
    for cell in kernel.inputs.binding(name):
        unit = [unit for unit in cell.units if name in unit.names.binds][-1:]
        if not unit or unit[0].kind == "import":
            continue
        if not kernel.inputs.failed(cell.number):
            return cell if after_failure is None or not differs(unit[0], value) else after_failure
        if not differs(unit[0], value):
            after_failure = after_failure or cell
    return after_failure
