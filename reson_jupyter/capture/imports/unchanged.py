"""Whether a file of the user's still says what the kernel holds since it imported the file."""

from __future__ import annotations

import ast
import inspect
import marshal
import operator
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from importlib.util import MAGIC_NUMBER
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from ..text.cell import DEFINITION, Unit, parse
from ..text.live import code_of, differs, same_code

_SIMPLE = (bool, int, float, complex, str, bytes, type(None), tuple)
_NOTHING = object()
_FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef


def changed_part(text: str, path: str, live: ModuleType) -> str | None:
    """Returns a part of a loaded module that its file says otherwise, such as "Block.forward"; None if nothing is seen to differ.

    Functions are compared by their code and defaults, classes by their methods, bases and plain values, constants by their value.
    What a statement computes is not: only running it again would tell.

    Args:
        text: The file's present text.
        path: The file's name.
        live: The module as it was imported.
    """
    cell = parse(text, path)
    bound = Counter(name for unit in cell.units for name in unit.names.binds | unit.names.later)
    # Counters and caches that the code itself keeps, as in `Block.count += 1`.
    kept = frozenset(
        node.attr
        for unit in cell.units
        for node in ast.walk(unit.node)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    )
    for unit in cell.units:
        for name in sorted(unit.names.binds):
            if bound[name] == 1 and (part := _changed(unit, name, vars(live), kept)):
                return part
    return None


def compiled_otherwise(text: str, live: ModuleType) -> bool:
    """Returns whether the code that Python keeps of a module, from when it was imported, is not what its text compiles to now.

    Python keeps it beside the file, with the file's time and size; if a later import has replaced it, it tells nothing.
    """
    cached, file = getattr(live, "__cached__", None), getattr(live, "__file__", None)
    try:
        kept, stat = Path(str(cached)).read_bytes(), Path(str(file)).stat()
        fresh = int.from_bytes(kept[8:12], "little") == int(stat.st_mtime) & 0xFFFFFFFF
        if not cached or kept[:4] != MAGIC_NUMBER or kept[4:8] != bytes(4) or fresh:
            return False
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return not same_code(marshal.loads(kept[16:]), compile(text, str(file), "exec", dont_inherit=True))
    except (OSError, ValueError, EOFError, TypeError, SyntaxError):
        return False


def is_stale(name: str, namespace: Mapping[str, object], target: str, module: Mapping[str, object]) -> bool:
    """Whether a name that was imported from a module is not (or no longer) what the module has: it was reloaded since, say.

    Args:
        name: The name in the importing namespace.
        namespace: What the kernel has there.
        target: The name in the module.
        module: The names of the module that it was taken from.
    """
    mine, theirs = namespace.get(name, _NOTHING), module.get(target, _NOTHING)
    if mine is theirs or mine is _NOTHING or theirs is _NOTHING:
        return False
    if isinstance(mine, type) and isinstance(theirs, type):
        members = {member for member in {*vars(mine), *vars(theirs)} if not member.startswith("__")} | {"__init__"}
        return not all(_alike(vars(mine).get(member), vars(theirs).get(member)) for member in members)
    return not _alike(mine, theirs)


def _alike(one: object, other: object) -> bool:
    """Whether functions have the same code and simple values are equal; other values cannot be told apart."""
    code, another = code_of(one), code_of(other)
    if code or another:
        return code is not None and another is not None and same_code(code, another)
    return not (isinstance(one, _SIMPLE) and isinstance(other, _SIMPLE)) or repr(one) == repr(other)


def _changed(unit: Unit, name: str, held: Mapping[str, Any], kept: frozenset[str]) -> str | None:
    node = unit.node
    if isinstance(node, DEFINITION):
        if name not in held:
            return name
        if part := differs(unit, held[name], kept):
            return part
        members = _class_parts(node, held) if isinstance(node, ast.ClassDef) else _defaults(node, held[name])
        return next(members, None)
    if name not in held:
        return name if unit.kind == "constant" else None
    if unit.kind == "constant" and not _may_be(held[name], _literal(node, name)):
        return name
    return differs(unit, held[name])


def _class_parts(node: ast.ClassDef, held: Mapping[str, Any]) -> Iterator[str]:
    """What of a class is otherwise besides the code of its methods."""
    value = held[node.name]
    said = [_resolved(base, held) for base in node.bases]
    bases = vars(value).get("__orig_bases__", value.__bases__ if value.__bases__ != (object,) else ())
    if object not in said and _NOTHING not in said and (len(said) != len(bases) or any(map(operator.is_not, said, bases))):
        yield f"the base of {node.name}"
    fields = vars(value).get("__dataclass_fields__", vars(value).get("_fields"))
    for inner in node.body if fields is not None else ():
        if isinstance(inner, ast.AnnAssign) and isinstance(inner.target, ast.Name) and inner.target.id not in (*fields, "_"):
            yield f"{node.name}.{inner.target.id}"
    for name, member in {inner.name: inner for inner in node.body if isinstance(inner, _FUNCTION)}.items():
        yield from (f"{node.name}.{part}" for part in _defaults(member, vars(value).get(name)))


def _resolved(node: ast.expr, held: Mapping[str, Any]) -> object:
    """What a plain or dotted name means in the module; nothing for any other expression."""
    if isinstance(node, ast.Name):
        return held.get(node.id, _NOTHING)
    if isinstance(node, ast.Attribute) and (owner := _resolved(node.value, held)) is not _NOTHING:
        return getattr(owner, node.attr, _NOTHING)
    return _NOTHING


def _defaults(node: _FUNCTION, value: Any) -> Iterator[str]:
    """The function's name, if its arguments or one of their literal defaults are other than the text's."""
    function = inspect.unwrap(getattr(value, "__func__", value))
    if not isinstance(function, FunctionType) or function.__code__.co_name != node.name:
        return
    arguments, code, named = node.args, function.__code__, function.__kwdefaults__ or {}
    counts = [len(kind) for kind in (arguments.posonlyargs, arguments.args, arguments.kwonlyargs)]
    if [code.co_posonlyargcount, code.co_argcount - code.co_posonlyargcount, code.co_kwonlyargcount] != counts:
        yield node.name
        return
    pairs = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    keywords = {argument.arg: said for argument, said in pairs if said is not None}
    said = [*arguments.defaults, *keywords.values()]
    held = [*(function.__defaults__ or ()), *(named.get(name, _NOTHING) for name in keywords)]
    if len(said) != len(held) or keywords.keys() != named.keys() or not all(map(_may_be, held, map(_evaluated, said))):
        yield node.name


def _literal(node: ast.stmt, name: str) -> object:
    """The literal that a statement assigns to this one name; nothing if it does something else."""
    if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
        return _evaluated(node.value)
    if isinstance(node, ast.AnnAssign) and node.value and isinstance(node.target, ast.Name) and node.target.id == name:
        return _evaluated(node.value)
    return _NOTHING


def _evaluated(node: ast.expr) -> object:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError):
        return _NOTHING


def _may_be(held: Any, said: Any) -> bool:
    """Whether a value can have been made by a literal: a registry may have grown since; what was replaced cannot be judged."""
    if said is _NOTHING:
        return True
    if isinstance(said, _SIMPLE):
        return not isinstance(held, _SIMPLE) or repr(held) == repr(said)
    if type(held) is not type(said):
        return True
    if isinstance(said, dict):
        return all(key in held and repr(held[key]) == repr(value) for key, value in said.items())
    return bool(said <= held) if isinstance(said, set) else repr(held[: len(said)]) == repr(said)
