"""What users can write for a value: fields, runs, targets, what they captured, their variables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from types import MappingProxyType, ModuleType
from typing import Any

from ...backend.history import file, history
from ...config import Config, FederationConfig, ModelConfig, ResonTechConfig, SubmitConfig, TrainingConfig
from ...errors import ResonError
from ...secret_fields import SECRETS
from ...session import current_session
from ..commands.which_run import runs_seen

_MOST_RUNS = 50
_WAIT = 0.05  # seconds; somebody is typing
_SHELLS = ("In", "Out")
_OF_A_RUN = (TrainingConfig, FederationConfig, ModelConfig)
_ALL = (*_OF_A_RUN, SubmitConfig, ResonTechConfig)


def suggested(metavar: str, verbs: Sequence[str], given: Sequence[str]) -> list[str]:
    """Returns what can stand for an argument.

    Args:
        metavar: What the argument is called in the help.
        verbs: The line's verb and its action.
        given: What stands in the line already, but for flags.
    """
    suggest = _SUGGESTIONS.get(metavar)
    return list(suggest(verbs, given)) if suggest else []


def _fields(verbs: Sequence[str], given: Sequence[str]) -> Iterator[str]:
    """Every field that is not in the line yet, as KEY=, and with each of its values where they are few."""
    fields = dict(_values(_OF_A_RUN), name=()) if "rerun" in verbs else {**_values(_ALL), **_own()}
    done = {word.partition("=")[0] for word in given}
    for name, values in fields.items():
        if name not in done:
            yield f"{name}="
            yield from (f"{name}={value}" for value in values)


def _own() -> dict[str, tuple[str, ...]]:
    return dict.fromkeys(current_session().training.extra, ())


@cache
def _values(configs: Iterable[type[Config]]) -> Mapping[str, tuple[str, ...]]:
    """The fields that can be set in a line, and which values they have if they are few."""
    schemas = {name: schema for config in configs for name, schema in config.model_json_schema()["properties"].items()}
    return MappingProxyType({name: _few(schema) for name, schema in schemas.items() if name not in SECRETS})


def _few(schema: Mapping[str, Any]) -> tuple[str, ...]:
    return ("true", "false") if schema.get("type") == "boolean" else tuple(schema.get("enum", ()))


def _runs(_: Sequence[str], given: Sequence[str]) -> Iterator[str]:
    if not file.path().exists():  # which takes its time to make, for nothing to be in it
        return iter(())
    try:
        known = [summary.id for summary in history.load(_WAIT)]
    except ResonError:  # as while another kernel holds the file
        known = runs_seen()
    return (run for run in known[:_MOST_RUNS] if run not in given)


def _commands(_: Sequence[str], given: Sequence[str]) -> Iterator[str]:
    return (capture.command for capture in current_session().captures.values() if capture.command and "command" in given)


def _variables(*_: Sequence[str]) -> Iterator[str]:
    """The notebook's variables that could be data."""
    kernel = current_session().kernel
    names: Mapping[str, Any] = kernel.namespace if kernel else {}
    return (
        name for name, value in names.items()
        if name not in _SHELLS and not name.startswith("_") and not isinstance(value, ModuleType | type) and not callable(value)
    )  # fmt: skip


def _targets(*_: Sequence[str]) -> Sequence[str]:
    return _values((SubmitConfig,))["target"]


_SUGGESTIONS: Mapping[str, Callable[[Sequence[str], Sequence[str]], Iterable[str]]] = MappingProxyType(
    {"KEY=VALUE": _fields, "ID": _runs, "COMMAND": _commands, "SOURCE": _variables, "TARGET": _targets}
)
