"""What a startup must satisfy, which registers callbacks on an `EdgeClient`, and the function that makes the seed model."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable, Mapping

from ...errors import CaptureError
from .contract import ContractFunction

STARTUP = "startup"
BUILD = "build"
_REGISTERS = "set_train_callback"
_EXPECTED = (
    "Write def startup(client): and register in it what trains, such as client.set_train_callback(train); "
    "a function build() in the same cell makes the seed model."
)
_BUILD_EXPECTED = "Write def build(): which saves the seed model to the folder that SCALEOUT_BUILD_OUTPUT_DIR names."


def require_startup(defined: Mapping[str, object], where: str) -> str:
    """Returns the name of the startup that a cell defines, which is always the same.

    Args:
        defined: The names that the cell defines and what the kernel has under each.
        where: The cell's label, for messages.

    Raises:
        CaptureError: it defines none that can be called as startup(client).
    """
    if STARTUP not in defined:
        functions = [name for name, value in defined.items() if inspect.isfunction(value)]
        near = difflib.get_close_matches(STARTUP, functions, n=1)
        called = f"; did you mean {near[0]}, which must be called {STARTUP}?" if near else ""
        raise CaptureError(f"{where} defines no function {STARTUP}(client){called}", _EXPECTED)
    _require_call(STARTUP, defined[STARTUP], where, ["client"], _EXPECTED)
    return STARTUP


def build_functions(defined: Mapping[str, object], where: str) -> tuple[ContractFunction, ...]:
    """Returns the function that makes the seed model, if a cell defines it beside its startup.

    Raises:
        CaptureError: it cannot be called as build().
    """
    if BUILD not in defined:
        return ()
    _require_call(BUILD, defined[BUILD], where, [], _BUILD_EXPECTED)
    return (ContractFunction(BUILD, "build", "nothing"),)


def without_training(texts: Iterable[str]) -> tuple[str, ...]:
    """Returns a warning if nothing of what ships names the method that registers the train callback."""
    if any(_REGISTERS in text for text in texts):
        return ()
    return (f"nothing that ships calls client.{_REGISTERS}, and a site without a train callback cannot train",)


def _require_call(name: str, value: object, where: str, offered: list[str], expected: str) -> None:
    if not inspect.isfunction(value):
        raise CaptureError(f"{where}: {name} is no function but an object of the type {type(value).__name__}", expected)
    if inspect.iscoroutinefunction(value) or inspect.isgeneratorfunction(value) or inspect.isasyncgenfunction(value):
        raise CaptureError(f"{where}: {name} must be a plain function, neither async nor a generator", expected)
    try:
        inspect.signature(value).bind(*offered)
    except TypeError as error:
        call = f"{name}({', '.join(offered)})"
        raise CaptureError(f"{where}: {name}{inspect.signature(value)} cannot be called as {call}: {error}", expected) from None
