"""Names that were nearly a field's: told as slips, so that no run trains with a value that somebody believes to have set."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from ..errors import ConfigError

# How alike a name must be to a field's to be taken for a slip of more than one letter.
_ALMOST = 0.92
_SHORTEST = 5  # letters; of shorter names, too many are one letter away


def slip_of(name: str, known: Iterable[str]) -> str:
    """Returns which of the `known` fields is meant by a name that is none of them; "" if it is a name of its own."""
    fields = list(known)
    for field in fields:
        if min(len(name), len(field)) >= _SHORTEST and _is_one_letter_off(name.lower(), field):
            return field
    return next(iter(difflib.get_close_matches(name, fields, n=1, cutoff=_ALMOST)), "")


def refuse_slip(name: str, known: Iterable[str]) -> None:
    """Raises `ConfigError` if `name`, which is no field, is nearly one of the `known`: else it is a name of the user's own."""
    if near := slip_of(name, known):
        raise ConfigError(f"There is no field {name!r}; did you mean {near!r}?")


def fields_like(name: str, known: Iterable[str]) -> list[str]:
    """Returns the `known` fields whose names begin or end with all words of a name, such as batch_size for batch."""
    return [field for field in known if field.startswith(f"{name}_") or field.endswith(f"_{name}")]


def _is_one_letter_off(name: str, field: str) -> bool:
    """Whether a letter was dropped, added or replaced, or two were swapped.

    Another first letter makes another word: patch_size is not batch_size.
    """
    pairs = enumerate(zip(name, field, strict=False))
    same = next((index for index, (ours, its) in pairs if ours != its), min(len(name), len(field)))
    rest, meant = name[same:], field[same:]
    replaced = same > 0 and rest[1:] == meant[1:]
    swapped = rest[:2] == meant[1::-1] and rest[2:] == meant[2:]
    return replaced or swapped or rest == meant[1:] or rest[1:] == meant
