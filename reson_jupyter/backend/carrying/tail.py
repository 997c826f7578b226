"""Follow the file that the server's reporter writes."""

from __future__ import annotations

import time
from pathlib import Path

from ...events import Event
from .reports import read_report, warning

UNREADABLE = "unreadable report: "


class EventFile:
    """Reads the events that a growing file of JSON lines has gained since the last read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def read(self) -> list[Event]:
        """Returns the new whole lines as events; [] while the file does not exist."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        return [parse_line(line) for line in whole.splitlines() if line.strip()]


def parse_line(line: bytes) -> Event:
    """Returns a line as an event; one that does not fit the schema is shown rather than dropped, and changes nothing else."""
    try:
        return read_report(line)
    except ValueError:
        return warning(f"{UNREADABLE}{line[:800].decode(errors='replace')[:200]}", time.time())
