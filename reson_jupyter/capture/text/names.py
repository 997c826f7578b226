"""Which names a statement binds and which it needs, as Python's own symbol table says."""

from __future__ import annotations

import ast
import builtins
import dis
import inspect
import symtable
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import CodeType

# IPython adds these to the builtins of a notebook; a site has none of them.
NOTEBOOK_ONLY = frozenset({"display", "get_ipython", "__IPYTHON__"})
# Python itself sets these in every module.
_MODULE_NAMES = frozenset(
    {"__name__", "__file__", "__doc__", "__package__", "__spec__", "__loader__", "__builtins__", "__annotations__"}
)
SUPPLIED = (
    frozenset(dir(builtins)) | {"exit", "quit", "help", "copyright", "credits", "license"} | _MODULE_NAMES
) - NOTEBOOK_ONLY

_FUTURE = "from __future__ import annotations\n"
# Methods that change their object, by the standard library's names.
_CHANGING = frozenset(
    {"append", "extend", "insert", "remove", "pop", "clear", "sort", "reverse", "update", "setdefault", "popitem"}
    | {"add", "discard", "appendleft", "register"}
)
# Functions that change their first argument.
_SETTERS = frozenset({"setattr", "delattr", "update_wrapper", "functools.update_wrapper"})
_COMPREHENSIONS = frozenset({"listcomp", "setcomp", "dictcomp", "genexpr"})
_INLINE = _COMPREHENSIONS | {"lambda"}
_FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef
_MODULE_LOADS = frozenset({"LOAD_NAME", "LOAD_GLOBAL", "LOAD_FROM_DICT_OR_GLOBALS"})


@dataclass(frozen=True)
class Names:
    """What a top-level statement has to do with the module's names.

    Attributes:
        binds: Names it binds when it runs.
        later: Names that a `global` in one of its functions binds when that function runs.
        needs: Names it reads from the module, at once or when something in it is called.
        hints: Names that occur only in annotations which Python does not evaluate.
        changes: Names whose object it changes in place: X[...] = , X.attr = , X.append().
        now: Those of `needs` that are read when the statement itself runs: decorators, bases, defaults, class bodies.
    """

    binds: frozenset[str] = frozenset()
    later: frozenset[str] = frozenset()
    needs: frozenset[str] = frozenset()
    hints: frozenset[str] = frozenset()
    changes: frozenset[str] = frozenset()
    now: frozenset[str] = frozenset()


def analyse(text: str, node: ast.stmt, future_annotations: bool = False) -> Names:
    """Returns the names of one top-level statement.

    Args:
        text: The statement's source.
        node: The same, parsed.
        future_annotations: Whether `from __future__ import annotations` holds where it stands.

    Raises:
        SyntaxError: Python cannot make sense of the scopes.
    """
    source = _FUTURE + text if future_annotations else text
    top = _table(source)
    symbols = [symbol for symbol in top.get_symbols() if symbol.get_name() != "annotations" or not future_annotations]
    binds = {symbol.get_name() for symbol in symbols if symbol.is_assigned() or symbol.is_imported()}
    # Python deletes the name of `except ... as name` when the handler ends.
    nodes = tuple(ast.walk(node))
    caught = {str(handler.name) for handler in nodes if isinstance(handler, ast.ExceptHandler)}
    binds -= caught
    needs = {symbol.get_name() for symbol in symbols if symbol.is_referenced()} - caught
    later: set[str] = set()
    now = set(needs)
    for scope, at_once in _scopes(top):
        for symbol in scope.get_symbols():
            name = symbol.get_name()
            if symbol.is_global():
                if symbol.is_referenced():
                    needs.add(name)
                    now.update([name] if at_once else [])
                if symbol.is_declared_global() and (symbol.is_assigned() or symbol.is_imported()):
                    later.add(name)
            elif scope.get_type() == "class" and symbol.is_referenced() and reads_first(text, name, scope.get_name()):
                needs.add(name)
                now.add(name)
    if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
        needs.add(node.target.id)
        now.add(node.target.id)
    now |= needs & _called_lambdas(node)
    hints = set(_hints(nodes, future_annotations)) - needs
    groups = (binds, later - binds, needs, hints, changes_of(nodes), now)
    return Names(*(frozenset(filter(str.isidentifier, names)) for names in groups))


def locate(text: str, name: str) -> tuple[int, int]:
    """Returns line (1-based) and column (0-based) in `text` where the module's `name` is first read."""
    places = []
    for code in _codes(text):
        for step in dis.get_instructions(code):
            where = step.positions
            if step.argval == name and step.opname in _MODULE_LOADS and where and where.lineno:
                places.append((where.lineno, where.col_offset or 0))
    if not places:
        nodes = ast.walk(parsed(text))
        places = [(node.lineno, node.col_offset) for node in nodes if isinstance(node, ast.Name) and node.id == name]
    return min(places, default=(1, 0))


