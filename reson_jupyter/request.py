"""What a user asks for when a job is to be built, rehearsed or submitted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .config import FederationConfig, ModelConfig, TrainingConfig
from .errors import ConfigError


@dataclass(frozen=True)
class Request:
    """The arguments of `reson_jupyter.submit`, `check` and `build`; what is None comes from the session."""

    name: str
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

    def __post_init__(self) -> None:
        """Refuses what is no config at all, such as a dict."""
        for name, kind in (("training", TrainingConfig), ("federation", FederationConfig), ("model_config", ModelConfig)):
            value = getattr(self, name)
            if not isinstance(value, kind | None):
                shown = f"reson.{kind.__name__}({'**' if isinstance(value, dict) else ''}...)"
                raise ConfigError(f"{name} is a {type(value).__name__}, not a {kind.__name__}", f"Pass {name}={shown}.")
