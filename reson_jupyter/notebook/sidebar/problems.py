"""Why a command of a page was refused."""

from __future__ import annotations

import logging
from typing import Any

from ...backend.rehearsal import Rehearsal
from ...errors import ConfigError, RehearsalFailed, ResonError
from ..rehearsal_card import RehearsalCard
from .jsonable import shown

_log = logging.getLogger(__name__)


def problem_of(error: BaseException) -> dict[str, Any]:
    """Returns an error as a page gets it: `CommandProblem` of the sidebar's types.ts."""
    if not isinstance(error, ResonError):
        _log.error("a command of the sidebar failed", exc_info=error)
        message = f"{type(error).__name__}: {error}"
        return _problem(message, "It should not have happened; the log of the kernel has where it did.")
    rehearsal = error.rehearsal if isinstance(error, RehearsalFailed) else None
    return _problem(
        error.message,
        error.hint or "",
        fields=error.fields if isinstance(error, ConfigError) else {},
        html=RehearsalCard(rehearsal)._repr_html_() if isinstance(rehearsal, Rehearsal) else "",
    )


def _problem(message: str, hint: str, fields: dict[str, str] | None = None, html: str = "") -> dict[str, Any]:
    return {
        "message": shown(message),
        "hint": shown(hint),
        "fields": {name: shown(text) for name, text in (fields or {}).items()},
        "html": html,
    }
