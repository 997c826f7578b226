"""Numbers as people read them."""

from __future__ import annotations

_POWERS = ("", "k", "M", "G", "T")


def scaled(number: float) -> str:
    """Returns a count with three digits at most: 950, 1.2 M."""
    return _scaled(number, "")


def size(count: float) -> str:
    """Returns a number of bytes with three digits at most: 512 B, 4.9 MB."""
    return _scaled(count, "B")


def _scaled(number: float, unit: str) -> str:
    power = 0
    while number >= 999.5 and power < len(_POWERS) - 1:
        number, power = number / 1000, power + 1
    digits = f"{number:.1f}" if power and number < 99.95 else f"{number:.0f}"
    return f"{digits} {_POWERS[power]}{unit}".rstrip()
