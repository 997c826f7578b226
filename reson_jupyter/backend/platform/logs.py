"""The logs of a running run, brought here while somebody reads them.

The notebook may have no key to ask with; the carrier has one. So the notebook leaves word that it wants them, and the carrier
lays them into the run's folder.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from ...errors import PlatformError
from .extras import Extras

_FOLDER, _WANTED = "logs", "logs-wanted"
_STILL_WANTED = 30.0  # seconds after somebody last looked
_BETWEEN = 5.0


def read_log(folder: Path, name: str, offset: int) -> bytes | None:
    """Asks for the logs, and returns what the copy of one has beyond `offset`; None if there is none yet."""
    if Path(name).name != name or not folder.is_dir():
        return None
    (folder / _WANTED).touch()
    try:
        with (folder / _FOLDER / f"{name}.txt").open("rb") as file:
            file.seek(offset)
            return file.read()
    except OSError:
        return None


class LogCopies:
    """Brings a job's logs into its run's folder.

    Args:
        folder: The run's folder.
        extras: Where they can be had, if anywhere.
        instead: Says in a sentence where they are to be read if not here.
    """

    def __init__(self, folder: Path, extras: Extras, instead: Callable[[], str]) -> None:
        self._folder = folder
        self._extras = extras
        self._instead = instead
        self._next = 0.0

    def look(self, task_id: str, sites: Mapping[str, object]) -> None:
        """Brings them if somebody wants them, and it is time."""
        now = time.monotonic()
        if now >= self._next and self._is_wanted():
            self._next = now + _BETWEEN
            self.bring(task_id, sites)

    def bring(self, task_id: str, sites: Mapping[str, object]) -> dict[str, Path]:
        """Brings them now; returns those that are there, by the names that they are stored under."""
        try:
            logs = self._extras.logs(task_id)
        except PlatformError:
            return {}
        if logs is None:
            for name in ("server", *sites):
                self._write(name, f"{self._instead()}\n")
            return {}
        return {f"{name}.txt": self._write(name, text) for name, text in logs.items()}

    def _write(self, name: str, text: str) -> Path:
        path = self._folder / _FOLDER / f"{name}.txt"
        path.parent.mkdir(exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text(text)
        part.replace(path)
        return path

    def _is_wanted(self) -> bool:
        try:
            return time.time() - (self._folder / _WANTED).stat().st_mtime < _STILL_WANTED
        except OSError:
            return False
