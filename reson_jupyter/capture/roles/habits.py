"""Habits in train and validate functions that raise nothing and spoil a federated run all the same.

They are read from the function's text alone, so only what is certain there is told: where the payload, the model or the result
goes through a helper, a decorator or a variable that is bound twice, nothing is said.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Literal

from .contract import Purpose
from .function_text import FunctionText, is_name, method_of, own_nodes, strings

_WEIGHTS = "initial_weights"
_WEIGHT_KEYS = frozenset({"weights", "state_dict"})
_SAMPLE_KEYS = frozenset({"samples", "num_samples"})
_ENDS = ("exit", "_exit", "kill", "abort")
_PATHS = ("Path", "PosixPath", "str", "open", "join", "expanduser")
_PATH_METHODS = ("joinpath", "expanduser", "resolve")
_ABSOLUTE = re.compile(r"(?!/app/)[/~]|[A-Za-z]:[\\/]")  # /app is the platform's own on every site
_GPU = re.compile(r"(cuda|mps|xpu)\b")
_SCOPES = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda
_LOOPS = ast.For | ast.AsyncFor | ast.While

Habit = tuple[int, str]


def habits(node: ast.FunctionDef, contract: Literal["payload", "model"], purpose: Purpose) -> tuple[Habit, ...]:
    """Returns what the user should be warned of in a function that the worker calls, ordered by line.

    Args:
        node: The function.
        contract: How the worker calls it.
        purpose: What for.

    Returns:
        Pairs of a line, numbered as the node's, and a sentence.
    """
    function = FunctionText(node)
    checks: list[Callable[[FunctionText], Iterator[Habit]]] = [_saved_to_a_place_of_this_machine]
    if contract == "payload" and purpose == "train":
        checks += [_never_loads, _train_before_load]
    elif contract == "payload":
        checks.append(_validates_a_new_model)
    if purpose == "train":
        checks += [_constant_samples, _weights_on_gpu, _prints_in_loop]
        out_dir = 1 if contract == "payload" else 2
        checks.append(lambda function: _no_weights(function, out_dir))
    return tuple(sorted(found for check in checks for found in check(function)))


# What the worker hands over


def _ignores_the_weights(function: FunctionText) -> bool:
    """Whether all that it reads of its payload is there to see, and the weights are not among it."""
    if function.node.decorator_list or not function.parameters or _WEIGHTS in strings(function.everything):
        return False
    payload = function.parameters[0]
    read = sum(
        1
        for inner in function.everything
        if (isinstance(inner, ast.Subscript) and is_name(inner.value, payload) and isinstance(inner.slice, ast.Constant))
        or ((got := method_of(inner, "get")) and is_name(got.value, payload) and _first_is_constant(inner))
    )
    gives = any(isinstance(inner, ast.Return) and inner.value is not None for inner in function.own)
    return gives and read == function.names[payload]


def _first_is_constant(call: ast.AST) -> bool:
    return isinstance(call, ast.Call) and bool(call.args) and isinstance(call.args[0], ast.Constant)


def _never_loads(function: FunctionText) -> Iterator[Habit]:
    if _ignores_the_weights(function):
        yield (
            function.node.lineno,
            f'{function.node.name} never loads payload["{_WEIGHTS}"], so every round starts anew; '
            f'once the model is made: model.load_state_dict(payload["{_WEIGHTS}"])',
        )


def _validates_a_new_model(function: FunctionText) -> Iterator[Habit]:
    if _ignores_the_weights(function):
        yield (
            function.node.lineno,
            f'{function.node.name} never loads payload["{_WEIGHTS}"], so it validates a new model and not the global one',
        )


def _train_before_load(function: FunctionText) -> Iterator[Habit]:
    """`model.train()` above the model's `load_state_dict` where both always run, in that order."""
    early: dict[str, int] = {}
    for statement in _always(function.node.body):
        for inner in own_nodes([statement]):
            method = method_of(inner, "train", "load_state_dict")
            if method is None or not isinstance(method.value, ast.Name):
                continue
            assert isinstance(inner, ast.Call)
            model = method.value.id
            if method.attr == "train" and not inner.args and function.is_one_object(model):
                early.setdefault(model, inner.lineno)
            elif method.attr == "load_state_dict" and model in early and inner.args:
                loaded = strings(ast.walk(function.value(inner.args[0])))
                if _WEIGHTS in loaded:
                    yield (
                        early.pop(model),
                        f"{model}.train() stands above {model}.load_state_dict() in line {inner.lineno}; "
                        "load the weights of the round first",
                    )


