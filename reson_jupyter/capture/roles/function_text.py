"""A function's text as checks on it read it: what runs in it, what its names stand for, what it returns."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

_SCOPES = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda


@dataclass(frozen=True)
class FunctionText:
    """A function as checks on it see it.

    Attributes:
        node: It, parsed.
    """

    node: ast.FunctionDef

    @cached_property
    def everything(self) -> list[ast.AST]:
        """Every node of its body, those of nested functions too."""
        return [inner for statement in self.node.body for inner in ast.walk(statement)]

    @cached_property
    def own(self) -> list[ast.AST]:
        """The nodes that run when the function itself does."""
        return list(own_nodes(self.node.body))

    @cached_property
    def parameters(self) -> list[str]:
        """Its named parameters, in order."""
        given = self.node.args
        return [one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs)]

    @cached_property
    def returns(self) -> list[dict[str, ast.expr] | None]:
        """What each `return` gives: the entries of a dict that is there to read; None for anything else."""
        return [self._entries(inner.value) for inner in self.own if isinstance(inner, ast.Return)]

    @cached_property
    def names(self) -> Counter[str]:
        """How often each name stands in its body."""
        return Counter(inner.id for inner in self.everything if isinstance(inner, ast.Name))

    @cached_property
    def _bound(self) -> Counter[str]:
        stored = [inner.id for inner in self.everything if isinstance(inner, ast.Name) and not isinstance(inner.ctx, ast.Load)]
        shared = [name for inner in self.everything if isinstance(inner, ast.Global | ast.Nonlocal) for name in inner.names * 2]
        return Counter([*stored, *shared, *self.parameters])

    @cached_property
    def _assigned(self) -> list[tuple[str, ast.expr]]:
        return [
            (target.id, inner.value)
            for inner in self.own
            if isinstance(inner, ast.Assign | ast.AnnAssign) and inner.value is not None
            for target in (inner.targets if isinstance(inner, ast.Assign) else [inner.target])
            if isinstance(target, ast.Name)
        ]

    def is_bound(self, name: str) -> bool:
        """Whether it gives the name a meaning of its own."""
        return name in self._bound

    def values(self, name: str) -> list[ast.expr]:
        """The expressions that a name is bound to by plain assignments in the function itself."""
        return [value for target, value in self._assigned if target == name]

    def value(self, expression: ast.expr) -> ast.expr:
        """What a name stands for, if it is bound once and to an expression; else the expression itself."""
        if isinstance(expression, ast.Name) and self.is_one_object(expression.id):
            return next(iter(self.values(expression.id)), expression)
        return expression

    def is_one_object(self, name: str) -> bool:
        """Whether a name means one object all the time."""
        return self._bound[name] == 1

    def _entries(self, value: ast.expr | None) -> dict[str, ast.expr] | None:
        if value is None or (isinstance(value, ast.Constant) and value.value is None):
            return {}
        if isinstance(value, ast.Name):
            returned = sum(isinstance(inner, ast.Return) and is_name(inner.value, value.id) for inner in self.own)
            if self.names[value.id] != 1 + returned:
                return None  # something may be put into it
            value = self.value(value)
        if isinstance(value, ast.Call) and is_name(value.func, "dict") and not value.args:
            keys, items = [keyword.arg for keyword in value.keywords], [keyword.value for keyword in value.keywords]
        elif isinstance(value, ast.Dict):
            keys = [str(key.value) if isinstance(key, ast.Constant) else None for key in value.keys]
            items = value.values
        else:
            return None
        pairs = zip(keys, items, strict=True)
        return None if None in keys else {key: item for key, item in pairs if key is not None}


def own_nodes(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """The nodes below and with these, without the bodies of functions and classes."""
    for node in nodes:
        yield node
        if not isinstance(node, _SCOPES):
            yield from own_nodes(ast.iter_child_nodes(node))


def is_name(node: ast.AST | None, name: str) -> bool:
    """Whether an expression is just that name."""
    return isinstance(node, ast.Name) and node.id == name


def method_of(node: ast.AST, *names: str) -> ast.Attribute | None:
    """The `x.name` of a call `x.name(...)`."""
    called = node.func if isinstance(node, ast.Call) else None
    return called if isinstance(called, ast.Attribute) and called.attr in names else None


def strings(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """The texts among the nodes."""
    return (node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))
