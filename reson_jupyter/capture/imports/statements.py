"""The imports of a text that can run, wherever they stand in it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ..text.cell import is_type_checking

_CATCHES = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})
_IMPORTING_CALLS = frozenset({"import_module", "__import__"})


@dataclass(frozen=True)
class Import:
    """One module that is imported.

    Attributes:
        module: Its dotted name; with leading dots where nothing tells what it is relative to; None where it is computed.
        names: What is taken from it; () when the module itself is imported.
        line: Where that stands in the text.
        optional: Whether the text goes on without it.
        at_top: Whether it is a top-level statement, so that the module has the names.
    """

    module: str | None
    names: tuple[ast.alias, ...]
    line: int
    optional: bool = False
    at_top: bool = False


def imports_in(tree: ast.Module, package: str) -> Iterator[Import]:
    """Yields the imports in a text, those inside functions included, those for type checkers not.

    Args:
        tree: The text, parsed.
        package: The package that the text belongs to; "" when it belongs to none.
    """
    todo: list[tuple[ast.AST, bool]] = [(tree, False)]
    while todo:
        node, optional = todo.pop()
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, (), node.lineno, optional) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module != "__future__":
            yield Import(
                _absolute(node.level, node.module or "", package), tuple(node.names), node.lineno, optional, node in tree.body
            )
        elif isinstance(node, ast.Call) and _last_name(node.func) in _IMPORTING_CALLS and node.args:
            yield Import(_named(node.args[0], package), (), node.lineno, optional)
        todo += [(inner, optional or _is_guard(node)) for inner in reversed(_running(node))]


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _running(node: ast.AST) -> list[ast.AST]:
    if isinstance(node, ast.If) and is_type_checking(node.test):
        return list(node.orelse)
    return list(ast.iter_child_nodes(node))


def _is_guard(node: ast.AST) -> bool:
    """Whether a statement goes on when an import in it fails; its handlers import what they can instead."""
    if isinstance(node, ast.With):
        guards = [ast.unparse(item.context_expr) for item in node.items]
        return any("suppress" in guard and not _CATCHES.isdisjoint(re.findall(r"\w+", guard)) for guard in guards)
    if not isinstance(node, ast.Try):
        return False
    caught = [name for handler in node.handlers for name in (ast.walk(handler.type) if handler.type else [None])]
    return any(name is None or (isinstance(name, ast.Name) and name.id in _CATCHES) for name in caught)


def _named(argument: ast.expr, package: str) -> str | None:
    """The module that `importlib.import_module("a.b")` names; None if that is computed."""
    if not isinstance(argument, ast.Constant) or not isinstance(argument.value, str):
        return None
    level = len(argument.value) - len(argument.value.lstrip("."))
    return _absolute(level, argument.value[level:], package)


def _absolute(level: int, module: str, package: str) -> str:
    """A dotted name in full; as it stands where the package has not so many parents."""
    parts = package.split(".") if package else []
    if not level or level > len(parts):
        return "." * level + module
    return ".".join([*parts[: len(parts) - level + 1], *([module] if module else [])])
