"""What is wrong with a project folder, all of it in one report."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...errors import ProjectError


class Problems:
    """Takes note of what is wrong in one place, so that the next place is looked at, too.

    Args:
        folder: The project's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._found: list[ProjectError] = []

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Keeps a `ProjectError` that is raised in it."""
        try:
            yield
        except ProjectError as error:
            self._found.append(error)

    def raise_if_any(self) -> None:
        """Raises `ProjectError` that tells all of them; nothing, if there are none."""
        if len(self._found) == 1:
            raise self._found[0]
        if self._found:
            lines = [f"{self._folder} has {len(self._found)} problems:", *map(self._told, self._found)]
            raise ProjectError("\n  - ".join(lines))

    def _told(self, error: ProjectError) -> str:
        place = f"{self._folder}/"
        message = error.message.removeprefix(place)
        return ". ".join(text.removesuffix(".") for text in (message, error.hint) if text) + "."
