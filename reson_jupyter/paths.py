"""Paths as users write them."""

from __future__ import annotations

from pathlib import Path

from .errors import ResonError


def expanded(path: str | Path, error: type[ResonError]) -> Path:
    """Returns a path with the home folder in the place of a leading "~" or "~user".

    Args:
        path: The path.
        error: What is raised if it can be none.

    Raises:
        ResonError: of the kind `error`: there is no such user, or the path has a zero in it.
    """
    if "\0" in str(path):
        raise error(f"{str(path)!r} is no path: no file's name has a zero byte in it")
    try:
        return Path(path).expanduser()
    except RuntimeError:
        user = Path(path).parts[0]
        raise error(
            f"the path {str(path)!r} cannot be used: nobody knows the home folder of {user!r}", "Write the path in full."
        ) from None
