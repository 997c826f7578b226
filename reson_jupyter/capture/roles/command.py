"""What a command must satisfy: a function that the notebook calls on the sites while a run goes on."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping

from ...errors import CaptureError
from ..text.cell import Cell
from ..text.reach import reach

_NAME = re.compile(r"[A-Za-z_][\w.-]*", re.ASCII)
_OFFERED = ("env", "logger")
_EXPECTED = (
    "Write one of: {name}(params), {name}(params, env), {name}(params, env, logger); params is what run.command() sends, "
    "env and logger are those of a train function; what it returns must be JSON."
)


def require_command_name(command: object) -> str:
    """Returns `command` if it can name a command.

    Raises:
        CaptureError: it cannot.
    """
    if not isinstance(command, str) or not _NAME.fullmatch(command):
        raise CaptureError(f"{command!r} cannot be the name of a command", "Use letters, digits and _ - . such as: clear_cache")
    return command


def command_function(cell: Cell, defined: Mapping[str, object], command: str) -> str:
    """Returns the name of the function that is the command: the one of that name, else the only one that no other one needs.

    Args:
        cell: The cell that defines it.
        defined: What the cell defines, and what the kernel has under each name.
        command: The command's name.

    Raises:
        CaptureError: the cell does not tell.
    """
    if command in defined:
        return command
    found = [name for unit in cell.units if unit.kind == "function" for name in sorted(unit.names.binds) if name in defined]
    found = [name for name in dict.fromkeys(found) if not any(_needs(cell, other, name) for other in found if other != name)]
    if len(found) == 1:
        return found[0]
    example = command if command.isidentifier() else "run"
    if not found:
        raise CaptureError(f"{cell.label} defines no function", f"Define the command in this cell: def {example}(params): ...")
    raise CaptureError(
        f"{cell.label} defines several functions that could be the command {command}: {', '.join(found)}",
        f"Give the function the command's name, for example: %%reson_command {found[-1]}",
    )


def require_command(value: object, name: str, where: str) -> None:
    """Makes sure that a site can call a function as a command.

    Args:
        value: What was defined, or passed.
        name: Its name.
        where: The cell's label, or another place, for messages.

    Raises:
        CaptureError: it cannot.
    """
    expected = _EXPECTED.format(name=name)
    if not inspect.isroutine(value):
        raise CaptureError(f"{where}: {name} is no function but an object of the type {type(value).__name__}", expected)
    if inspect.iscoroutinefunction(value) or inspect.isgeneratorfunction(value) or inspect.isasyncgenfunction(value):
        raise CaptureError(f"{where}: {name} must be a plain function, neither async nor a generator", expected)
    signature = inspect.signature(value)
    try:
        signature.bind({}, **dict.fromkeys(name for name in _OFFERED if name in signature.parameters))
    except TypeError as error:
        raise CaptureError(f"{where}: {name}{signature} cannot be called as a command: {error}", expected) from None


def _needs(cell: Cell, user: str, name: str) -> bool:
    return any(name in unit.names.binds for unit in reach(cell.units, [user]).units)
