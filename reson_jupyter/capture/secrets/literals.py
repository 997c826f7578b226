"""Literals that parsed Python gives to names: by assignment, argument, default, dictionary entry or a call such as setdefault."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias, cast

from .credential_names import CREDENTIAL, credential_kind
from .formats import tokens

_Given: TypeAlias = tuple[str, ast.expr]  # a name and what is given to it

# Calls whose second argument becomes, or stands in for, the value of what the first one names.
_GIVING = frozenset({"get", "getenv", "setdefault", "setattr", "pop", "set", "putenv", "setenv", "set_key", "add_header"})
_OPTIONS = frozenset({"add_argument", "add_option", "option", "Option"})
_WRAPPING = frozenset({"SecretStr", "SecretBytes", "Secret", "str", "bytes", "Field", "field", "b64encode"})
_LEAST = 12  # nothing shorter has a form that tells
_LOGINS = frozenset({"login", "HTTPBasicAuth", "HTTPDigestAuth", "BasicAuth"})


def given_literals(tree: ast.Module, text: str) -> Iterator[tuple[int, str]]:
    """Yields the line and kind of each credential that shows only to those who read the text as Python.

    Args:
        tree: The text, parsed.
        text: The text; what stands in it as one piece has been looked at already.
    """
    lines = text.split("\n")
    inner: set[ast.AST] = set()
    for node in ast.walk(tree):
        sort = type(node)
        if sort in _TEXTS and node not in inner:
            value = _text(cast(ast.expr, node), inner)
            if len(value) >= _LEAST and value not in text:
                yield from ((_place(lines, cast(ast.expr, node), token), kind) for _, kind, token in tokens(value))
        elif sort in _GIVERS:
            for name, expression in _GIVERS[sort](node):
                for literal, value, nested in _literals(expression) if CREDENTIAL.search(name) else ():
                    kind = credential_kind(name, value, nested)
                    if kind and not any(tokens(value)):
                        yield _place(lines, literal, value), kind


def _of_assign(node: ast.Assign) -> Iterator[_Given]:
    for target in node.targets:
        yield from _assigned(target, node.value)


def _of_other_assign(node: ast.AnnAssign | ast.AugAssign | ast.NamedExpr) -> Iterator[_Given]:
    if node.value:
        yield from _assigned(node.target, node.value)


def _of_defaults(node: ast.arguments) -> Iterator[_Given]:
    every = [*node.posonlyargs, *node.args]
    pairs = [*zip(every[len(every) - len(node.defaults) :], node.defaults, strict=True)]
    pairs += [(arg, value) for arg, value in zip(node.kwonlyargs, node.kw_defaults, strict=True) if value]
    yield from ((arg.arg, value) for arg, value in pairs)


def _of_dict(node: ast.Dict) -> Iterator[_Given]:
    entries = [(_text(key), value) for key, value in zip(node.keys, node.values, strict=True) if key]
    # kaggle.json has its credential under "key".
    owned = any(name == "username" for name, _ in entries)
    yield from (("kaggle_key" if owned and name == "key" else name, value) for name, value in entries if name)


def _assigned(target: ast.expr, value: ast.expr) -> Iterator[_Given]:
    if isinstance(target, ast.Name):
        yield target.id, value
    elif isinstance(target, ast.Attribute):
        yield target.attr, value
    elif isinstance(target, ast.Subscript) and (name := _text(target.slice)):
        yield name, value
    elif isinstance(target, ast.Tuple | ast.List) and isinstance(value, ast.Tuple | ast.List):
        for one, its in zip(target.elts, value.elts, strict=False):
            yield from _assigned(one, its)


def _of_call(call: ast.Call) -> Iterator[_Given]:
    function = _last_name(call.func)
    name = _text(call.args[0]) if call.args else ""
    if function in _LOGINS:
        yield from (("password" if index else "token", value) for index, value in enumerate(call.args[:2]))
    if name and function in _GIVING and len(call.args) > 1:
        yield name, call.args[1]
    if function.startswith("set_") and call.args:
        yield function, call.args[-1]
    if function == "setattr" and len(call.args) > 2 and (name := _text(call.args[1])):
        yield name, call.args[2]
    for keyword in call.keywords:
        if keyword.arg == "auth" and isinstance(keyword.value, ast.Tuple) and len(keyword.value.elts) == 2:
            yield "password", keyword.value.elts[1]
        elif keyword.arg == "key" and function in _LOGINS:
            yield "api_key", keyword.value
        elif keyword.arg == "default" and function in _OPTIONS:
            yield from ((_text(option), keyword.value) for option in call.args)
        elif keyword.arg:
            yield keyword.arg, keyword.value


# By the exact type, because every node of the text is asked.
_TEXTS = frozenset({ast.Constant, ast.JoinedStr, ast.BinOp})
_GIVERS: Mapping[type[ast.AST], Callable[[Any], Iterator[_Given]]] = {
    ast.Assign: _of_assign,
    ast.AnnAssign: _of_other_assign,
    ast.AugAssign: _of_other_assign,
    ast.NamedExpr: _of_other_assign,
    ast.arguments: _of_defaults,
    ast.Dict: _of_dict,
    ast.Call: _of_call,
}


def _literals(value: ast.expr, nested: bool = False) -> Iterator[tuple[ast.expr, str, bool]]:
    """The literals that an expression may come to, and whether each is one of a collection."""
    if text := _text(value):
        yield value, text, nested
    elif isinstance(value, ast.BoolOp):
        for one in value.values:
            yield from _literals(one, nested)
    elif isinstance(value, ast.IfExp):
        yield from _literals(value.body, nested)
        yield from _literals(value.orelse, nested)
    elif isinstance(value, ast.List | ast.Tuple | ast.Set):
        for one in value.elts:
            yield from _literals(one, True)
    elif isinstance(value, ast.Dict):
        for one in value.values:
            yield from _literals(one, True)
    elif isinstance(value, ast.Call):
        yield from _in_call(value, nested)


def _in_call(call: ast.Call, nested: bool) -> Iterator[tuple[ast.expr, str, bool]]:
    """What "hunter2".encode(), SecretStr("hunter2") and field(default="hunter2") hold."""
    if isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Constant):
        yield from _literals(call.func.value, nested)
    elif _last_name(call.func) in _WRAPPING:
        for value in [*call.args[:1], *(keyword.value for keyword in call.keywords if keyword.arg == "default")]:
            yield from _literals(value, nested)


def _text(node: ast.expr, chain: set[ast.AST] | None = None) -> str:
    """The text of a literal or a sum of them, with {} for what is not known; empty if nothing is.

    Args:
        node: The expression.
        chain: Gets the sums within the sum, which need no look of their own.
    """
    parts: list[str] = []
    todo: list[ast.expr] = [node]
    while todo:  # a loop, because a sum may be too deep to recurse into
        one = todo.pop()
        if isinstance(one, ast.BinOp) and isinstance(one.op, ast.Add):
            todo += (one.right, one.left)
            if chain is not None:
                chain.add(one)
        elif isinstance(one, ast.JoinedStr):
            todo += reversed(one.values)
        elif isinstance(one, ast.Constant) and isinstance(one.value, str):
            parts.append(one.value)
        elif isinstance(one, ast.Constant) and isinstance(one.value, bytes):
            parts.append(one.value.decode("latin-1"))
        else:
            parts.append("{}")
    return "" if all(part == "{}" for part in parts) else "".join(parts)


def _last_name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""


def _place(lines: Sequence[str], node: ast.expr, value: str) -> int:
    """The line of an expression on which a value begins: the first that has the longest start of it."""
    numbers = range(node.lineno, (node.end_lineno or node.lineno) + 1)
    if len(numbers) > 1:
        for size in range(min(len(value), 60), 0, -1):
            for number in numbers:
                if value[:size] in lines[number - 1]:
                    return number
    return node.lineno
