"""What this machine keeps of a run in a federation, besides its record: which kit, and which job of NVFlare's."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import BaseModel

from ..record import RunRecord, is_carried, known_records

_FILE = "flare.json"


class FlareState(BaseModel):
    """It holds no secret.

    Attributes:
        kit: The folder of the startup kit that the run was started with.
        job: NVFlare's id of the run's job; "" before it was submitted.
        federation: A digest that tells the kit's federation from others, see `Kit.federation`.
        at_hand: Whether the federation's server was this machine.
        work: The folder of the carrier's files, which holds secrets while a job is submitted.
        events: How many events the log had when a carrier was last started.
        starts: How many carriers were started in a row without the log growing.
    """

    kit: str
    job: str = ""
    federation: str = ""
    at_hand: bool = False
    work: str = ""
    events: int = 0
    starts: int = 1


def read_state(folder: Path) -> FlareState | None:
    """Returns what was kept in a run's folder; None if nothing was."""
    try:
        return FlareState.model_validate_json((folder / _FILE).read_bytes())
    except (OSError, ValueError):
        return None


def runs_on(kit: Path) -> list[RunRecord]:
    """Returns the runs of this machine that are in progress in the federation of a startup kit."""
    carried = [record for record in known_records() if is_carried(record.folder)]
    return [record for record in carried if (state := read_state(record.folder)) and Path(state.kit) == kit]


def write_state(folder: Path, state: FlareState) -> None:
    """Keeps it, whole or not at all. Raises `OSError`."""
    part = folder / f"{_FILE}.part"
    part.write_text(state.model_dump_json())
    os.replace(part, folder / _FILE)
