"""Which config has a field, and what is told where several of those that were given cannot be used."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType, TracebackType
from typing import Any

from .config import (
    Config,
    FederationConfig,
    ModelConfig,
    ResonTechConfig,
    SubmitConfig,
    TrainingConfig,
    check_length,
    refuse_slip,
)
from .errors import ConfigError
from .secret_fields import refuse_secret_name

CONFIGS: Mapping[str, type[Config]] = MappingProxyType(
    {
        "training": TrainingConfig,
        "federation": FederationConfig,
        "model_config": ModelConfig,
        "submission": SubmitConfig,
        "connection": ResonTechConfig,
    }
)
# Their unset fields come from the environment as it is whenever they are used.
OF_THE_ENVIRONMENT = ("submission", "connection")
OWNER = {field: part for part, config in CONFIGS.items() for field in config.model_fields}


class Mistakes:
    """Config errors of several steps, which are told together: each `with` keeps that of its step."""

    def __init__(self) -> None:
        self._errors: list[ConfigError] = []

    def __enter__(self) -> None: ...

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> bool:
        if isinstance(error, ConfigError):
            self._errors.append(error)
            return True
        return False

    def raise_all(self) -> None:
        """Raises a `ConfigError` that says all that was kept, if anything was."""
        if len(self._errors) == 1:
            raise self._errors[0]
        if self._errors:
            hints = dict.fromkeys(error.hint for error in self._errors if error.hint)
            fields = {field: why for error in self._errors for field, why in error.fields.items()}
            raise ConfigError("\n".join(error.message for error in self._errors), "\n  ".join(hints) or None, fields)


def routed(fields: Mapping[str, Any], told: Mistakes) -> dict[str, dict[str, Any]]:
    """Returns the fields by the config that has them; other names are hyperparameters of the user's own."""
    parts: dict[str, dict[str, Any]] = {}
    for name, value in fields.items():
        with told:
            parts.setdefault(_route(name, value), {})[name] = value
    return parts


def _route(name: str, value: Any) -> str:
    refuse_secret_name(name, value)
    if name in OWNER:
        return OWNER[name]
    check_length(name)
    refuse_slip(name, OWNER)
    return "training"


def with_changes(part: str, fields: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the fields that somebody set of a config of the environment, with changes, of which None puts one back.

    Raises:
        ConfigError: they cannot be used.
    """
    values = {name: value for name, value in {**fields, **changes}.items() if value is not None}
    if values != fields:
        CONFIGS[part](**values)
    return values
