"""Texts of several runs beside each other, such that what differs looks different."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Mapping
from typing import Any

from ...names import printable

_NAME = 40  # characters
_VALUE = 60
_DIGEST = 12
_ID_END = 6
_DIGITS = range(4, 18)  # 17 tell any two numbers apart


def labels(names: Mapping[str, str]) -> dict[str, str]:
    """Returns what runs are called in charts and tables, no two of them alike.

    Args:
        names: By the id of a run its name.
    """
    shown = {run: shortened(printable(name), _NAME) for run, name in names.items()}
    if not _alike(shown):
        return shown
    longest = max(map(len, names))
    end = next(size for size in range(_ID_END, longest + _ID_END) if len({run[-size:] for run in names}) == len(names))
    return {run: f"{shortened(printable(name), _NAME - end - 3)} ({run[-end:]})" for run, name in names.items()}


def shortened(text: str, most: int) -> str:
    """Returns a text without its middle where it is longer than `most` characters."""
    if len(text) <= most:
        return text
    half = max(1, (most - 1) // 2)
    return f"{text[:half]}…{text[-half:]}"


def values(row: Mapping[str, Any], besides: str) -> dict[str, str]:
    """Returns the values of a field as texts, no two different ones alike.

    Args:
        row: By the id of a run its value.
        besides: What stands where a run has none.
    """
    exact = {run: json.dumps(value, default=str) for run, value in row.items()}
    plain = {run: _plain(value) for run, value in row.items()}
    if _confused(plain, exact) or besides in plain.values():
        plain = {run: text if text.isprintable() else printable(text) for run, text in exact.items()}
    cut = {run: shortened(text, _VALUE) for run, text in plain.items()}
    return {run: _digested(text, exact[run]) for run, text in plain.items()} if _confused(cut, exact) else cut


def numbers(row: Mapping[str, float], best: set[str]) -> dict[str, str]:
    """Returns values of a metric with four digits, or as many as tell the best ones from the others.

    Args:
        row: By the id of a run its value.
        best: The runs with the best value.
    """
    for digits in _DIGITS:
        texts = {run: f"{value:.{digits}g}" for run, value in row.items()}
        if not {texts[run] for run in best} & {text for run, text in texts.items() if run not in best}:
            break
    return texts


def _plain(value: Any) -> str:
    return printable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))


def _digested(text: str, exact: str) -> str:
    if len(text) <= _VALUE:
        return text
    return f"{shortened(text, _VALUE - _DIGEST - 10)} (sha256 {hashlib.sha256(exact.encode()).hexdigest()[:_DIGEST]})"


def _look(text: str) -> str:
    """A text as a page shows it: spaces run together, characters of other widths are the same."""
    return " ".join(unicodedata.normalize("NFKC", text).split())


def _alike(texts: Mapping[str, str]) -> bool:
    return len({_look(text) for text in texts.values()}) < len(texts)


def _confused(texts: Mapping[str, str], exact: Mapping[str, str]) -> bool:
    """Whether values that differ look alike."""
    return len({_look(text) for text in texts.values()}) < len(set(exact.values()))
