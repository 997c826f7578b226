"""What this machine keeps of a run in a federation, besides its record: which kit, and which job of NVFlare's."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import BaseModel

_FILE = "flare.json"


class FlareState(BaseModel):
    """It holds no secret.

    Attributes:
        kit: The folder of the startup kit that the run was started with.
        job: NVFlare's id of the run's job; "" before it was submitted.
        events: How many events the log had when a carrier was last started.
        starts: How many carriers were started in a row without the log growing.
    """

    kit: str
    job: str = ""
    events: int = 0
    starts: int = 1


def read_state(folder: Path) -> FlareState | None:
    """Returns what was kept in a run's folder; None if nothing was."""
    try:
        return FlareState.model_validate_json((folder / _FILE).read_bytes())
    except (OSError, ValueError):
        return None


def write_state(folder: Path, state: FlareState) -> None:
    """Keeps it, whole or not at all. Raises `OSError`."""
    part = folder / f"{_FILE}.part"
    part.write_text(state.model_dump_json())
    os.replace(part, folder / _FILE)
