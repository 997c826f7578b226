"""Why something was refused, for people."""

from __future__ import annotations

import logging

from ...errors import ConfigError, ResonError

_log = logging.getLogger(__name__)


def refusal_of(error: Exception, field: str = "") -> str:
    """Returns why something was refused; of a field, what concerns it."""
    if isinstance(error, ConfigError) and field in error.fields:
        return error.fields[field]
    if isinstance(error, ResonError):
        return str(error)
    _log.error("the panel failed", exc_info=error)
    return f"{type(error).__name__}: {error}"
