"""How fast earlier uploads to a store were, on this machine."""

from __future__ import annotations

import json
import os
import secrets
from contextlib import suppress
from pathlib import Path

from ...errors import ResonError
from ...home import home
from .base import Store

# Of a smaller upload the time is the requests', not the line's.
_TELLING_BYTES = 1 << 20
_WEIGHT_OF_LAST = 0.5


def rate_of(store: Store) -> float | None:
    """Returns bytes per second, or None if nothing is known of this store."""
    rate = _read().get(repr(store))
    return rate if isinstance(rate, float) and rate > 0 else None


def remember(store: Store, sent: int, seconds: float) -> None:
    """Notes that so many bytes took so long. A home that cannot be written only costs the estimate."""
    if sent < _TELLING_BYTES or seconds <= 0:
        return
    rates = _read()
    before = rate_of(store) or sent / seconds
    # The store's text names its endpoint, too, and no key.
    rates[repr(store)] = before + _WEIGHT_OF_LAST * (sent / seconds - before)
    with suppress(OSError, ResonError):
        file = _file()
        part = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
        part.write_text(json.dumps(rates, indent=1))
        os.replace(part, file)


def _file() -> Path:
    return home() / "upload-rates.json"


def _read() -> dict[str, object]:
    try:
        rates = json.loads(_file().read_text())
    except (OSError, ValueError, ResonError):
        return {}
    return rates if isinstance(rates, dict) else {}
