"""Whether the kernel holds what a text says: functions and classes compared with their source by their code."""

from __future__ import annotations

import ast
import functools
import warnings
from collections.abc import Iterator, Mapping
from types import CodeType, FunctionType
from typing import Any

from .cell import Unit
from .names import bound_in

# What dataclasses, named tuples and attrs compile for a class. (A cell is "<ipython-input-..." in a terminal.)
_GENERATED = ("<string>", "<attrs")
_OF_CODE = (
    *("co_code", "co_names", "co_varnames", "co_freevars", "co_exceptiontable"),
    *("co_argcount", "co_posonlyargcount", "co_kwonlyargcount"),
)
_SIMPLE = (bool, int, float, complex, str, bytes, type(None))
_CONTAINERS = (list, dict, tuple)


def same_code(one: CodeType, other: CodeType) -> bool:
    """Whether two code objects do the same, wherever they were compiled."""
    inner, others = ([part for part in code.co_consts if isinstance(part, CodeType)] for code in (one, other))
    return (
        all(getattr(one, attribute) == getattr(other, attribute) for attribute in _OF_CODE)
        and _constants_of(one) == _constants_of(other)
        and len(inner) == len(others)
        and all(map(same_code, inner, others))
    )


def differs(unit: Unit, value: object, exempt: frozenset[str] = frozenset()) -> str | None:
    """Returns which part of a live function or class is not what its statement says; None if nothing is seen to differ.

    Args:
        unit: A `def`, a `class`, or another statement with the function's code in it.
        value: What the kernel has under its name.
        exempt: Members of the class that other statements of the same text set.
    """
    codes = list(_codes(unit))
    if isinstance(unit.node, ast.ClassDef):
        if not isinstance(value, type):
            return unit.node.name
        parts = [part for part in _members(unit.node, value, codes) if part not in exempt]
        return f"{unit.node.name}.{parts[0]}" if parts else None
    code = code_of(value)
    if isinstance(unit.node, ast.FunctionDef | ast.AsyncFunctionDef):
        name = unit.node.name
        if code is None or code.co_name != name:
            return None if unit.node.decorator_list else name  # what a decorator returns may be anything
        return None if _any_same(code, [known for known in codes if known.co_name == name]) else name
    if code is None:
        return None
    known_here = [known for known in codes if known.co_name == code.co_name]
    return None if not known_here or _any_same(code, known_here) else code.co_name


def code_of(value: object) -> CodeType | None:
    """Returns the code that the user wrote of a function, method or property, beneath well-behaved decorators."""
    seen = set[int]()
    while id(value) not in seen:
        seen.add(id(value))
        for attribute in ("__wrapped__", "__func__", "fget", "func"):
            inner = getattr_static(value, attribute)
            if callable(inner) and not isinstance(value, type):
                value = inner
    return value.__code__ if isinstance(value, FunctionType) else None


def other_default(unit: Unit, value: object, namespace: Mapping[str, object]) -> str | None:
    """Returns a default of a function, as its statement writes it, that the statement would now give another value; None if none.

    Only defaults that are names or written out are looked at.
    """
    node = unit.node
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or not isinstance(value, FunctionType) or node.decorator_list:
        return None
    held = [*(value.__defaults__ or ()), *((value.__kwdefaults__ or {}).get(one.arg) for one in node.args.kwonlyargs)]
    said = [*node.args.defaults, *node.args.kw_defaults]
    if len(said) != len(held):
        return node.name
    for default, now in zip(said, held, strict=True):
        if isinstance(default, ast.Constant):
            then: object = default.value
        elif isinstance(default, ast.Name) and default.id in namespace:
            then = namespace[default.id]
        else:
            continue
        if then is not now and (type(then) is not type(now) or repr(then) != repr(now)):
            return ast.unparse(default)
    return None


def files_of(value: object) -> set[str]:
    """Returns the names of the files, or cells, that a function or the methods of a class were compiled from."""
    members = [value]
    if isinstance(value, type):
        members = [member for member in vars(value).values() if _is_own(member, value)]
    return {
        code.co_filename for code in map(code_of, members) if code is not None and not code.co_filename.startswith(_GENERATED)
    }


