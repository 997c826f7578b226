"""What a user asks for when a job is to be built, rehearsed or submitted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .config import FederationConfig, ModelConfig, SubmitConfig, TrainingConfig
from .errors import ConfigError


@dataclass(frozen=True)
class Request:
    """The arguments of `reson_jupyter.submit`, `check` and `build`; what is None comes from the session.

    `commands` are functions by the names that the notebook calls them by; they take the place of all that were captured.
    """

    name: str | None
    shards_dir: str | Path | None
    model: type | None
    training: TrainingConfig | None
    federation: FederationConfig | None
    model_config: ModelConfig | None
    executor: type | None
    persistor: type | None
    train: Callable[..., Any] | None
    requirements: str | Path | Sequence[str] | None
    checkpoint: str | Path | None
    commands: Mapping[str, Callable[..., Any]] | None = None

    def __post_init__(self) -> None:
        """Refuses what is of another kind, such as a dict for a config."""
        for name, kind in (("training", TrainingConfig), ("federation", FederationConfig), ("model_config", ModelConfig)):
            value = getattr(self, name)
            if not isinstance(value, kind | None):
                shown = f"reson.{kind.__name__}({'**' if isinstance(value, dict) else ''}...)"
                raise ConfigError(f"{name} is a {type(value).__name__}, not a {kind.__name__}", f"Pass {name}={shown}.")
        if not isinstance(self.name, str | None):
            raise ConfigError(f"name is a {type(self.name).__name__}, not text")
        if not isinstance(self.commands, Mapping | None):
            raise ConfigError(f"commands is a {type(self.commands).__name__}, not a dict", "Pass commands={'name': function}.")

    def completed(self, submission: SubmitConfig) -> Request:
        """Returns the request with the name and the shards that the session has, where it names none itself."""
        return replace(
            self, name=self.name or submission.name or None, shards_dir=self.shards_dir or submission.shards_dir or None
        )
