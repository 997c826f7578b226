"""What a model, a train function, an executor and a persistor must satisfy; `command` and `startup` tell of those."""

from __future__ import annotations

import difflib
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ...config import TrainingConfig
from ...errors import CaptureError

Role = Literal["model", "train", "executor", "persistor", "startup", "command"]
ROLES: tuple[Role, ...] = ("model", "train", "executor", "persistor", "startup", "command")
Purpose = Literal["train", "validate", "build"]

TRAIN_NAMES = ("fl_train", "fl_train_model")
VALIDATE_NAMES = ("fl_validate", "fl_validate_model")
EXPECTED = (
    "Write one of: fl_train_model(payload), fl_train_model(payload, out_dir, logger), fl_train(model, env, out_dir, logger); "
    "to validate: fl_validate_model or fl_validate with the same arguments."
)
# Where the base class of each role is, and how people call it. LearnablePersistor is ModelPersistor's base.
_BASES: Mapping[Role, tuple[str, str, str]] = {
    "model": ("torch.nn", "Module", "torch.nn.Module"),
    "executor": ("nvflare.apis.executor", "Executor", "nvflare.apis.executor.Executor"),
    "persistor": (
        "nvflare.app_common.abstract.learnable_persistor",
        "LearnablePersistor",
        "nvflare.app_common.abstract.model_persistor.ModelPersistor",
    ),
}
# Arguments of every executor beside the training fields; the job's client config gives them.
_OF_EVERY_EXECUTOR = ("data_root", "adapter_module", "model_class", "model_args", "train_fn", "validate_fn")
CONSTRUCTOR_HINTS: Mapping[Role, str] = {
    "executor": "It gets every training field by name and some more; let its constructor take **kwargs.",
    "persistor": "It gets the model as `model`, and with a checkpoint its name as `source_ckpt_file_full_name`.",
}


@dataclass(frozen=True)
class ContractFunction:
    """A function that is called by name: the worker's, or the one that makes a seed model.

    Attributes:
        name: Its name in the module, such as "fl_train".
        purpose: "train", "validate" or "build".
        contract: "payload": called as f(payload[, out_dir, logger]); "model": as
            f(model, env, out_dir, logger); "nothing": as f().
    """

    name: str
    purpose: Purpose
    contract: Literal["payload", "model", "nothing"]

    @property
    def task(self) -> str:
        """What it is called to do."""
        return "make the seed model" if self.purpose == "build" else self.purpose


def contract_functions(names: Mapping[str, object], where: str) -> tuple[ContractFunction, ...]:
    """Returns the contract functions among the names that a cell defines: at most one to train and one to validate.

    Args:
        names: The names that the cell defines and what the kernel has under each.
        where: The cell's label, for messages.

    Raises:
        CaptureError: there are two for one purpose, or one does not have a known signature.
    """
    found: list[ContractFunction] = []
    purposes: tuple[tuple[Purpose, tuple[str, str]], ...] = (("train", TRAIN_NAMES), ("validate", VALIDATE_NAMES))
    for purpose, known in purposes:
        present = [name for name in known if name in names]
        if len(present) > 1:
            raise CaptureError(f"{where} defines both {present[0]} and {present[1]}; only one can {purpose}", "Keep one of them.")
        found.extend(_contract_function(name, names[name], purpose, where) for name in present)
    return tuple(found)


def require_class(value: object, what: str) -> type:
    """Returns `value` if it is a class.

    Args:
        value: What was given.
        what: What it is to be, such as "executor".

    Raises:
        CaptureError: it is an instance, or something else.
    """
    if isinstance(value, type):
        return value
    name = type(value).__name__
    if isinstance(value, str) or inspect.isroutine(value) or inspect.ismodule(value):
        raise CaptureError(f"the {what} must be a class, not {value!r}")
    raise CaptureError(
        f"the {what} must be a class: pass the class {name}, not an instance of it", f"Write {name} instead of {name}(...)."
    )


def require_arguments(value: Callable[..., object], arguments: Iterable[str], what: str, hint: str) -> None:
    """Makes sure that a class can be called with keyword arguments of these names, and needs no others.

    Raises:
        CaptureError: it cannot, or it does.
    """
    try:
        inspect.signature(value).bind(**dict.fromkeys(arguments))
    except TypeError as error:
        name = getattr(value, "__name__", str(value))
        raise CaptureError(f"{what} {name}{inspect.signature(value)} does not fit: {error}", hint) from None
    except ValueError:
        return  # a class of compiled code may have no signature to look at


