"""Values that another cell gave to a name: which have a source, which statements say them, what to do with the others."""

from __future__ import annotations

import ast
import dataclasses
import enum
import functools
import inspect
import itertools
import logging
import math
import pathlib
import re
import typing
from collections.abc import Mapping
from types import FunctionType, GenericAlias, ModuleType, SimpleNamespace, UnionType
from typing import Any

LARGEST = 4096  # characters of a value's source

# Running the statement again makes the same of these, wherever it runs.
_SAME_AGAIN = (
    *(type, range, slice),
    *(logging.Logger, re.Pattern, pathlib.PurePath),
    *(GenericAlias, UnionType, typing.TypeVar, typing.ParamSpec, typing.NewType),
)
_SAME_AGAIN_NAMED = frozenset({"torch.device", "torch.dtype"})
# The helpers of Scaleout Edge hold nothing but their name: ours, and those of an installed scaleout.
_HELPERS = ("reson_jupyter.edge.travel.", "scaleoututil.helpers.")
# An expression that asks for one of these is about the machine it runs on, so a site has to ask for itself.
_MACHINE = re.compile(
    r"\b(torch\.(cuda|backends|accelerator|xpu|mps)|os\.(environ|getenv|cpu_count)|(platform|sys|shutil|psutil)\.)"
)
_REFUSED = {
    "DataFrame": "a DataFrame; data reaches the sites as shards, so read it from env['DATA_ROOT'] in the train function",
    "Series": "a Series; data reaches the sites as shards, so read it from env['DATA_ROOT'] in the train function",
    "Parameter": "a parameter; create it in the model's constructor",
    "Tensor": "a tensor; write its values into the cell, or make it a buffer of the model",
    "ndarray": "an array; write its values into the cell, or compute them where they are needed",
    "DataLoader": "a DataLoader; make it in the train function, from env['DATA_ROOT']",
    "Generator": "a generator; make it where it is needed",
}


def literal(value: object, namespace: Mapping[str, object]) -> tuple[str, frozenset[str]] | None:
    """Returns the source of a simple value, and the names of classes that it uses; None if it has no such source.

    Simple are numbers, strings, booleans, None, functions and classes that the kernel has a name for, enumeration members, and
    tuples, lists, sets and dicts of these, and
    dataclasses, named tuples and SimpleNamespaces of simple values whose class the kernel has under its own name.
    """
    needs = set[str]()
    if isinstance(value, type | FunctionType):
        return None
    try:
        text = _source(value, namespace, needs)
    except RecursionError:
        return None
    return (text, frozenset(needs)) if text is not None and len(text) <= LARGEST else None


def says(node: ast.expr, value: object, namespace: Mapping[str, object]) -> bool:
    """Whether an expression, looked up in the namespace without running anything, is a value."""
    match node:
        case ast.Tuple() | ast.List():
            if not isinstance(value, tuple | list) or type(value).__name__ != type(node).__name__.lower():
                return False
            return len(node.elts) == len(value) and all(map(says, node.elts, value, itertools.repeat(namespace)))
        case ast.Dict():
            if type(value) is not dict or len(node.keys) != len(value):
                return False
            pairs = zip(node.keys, node.values, value.items(), strict=True)
            return all(key and says(key, k, namespace) and says(part, v, namespace) for key, part, (k, v) in pairs)
        case ast.Name() | ast.Attribute():
            return _found(node, namespace) is value
    try:
        said = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    return type(said) is type(value) and repr(said) == repr(value)


def same_again(value: object, said: ast.expr | None, namespace: Mapping[str, object]) -> bool:
    """Whether running an assignment once more, on another machine, makes what the kernel holds.

    Args:
        value: What the kernel holds.
        said: The assignment's right side.
        namespace: What the kernel has under which name.
    """

    def has_source(part: object) -> bool:
        return _source(part, namespace, set()) is not None

    if isinstance(value, FunctionType | functools.partial):
        return said is not None and all(map(_is_written_out, _inputs(said))) and all(map(has_source, _held_by(value)))
    kind = type(value)
    if isinstance(value, _SAME_AGAIN) or kind.__module__ == "typing" or f"{kind.__module__}.{kind.__name__}" in _SAME_AGAIN_NAMED:
        return True
    # A loss or an activation: a layer that has nothing to learn, made from what is written out. A helper is made so, too.
    stateless = kind.__module__.startswith("torch.nn.") and not getattr(value, "state_dict", lambda: None)()
    is_helper = kind.__module__.startswith(_HELPERS) and set(vars(value)) <= {"name"}
    return (stateless or is_helper) and isinstance(said, ast.Call) and all(map(_is_written_out, _inputs(said)))


def asks_the_machine(node: ast.AST) -> bool:
    """Whether an expression's value depends on the machine, as in "cuda" if torch.cuda.is_available() else "cpu"."""
    return bool(_MACHINE.search(ast.unparse(node)))


def refused(value: object) -> str:
    """Says what a live object is, and what to do instead of shipping it."""
    kind = type(value)
    names = [base.__name__ for base in kind.__mro__]
    if "Module" in names and hasattr(value, "state_dict"):
        return f"a {kind.__name__} object; make it in the constructor, or start from its weights with checkpoint="
    if "IOBase" in names or "_IOBase" in names:
        return "an open file; open it where it is needed"
    if kind in (str, bytes, tuple, list, dict, set):
        return f"a {kind.__name__} that is no simple value, or too long; ship it in the shards, or compute it where it is needed"
    known = next((text for name, text in _REFUSED.items() if name in names), None)
    return known or f"a live object ({kind.__name__}); make it inside what ships, or in this cell"


