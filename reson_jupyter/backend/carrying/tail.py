"""Follow the file that the server's reporter writes."""

from __future__ import annotations

import json
import time
from pathlib import Path

from pydantic import ValidationError

from ...events import Event, EventType


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
    """Returns a line as an event; one that is none is the reporter's fault, and is shown rather than dropped."""
    try:
        return Event.model_validate(json.loads(line))
    except (ValueError, ValidationError):
        shown = line.decode(errors="replace")[:200]
        return Event(time=time.time(), type=EventType.LOG, data={"level": "warning", "message": f"unreadable report: {shown}"})
