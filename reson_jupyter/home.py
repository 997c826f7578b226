"""Where this machine keeps what outlives a kernel."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs

from .errors import ResonError
from .paths import expanded

_HINT = (
    "Set RESON_HOME to a folder that you may write to before the kernel starts; "
    "or here: import os; os.environ['RESON_HOME'] = '/a/folder'"
)


def home() -> Path:
    """Returns the folder where runs and caches lie: RESON_HOME, or the platform's user data folder.

    Raises:
        ResonError: it cannot be made.
    """
    configured = os.environ.get("RESON_HOME")
    try:
        folder = expanded(configured, ResonError) if configured else platformdirs.user_data_path("reson_jupyter")
    except ResonError as error:
        raise ResonError(f"RESON_HOME is {configured!r}, which cannot be used: {error.message}", _HINT) from None
    with _told(folder):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder.resolve()


def folder_of_home(*parts: str) -> Path:
    """Returns a folder below `home`, which is made if it is not there. Raises `ResonError` as `home` does."""
    folder = home().joinpath(*parts)
    with _told(folder):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        configured = os.environ.get("RESON_HOME")
        which = f"RESON_HOME is {configured!r}" if configured else "RESON_HOME is not set"
        raise ResonError(
            f"{which}, and the folder {folder} cannot be made or used: {error.strerror}",
            _HINT,
        ) from None