def _held_by(function: FunctionType | functools.partial[Any]) -> list[object]:
    """What a function carries besides its code."""
    if isinstance(function, functools.partial):
        return [function.func, *function.args, *function.keywords.values()]
    closed = [cell.cell_contents for cell in function.__closure__ or ()]
    return [*closed, *(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]


def _inputs(said: ast.expr) -> list[ast.expr]:
    """What an expression computes with: the arguments of a call, the defaults of a lambda."""
    if isinstance(said, ast.Call):
        return [*said.args, *(keyword.value for keyword in said.keywords)]
    if isinstance(said, ast.Lambda):
        return [*said.args.defaults, *(default for default in said.args.kw_defaults if default)]
    return [said]


def _is_written_out(node: ast.expr) -> bool:
    return not any(isinstance(inner, ast.Call | ast.Await | ast.NamedExpr) for inner in ast.walk(node))


def _source(value: object, namespace: Mapping[str, object], needs: set[str]) -> str | None:
    kind = type(value)
    if value is None or value is Ellipsis or kind in (bool, int, str, bytes):
        return repr(value)
    if kind is float:
        return repr(value) if math.isfinite(value) else f'float("{value}")'  # type: ignore[arg-type]
    if isinstance(value, complex) and kind is complex:
        return f"complex({_source(value.real, namespace, needs)}, {_source(value.imag, namespace, needs)})"
    if kind.__module__ == "numpy" and hasattr(value, "item") and not hasattr(value, "__len__"):
        return _source(value.item(), namespace, needs)
    if kind in (tuple, list, set, frozenset):
        return _sequence(list(value), kind, namespace, needs)  # type: ignore[call-overload]
    if kind is dict:
        keys, values = (_parts(list(part), namespace, needs) for part in (value.keys(), value.values()))  # type: ignore[attr-defined]
        return None if keys is None or values is None else "{" + ", ".join(map("{}: {}".format, keys, values)) + "}"
    if isinstance(value, type | FunctionType):
        return _named(value, namespace, needs)
    if namespace.get(kind.__name__) is not kind:
        return None
    return _instance(value, namespace, needs)


def _named(value: type | FunctionType, namespace: Mapping[str, object], needs: set[str]) -> str | None:
    """A class or function by its own name, or as a part of a module that the kernel has a name for: nn.ReLU."""
    name = value.__name__
    if namespace.get(name) is value:
        needs.add(name)
        return name
    for alias, module in namespace.items():
        if isinstance(module, ModuleType) and not alias.startswith("_") and vars(module).get(name) is value:
            needs.add(alias)
            return f"{alias}.{name}"
    return None


def _sequence(items: list[object], kind: type, namespace: Mapping[str, object], needs: set[str]) -> str | None:
    parts = _parts(sorted(items, key=repr) if kind in (set, frozenset) else items, namespace, needs)
    if parts is None:
        return None
    inner = ", ".join(parts)
    if kind is tuple:
        return f"({inner},)" if len(parts) == 1 else f"({inner})"
    if kind is list:
        return f"[{inner}]"
    braces = f"{{{inner}}}" if parts else ""
    return (braces or "set()") if kind is set else f"frozenset({braces})"


def _instance(value: object, namespace: Mapping[str, object], needs: set[str]) -> str | None:
    """An enumeration's member, or a dataclass or named tuple whose constructor gets what its fields hold."""
    name = type(value).__name__
    needs.add(name)
    if isinstance(value, enum.Enum) and not isinstance(value, enum.Flag):
        return f"{name}.{value.name}"
    if _makes_itself(type(value)):
        return None
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        own = {field.name for field in fields}
        if any(not field.init for field in fields) or own != set(getattr(value, "__dict__", own)):
            return None
        names = [field.name for field in fields]
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        names = list(value._fields)
    elif isinstance(value, SimpleNamespace):
        names = list(vars(value))
    else:
        return None
    parts = _parts([getattr(value, field) for field in names], namespace, needs)
    return None if parts is None else f"{name}({', '.join(map('{}={}'.format, names, parts))})"


def _makes_itself(kind: type) -> bool:
    """Whether a class has construction code of its own, which may change what it gets; generated code has no file."""
    own = [vars(base).get(name) for base in kind.__mro__ for name in ("__post_init__", "__init__", "__new__")]
    codes = [getattr(getattr(method, "__func__", method), "__code__", None) for method in own]
    return kind is not SimpleNamespace and any(code is not None and not code.co_filename.startswith("<") for code in codes)


def _parts(items: list[object], namespace: Mapping[str, object], needs: set[str]) -> list[str] | None:
    parts = [_source(item, namespace, needs) for item in items]
    return None if None in parts else [part for part in parts if part is not None]


def _found(node: ast.expr, namespace: Mapping[str, object]) -> object:
    """What a dotted name is, found without running anything; the namespace itself, which is no value, if it is not found."""
    if isinstance(node, ast.Name):
        return namespace.get(node.id, namespace)
    if isinstance(node, ast.Attribute):
        owner = _found(node.value, namespace)
        if isinstance(owner, ModuleType | type):
            return inspect.getattr_static(owner, node.attr, namespace)
    return namespace
