"""KEY=VALUE as users write it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ...config.written import value_of
from ...configuring import Mistakes
from ...errors import ConfigError

_OF_LISTS = {"[": "[1, 2]", "{": '{"width": 4}'}


def assignments(words: Iterable[str]) -> dict[str, Any]:
    """Returns what words of the form KEY=VALUE say. Raises `ConfigError`, which names all that have another form."""
    told = Mistakes()
    given: dict[str, Any] = {}
    for word in words:
        with told:
            key, value = _assignment(word, given)
            given[key] = value
    told.raise_all()
    return given


def cut_text(name: str, value: Any) -> str:
    """Returns how a list or a dict is written, for a text that looks like one; "" for any other value."""
    example = _OF_LISTS.get(value[:1]) if isinstance(value, str) else None
    return f"'{name}={example}'" if example else ""


@contextmanager
def lists_explained(given: Mapping[str, Any]) -> Iterator[None]:
    """Adds to a `ConfigError` on a value that looks like a list or a dict, and came as text, how such are written."""
    try:
        yield
    except ConfigError as error:
        cut = (cut_text(name, given.get(name)) for name in error.fields)
        if examples := [example for example in cut if example]:
            error.hint = "\n  ".join([*([error.hint] if error.hint else []), _in_quotes(", ".join(examples))])
        raise


def _assignment(word: str, before: Mapping[str, Any]) -> tuple[str, Any]:
    key, equals, value = word.partition("=")
    if not equals or not key.isidentifier():
        cut = next((example for name, value in before.items() if (example := cut_text(name, value))), "")
        usual = "For example: %reson config batch_size=64 learning_rate=0.01"
        raise ConfigError(f"{word!r} is not of the form KEY=VALUE", _in_quotes(cut) if cut else usual)
    try:
        return key, value_of(value)
    except ConfigError as error:
        raise ConfigError(f"{key}: {error.message}", error.hint) from None


def _in_quotes(example: str) -> str:
    return f"Put a list or a dict into quotes, as JSON: {example}"