def _is_own(member: object, owner: type) -> bool:
    code = code_of(member)
    named = getattr(getattr(member, "__func__", getattr(member, "fget", member)), "__qualname__", "")
    return code is not None and named.startswith(f"{owner.__qualname__}.")


def getattr_static(value: object, name: str) -> Any:
    """Returns an attribute that reading cannot compute, or None."""
    if isinstance(value, property | staticmethod | classmethod | functools.cached_property | functools.partial):
        return getattr(value, name, None)
    try:
        return object.__getattribute__(value, "__dict__").get(name)
    except (AttributeError, TypeError):
        return None


def _codes(unit: Unit) -> Iterator[CodeType]:
    """Every code object in a statement's text."""
    text = "".join(f"import {name}\n" for name in sorted(unit.imported)) + unit.text
    text = "from __future__ import annotations\n" + text if unit.future_annotations else text
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        todo = [compile(text, "<cell>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)]
    while todo:
        inner = [part for part in todo.pop().co_consts if isinstance(part, CodeType)]
        yield from inner
        todo.extend(inner)


def _constants_of(code: CodeType) -> list[object]:
    """The constants of code; the order in which a set shows its members is no part of it."""
    parts = [part for part in code.co_consts if not isinstance(part, CodeType)]
    return [sorted(map(repr, part)) if isinstance(part, frozenset) else repr(part) for part in parts]


def _any_same(code: CodeType, known: list[CodeType]) -> bool:
    return any(same_code(code, one) for one in known)


def _members(node: ast.ClassDef, value: type, codes: list[CodeType]) -> Iterator[str]:
    """The members of a class that are not what its body says."""
    own = vars(value)
    inside = list(ast.walk(node))
    deleted = {inner.id for inner in inside if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Del)}
    for statement in node.body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef) and statement.name not in deleted:
            name = _mangled(statement.name, node.name)
            code = code_of(own.get(name))
            known = [known for known in codes if known.co_name == statement.name]
            plain = not statement.decorator_list
            another = code is not None and not _any_same(code, known) and (plain or code.co_name == statement.name)
            if name not in own or (plain and code is None) or another:
                yield statement.name
    yield from _constants(node, inside, own)
    said = bound_in(node.body)
    for name, member in own.items():
        if isinstance(member, FunctionType) and name not in said and _is_added(node, value, member):
            yield name


def _is_added(node: ast.ClassDef, value: type, member: FunctionType) -> bool:
    """Whether a method was put into a class from outside, other than by what makes the class: decorators, metaclasses, bases."""
    if member.__module__ != value.__module__ or member.__code__.co_filename.startswith(_GENERATED):
        return False
    if "<" not in member.__qualname__:
        return not member.__qualname__.startswith(f"{value.__qualname__}.")
    told = any("__init_subclass__" in vars(base) for base in value.__mro__[1:-1])
    return not (node.decorator_list or told or type(value) is not type)


def _constants(node: ast.ClassDef, inside: list[ast.AST], own: Any) -> Iterator[str]:
    """Attributes that the body writes out and that have another value now, unless the class's own code sets them."""
    stored = [inner.id for inner in inside if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store)]
    kept = {inner.attr for inner in inside if isinstance(inner, ast.Attribute) and isinstance(inner.ctx, ast.Store)}
    for statement in node.body:
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        said = getattr(statement, "value", None)
        if len(targets) != 1 or not isinstance(targets[0], ast.Name) or said is None:
            continue
        name = targets[0].id
        held = own.get(_mangled(name, node.name))
        if stored.count(name) > 1 or name in kept or type(held) not in (*_SIMPLE, *_CONTAINERS):
            continue
        try:
            written = ast.literal_eval(said)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            continue
        if type(written) in (*_SIMPLE, *_CONTAINERS) and repr(held) != repr(written):
            yield name


def _mangled(name: str, owner: str) -> str:
    return f"_{owner.lstrip('_')}{name}" if name.startswith("__") and not name.endswith("__") else name
