"""All that stands in the way of a check, a preview or a submit, where one thing of it has stopped it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ...errors import ConfigError, RehearsalFailed, ResonError
from ...readiness import NO_NAME, NO_SHARDS, Named, obstacles
from ...session import current_session

_HOW = {
    NO_NAME: "--name NAME, or %reson config name=NAME.",
    NO_SHARDS: "--shards DIR, or %reson config shards_dir=DIR.",
}


@contextmanager
def all_told(action: str, arguments: argparse.Namespace) -> Iterator[None]:
    """Adds to an error of an action what else stands in its way, as the sidebar says it, with what to write in a cell."""
    try:
        yield
    except RehearsalFailed:
        raise  # which says all of it, after everything else was there
    except ResonError as error:
        with suppress(ConfigError):  # of the line itself, which is what the error tells
            lines = [f"{found} {_HOW.get(found, '')}".strip() for found in _others(action, arguments, error)]
            error.hint = "\n  ".join([*([error.hint] if error.hint else []), *lines]) or None
        raise


def _others(action: str, arguments: argparse.Namespace, error: ResonError) -> Iterator[str]:
    named = Named(
        arguments.name, arguments.shards, getattr(arguments, "target", None), getattr(arguments, "store", None),
        bool(arguments.checkpoint),
    )  # fmt: skip
    for found in obstacles(current_session(), named)[action]:
        if not found.lower().startswith(error.message.lower()):
            yield found
