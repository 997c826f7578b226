"""The settings that a train callback gets."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any


class NoSetting(KeyError):
    """The settings have no such key."""

    def __str__(self) -> str:
        """The message as it is: a KeyError would quote it."""
        return str(self.args[0])


class Settings(dict[str, Any]):
    """A dict that says, when a key is missing, how it is set."""

    def __missing__(self, key: Any) -> Any:
        """Raises `NoSetting`."""
        close = get_close_matches(str(key), self, 1)
        meant = f"did you mean {close[0]!r}? Else " if close else ""
        raise NoSetting(f"settings has no {key!r}; {meant}set it before the run is submitted: %reson config {key}=VALUE")