def require_model_arguments(model: type, arguments: Iterable[str]) -> None:
    """Makes sure that a model can be constructed with the keyword arguments of these names.

    Raises:
        CaptureError: it takes no argument of such a name, or it needs others.
    """
    given = list(arguments)
    hint = "Give its arguments by model_args, for example: %reson config 'model_args={\"width\": 4}'"
    if unknown := _unknown_argument(model, given):
        near = difflib.get_close_matches(unknown, inspect.signature(model).parameters, n=1)
        hint = f"Remove {unknown!r} from model_args" + (f", or did you mean {near[0]!r}?" if near else ".")
    elif accepts_num_classes(model) and "num_classes" not in given:
        hint = "Name the shards, whose labels give num_classes, or set num_classes. " + hint
    require_arguments(model, given, "the model's constructor", hint)


def _unknown_argument(model: type, given: Iterable[str]) -> str:
    try:
        inspect.signature(model).bind_partial(**dict.fromkeys(given))
    except TypeError:
        known = inspect.signature(model).parameters
        by_name = {name for name, one in known.items() if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)}
        return next((name for name in given if name not in by_name), "")
    except ValueError:  # a class of compiled code
        pass
    return ""


def executor_arguments() -> tuple[str, ...]:
    """Returns the names of the keyword arguments that every executor gets; a run may add hyperparameters of the user's own."""
    return (*_OF_EVERY_EXECUTOR, *TrainingConfig().as_arguments())


def require_constructor(role: Role, live: type) -> None:
    """Makes sure that the sites can construct an executor, or the server a persistor, as far as it is known before a run.

    What other constructors get depends on the configuration.

    Raises:
        CaptureError: its constructor does not take what it will get, or it lacks methods that NVFlare calls.
    """
    arguments = {"executor": executor_arguments(), "persistor": ("model",)}.get(role)
    if arguments is None:
        return
    if lacking := sorted(getattr(live, "__abstractmethods__", ())):
        raise CaptureError(
            f"the {role} {live.__name__} does not define {' and '.join(lacking)}",
            f"NVFlare calls {'it' if len(lacking) == 1 else 'them'}; look for a slip in the name.",
        )
    require_arguments(live, arguments, f"the {role}'s constructor", CONSTRUCTOR_HINTS[role])


def is_a(value: object, role: Role) -> bool:
    """Whether an object is a class of the kind that a role needs; nothing is imported to find out."""
    module, name, _ = _BASES[role]
    base = getattr(sys.modules.get(module), name, None)
    return isinstance(value, type) and isinstance(base, type) and issubclass(value, base)


def require_kind(value: object, role: Role) -> type:
    """Returns `value` if it is a class of the kind that a role needs.

    Raises:
        CaptureError: it is not.
    """
    found = require_class(value, role)
    if not is_a(found, role):
        raise CaptureError(f"{found.__name__} cannot be the {role}: it is no subclass of {base_name(role)}")
    return found


def base_name(role: Role) -> str:
    """Returns the name of the class that a role's class must inherit from."""
    return _BASES[role][2]


def accepts_num_classes(model: type) -> bool:
    """Whether the constructor names a parameter `num_classes`; `**kwargs` does not tell who takes it."""
    try:
        parameter = inspect.signature(model).parameters.get("num_classes")
    except (TypeError, ValueError):
        return False
    return parameter is not None and parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)


def _contract_function(name: str, value: object, purpose: Purpose, where: str) -> ContractFunction:
    if not callable(value) or isinstance(value, type):
        raise CaptureError(f"{where}: {name} is no function but a {type(value).__name__}", EXPECTED)
    if inspect.iscoroutinefunction(value) or inspect.isgeneratorfunction(value) or inspect.isasyncgenfunction(value):
        raise CaptureError(f"{where}: {name} must be a plain function, neither async nor a generator", EXPECTED)
    contract = _contract(value)
    if contract is None or (contract == "payload" and not name.endswith("_model")):
        raise CaptureError(f"{where}: {name}{inspect.signature(value)} has a signature that no contract knows", EXPECTED)
    return ContractFunction(name, purpose, contract)


def _contract(function: Callable[..., Any]) -> Literal["payload", "model"] | None:
    """How the worker will call a function: by name if it knows every parameter, else by position."""
    kinds, every = inspect.Parameter, inspect.signature(function).parameters.values()
    own = [one for one in every if one.kind not in (kinds.VAR_POSITIONAL, kinds.VAR_KEYWORD)]
    names = [one.name for one in own]
    payload = names[:1] == ["payload"] or len(names) < 3 or names[1] == "out_dir"
    offered = ("payload", "out_dir", "logger") if payload else ("model", "env", "out_dir", "logger")
    if not names or own[0].kind is kinds.KEYWORD_ONLY:
        return None
    beyond = [one for index, one in enumerate(own) if index >= len(offered) or one.kind is kinds.KEYWORD_ONLY]
    if not set(names) <= set(offered) and any(one.default is kinds.empty for one in beyond):
        return None
    return "payload" if payload else "model"