def _always(statements: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run whenever the function does, in their order; of `with` its body."""
    for statement in statements:
        if isinstance(statement, ast.With):
            yield from _always(statement.body)
        elif not isinstance(statement, ast.If | ast.Try | ast.Match | _LOOPS | _SCOPES):
            yield statement


# What it hands back


def _constant_samples(function: FunctionText) -> Iterator[Habit]:
    counts = [
        value for entries in function.returns if entries is not None for key, value in entries.items() if key in _SAMPLE_KEYS
    ]
    if not counts or None in function.returns:
        return
    if all(isinstance(value, ast.Constant) and isinstance(value.value, int | float) for value in counts):
        yield (
            counts[0].lineno,
            "the number of samples is a constant, so all sites weigh alike in the average; "
            "return how many the site trained on, such as len(dataset)",
        )


def _weights_on_gpu(function: FunctionText) -> Iterator[Habit]:
    if any(isinstance(inner, ast.Attribute) and inner.attr == "cpu" for inner in function.everything) or _names_cpu(function):
        return
    for entries in function.returns:
        for key in _WEIGHT_KEYS & (entries or {}).keys():
            value = (entries or {})[key]
            method = method_of(function.value(value), "state_dict")
            if method and isinstance(method.value, ast.Name) and _moves(function, method.value.id):
                yield (
                    value.lineno,
                    "where a site has a GPU, the weights come back on it; "
                    f"return {{name: value.cpu() for name, value in {method.value.id}.state_dict().items()}}",
                )


def _names_cpu(function: FunctionText) -> bool:
    """Whether the CPU is named otherwise than for sites without a GPU."""
    choices = (ast.IfExp, ast.BoolOp)
    chosen = {id(part) for inner in function.everything if isinstance(inner, choices) for part in ast.walk(inner)}
    return "cpu" in strings(inner for inner in function.everything if id(inner) not in chosen)


def _moves(function: FunctionText, model: str) -> bool:
    moved = [
        *(call for call in function.own if (method := method_of(call, "cuda", "to")) and is_name(method.value, model)),
        *(call for call in function.values(model) if method_of(call, "cuda", "to")),
    ]
    return any(_to_gpu(function, call) for call in moved if isinstance(call, ast.Call))


def _to_gpu(function: FunctionText, call: ast.Call) -> bool:
    if method_of(call, "cuda"):
        return True
    targets = [*call.args[:1], *(keyword.value for keyword in call.keywords if keyword.arg == "device")]
    said = [text for target in targets for text in strings(ast.walk(function.value(target)))]
    return any(_GPU.match(text) or text == "DEVICE" for text in said)


def _no_weights(function: FunctionText, out_dir: int) -> Iterator[Habit]:
    body = [line for line in function.node.body if not (isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant))]
    if function.node.decorator_list or _writes_elsewhere(function, out_dir) or all(isinstance(line, ast.Pass) for line in body):
        return
    if not function.returns and (isinstance(body[-1], ast.Raise) or any(map(_may_not_end, function.own))):
        return
    if all(entries is not None and not _WEIGHT_KEYS & entries.keys() for entries in function.returns):
        yield (
            function.node.lineno,
            f"{function.node.name} returns no weights, and the run needs them: "
            'return {"weights": model.state_dict(), "samples": n}',
        )


def _writes_elsewhere(function: FunctionText, out_dir: int) -> bool:
    """Whether it may write its weights to out_dir, for which it must have its name; `out_dir` is the parameter's place."""
    names = {"out_dir", *(name for name in function.parameters[out_dir : out_dir + 1] if name != "logger")}
    names |= {one.arg for one in (function.node.args.vararg, function.node.args.kwarg) if one}
    return bool(names & function.names.keys())


def _may_not_end(node: ast.AST) -> bool:
    if isinstance(node, ast.While):
        return isinstance(node.test, ast.Constant)
    return isinstance(node, ast.Call) and _ends(node.func, *_ENDS)


# What it does meanwhile


def _prints_in_loop(function: FunctionText) -> Iterator[Habit]:
    if function.is_bound("print"):
        return
    for loop in function.own:
        inside = list(own_nodes(ast.iter_child_nodes(loop))) if isinstance(loop, _LOOPS) else []
        if not any(method_of(inner, "backward", "step") for inner in inside):
            continue
        for inner in inside:
            if isinstance(inner, ast.Call) and is_name(inner.func, "print") and not any(k.arg == "file" for k in inner.keywords):
                yield (
                    inner.lineno,
                    "what the training loop prints stays on the site; logger.log_metric({...}, step=...) and logger.info(...) "
                    "show it here while the round runs",
                )
                return


def _saved_to_a_place_of_this_machine(function: FunctionText) -> Iterator[Habit]:
    for call in function.own:
        method = method_of(call, "save")
        if isinstance(call, ast.Call) and method and is_name(method.value, "torch"):
            places = [*call.args[1:2], *(keyword.value for keyword in call.keywords if keyword.arg == "f")]
            if any(_is_absolute(function, place) for place in places):
                yield (
                    call.lineno,
                    "torch.save writes to a folder that the sites may not have, or share; "
                    'write to out_dir (of the round) or env["STATE_DIR"] (kept from round to round)',
                )


def _is_absolute(function: FunctionText, place: ast.expr, depth: int = 8) -> bool:
    place = function.value(place)
    if isinstance(place, ast.Constant):
        return isinstance(place.value, str) and bool(_ABSOLUTE.match(place.value))
    # The depth ends names that stand for each other, which no function that runs has.
    return depth > 0 and any(_is_absolute(function, begin, depth - 1) for begin in _begins(place))


def _begins(place: ast.expr) -> list[ast.expr]:
    """The expressions that a path may begin with."""
    if isinstance(place, ast.JoinedStr):
        return place.values[:1]
    if isinstance(place, ast.BinOp):
        return [place.left]
    if not isinstance(place, ast.Call):
        return []
    if isinstance(place.func, ast.Attribute) and not _ends(place.func.value, "path", "pathlib"):
        return [place.func.value] if _ends(place.func, *_PATH_METHODS) else []
    return place.args[:1] if _ends(place.func, *_PATHS) else []


def _ends(called: ast.expr, *names: str) -> bool:
    """Whether a name, or the last part of a dotted one, is one of these."""
    return (called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")) in names
