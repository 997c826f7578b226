"""Says with an exception which function of the user's it is about, where none of his code runs any more."""

from __future__ import annotations

import inspect
from functools import partial
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, NoReturn

_OURS = Path(__file__).parent


def raise_at(function: Any, error: Exception) -> NoReturn:
    """Raises an exception whose traceback ends in the first line of a function, as if that had raised it.

    Whoever reads the traceback finds the file and the line there, and a notebook its cell. A function without a line, such as
    one that is built in, and one of this package are in no traceback.
    """
    code = _code_of(function)
    if code is None or Path(code.co_filename).parent == _OURS:
        raise error
    text = "\n" * (code.co_firstlineno - 1) + "raise error"
    names = {name: getattr(code, name) for name in ("co_name", "co_qualname") if hasattr(code, name)}  # the second since 3.11
    place = compile(text, code.co_filename, "exec", dont_inherit=True).replace(**names)
    FunctionType(place, {"error": error})()
    raise AssertionError  # not reached


def _code_of(function: Any) -> CodeType | None:
    while isinstance(function, partial):
        function = function.func
    function = inspect.unwrap(function)
    code = getattr(function, "__code__", None) or getattr(type(function).__call__, "__code__", None)
    return code if isinstance(code, CodeType) else None
