"""KEY=VALUE as users write it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...config.written import value_of
from ...errors import ConfigError


def assignments(words: Iterable[str]) -> dict[str, Any]:
    """Returns what words of the form KEY=VALUE say. Raises `ConfigError` if one has another form."""
    return dict(map(_assignment, words))


def _assignment(word: str) -> tuple[str, Any]:
    key, equals, value = word.partition("=")
    if not equals or not key.isidentifier():
        raise ConfigError(f"{word!r} is not of the form KEY=VALUE", "For example: %reson config batch_size=64 learning_rate=0.01")
    return key, value_of(value)