def reads_first(text: str, name: str, scope: str = "<module>") -> bool:
    """Returns whether a statement, or the class body called `scope` in it, reads a name before it binds it: `class A: x = x`."""
    for code in _codes(text):
        if code.co_name == scope and not code.co_flags & inspect.CO_OPTIMIZED:
            for step in dis.get_instructions(code):
                inner = step.argval if isinstance(step.argval, CodeType) and step.argval.co_name[1:-1] in _INLINE else None
                if (step.argval == name and step.opname in _MODULE_LOADS) or (inner and _loads(inner, name)):
                    return True
                if step.argval == name and step.opname in ("STORE_NAME", "STORE_GLOBAL"):
                    break
    return False


def _loads(code: CodeType, name: str) -> bool:
    steps = list(dis.get_instructions(code))
    inner = (step.argval for step in steps if isinstance(step.argval, CodeType))
    return any(step.argval == name and step.opname in _MODULE_LOADS for step in steps) or any(_loads(one, name) for one in inner)


def parsed(text: str | bytes) -> ast.Module:
    """Parses source without the warnings that Python has for it; they appeared when the cell ran."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text)


def bound_in(nodes: Iterable[ast.stmt]) -> set[str]:
    """Returns the names that statements of a block bind, without a look into functions and classes."""
    names: set[str] = set()
    todo: list[ast.AST] = list(nodes)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            names.update(bound_name(alias) for alias in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        todo.extend(ast.iter_child_nodes(node))
    return names


def bound_name(alias: ast.alias) -> str:
    """Returns the name that `import a.b`, `import a.b as c` or `from m import a as c` binds."""
    return alias.asname or alias.name.split(".")[0]


def root_name(node: ast.expr) -> str | None:
    """Returns X for X, X.a, X[0].b and the like."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def right_side(node: ast.stmt) -> ast.expr | None:
    """Returns the value of an assignment to one plain name; None if it is no such assignment."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    single = len(targets) == 1 and isinstance(targets[0], ast.Name)
    return node.value if single and isinstance(node, ast.Assign | ast.AnnAssign) else None


def changes_of(nodes: Iterable[ast.AST]) -> set[str]:
    """Returns the names whose object the nodes of a statement change in place."""
    found: set[str | None] = set()
    for inner in nodes:
        if isinstance(inner, ast.Attribute | ast.Subscript) and isinstance(inner.ctx, ast.Store | ast.Del):
            found.add(root_name(inner))
        elif isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute) and inner.func.attr in _CHANGING:
            found.add(root_name(inner.func))
        elif isinstance(inner, ast.Call) and inner.args and ast.unparse(inner.func) in _SETTERS:
            found.add(root_name(inner.args[0]))
        for decorator in getattr(inner, "decorator_list", ()):
            if isinstance(decorator, ast.Attribute) and decorator.attr in _CHANGING:
                found.add(root_name(decorator))
    return {name for name in found if name}


def _called_lambdas(node: ast.AST) -> set[str]:
    """Names in lambdas that are called where they stand, as in (lambda x: x + N)(1); not in functions, which run later."""
    found, todo = set[str](), list(_run_at_once(node))
    while todo:
        inner = todo.pop()
        if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Lambda):
            found.update(name.id for name in ast.walk(inner.func) if isinstance(name, ast.Name))
        todo.extend(_run_at_once(inner))
    return found


def _run_at_once(node: ast.AST) -> Iterable[ast.AST]:
    """The parts of a node that run where it stands: of a function its decorators and its defaults."""
    if not isinstance(node, _FUNCTION | ast.Lambda):
        return ast.iter_child_nodes(node)
    defaults = (*node.args.defaults, *(default for default in node.args.kw_defaults if default is not None))
    return defaults if isinstance(node, ast.Lambda) else (*node.decorator_list, *defaults)


def _hints(nodes: Iterable[ast.AST], future_annotations: bool) -> Iterator[str]:
    for inner in nodes:
        annotations: list[ast.expr | None] = []
        if isinstance(inner, ast.arg | ast.AnnAssign):
            annotations.append(inner.annotation)
        elif isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
            annotations.append(inner.returns)
        for annotation in annotations:
            if annotation is not None:
                yield from _annotation_names(annotation, future_annotations)


def _annotation_names(annotation: ast.expr, unevaluated: bool) -> Iterator[str]:
    if isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value).endswith("Literal"):
        return
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        try:
            yield from _annotation_names(ast.parse(annotation.value, mode="eval").body, True)
        except SyntaxError:
            return
    elif isinstance(annotation, ast.Name) and unevaluated:
        yield annotation.id
    for child in ast.iter_child_nodes(annotation):
        if isinstance(child, ast.expr):
            yield from _annotation_names(child, unevaluated)


def _scopes(table: symtable.SymbolTable, at_once: bool = True) -> Iterator[tuple[symtable.SymbolTable, bool]]:
    """All scopes in a scope, each with whether it runs as soon as the statement does."""
    for child in table.get_children():
        runs = at_once and (child.get_type() == "class" or child.get_name() in _COMPREHENSIONS)
        yield child, runs
        yield from _scopes(child, runs)


def _table(source: str) -> symtable.SymbolTable:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return symtable.symtable(source, "<cell>", "exec")


def _codes(text: str) -> Iterator[CodeType]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        todo = [compile(text, "<cell>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)]
    while todo:
        code = todo.pop()
        yield code
        todo.extend(constant for constant in code.co_consts if isinstance(constant, CodeType))
