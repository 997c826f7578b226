"""One row of the fault table: what goes wrong, who makes it so, what must come of it; and what came of it."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

import reson_jupyter as reson
from reson_jupyter.backend.store import default_store_url
from reson_jupyter.events import Event
from reson_jupyter.home import home
from tests.faults.faulty import Line, fl_train
from tests.patience import wait_for
from tests.runs.conftest import processes_of

Strike = Callable[[reson.Run], float | None]
"""Makes something go wrong with a run under way; returns when it did (None: the run's own code says when)."""


@dataclass(frozen=True)
class Fault:
    """What goes wrong.

    Attributes:
        what: For people, and the row's name in the table.
        ends: The states that the run may end in.
        says: What its reason, or the first of its errors, must contain.
        code: What the train function does on one site in one round (see `faulty.go_wrong`); "" if something else goes wrong.
        at_round: That round, 0-based.
        strike: What the test does to the run from outside.
        sites: How many sites.
        rounds: How many rounds.
        federation: More fields of its FederationConfig.
        within: Seconds in which it must be found.
        where: The place in the code that the error must name, such as "faulty.py".
        rounds_kept: How many rounds' work the run must still have.
        submit: Submits the run, where the usual way does not.
    """

    what: str
    ends: tuple[str, ...]
    says: str = ""
    code: str = "nothing"
    at_round: int = 0
    strike: Strike | None = None
    sites: int = 2
    rounds: int = 2
    federation: Mapping[str, Any] = field(default_factory=dict)
    pace: float = 0.3
    within: float = 15.0
    where: str = ""
    rounds_kept: int = 0
    submit: Callable[[Fault, Path], reson.Run] | None = None
    store: str | None = None


@dataclass
class Outcome:
    """What came of it."""

    run: reson.Run
    struck: float | None
    found: float | None
    lost: str
    left: list[str]

    @property
    def took(self) -> float | None:
        """Seconds from the fault to the first event that tells of it, or until a run is seen to be lost."""
        return None if self.struck is None or self.found is None else max(0.0, self.found - self.struck)


def submitted(fault: Fault, shards: Path) -> reson.Run:
    """Submits the run of a row."""
    return reson.submit(
        Line,
        train=fl_train,
        name="fault",
        shards_dir=shards,
        training=reson.TrainingConfig(fault=fault.code, at_round=fault.at_round, pace=fault.pace),
        federation=reson.FederationConfig(num_rounds=fault.rounds, **fault.federation),
        store=fault.store or default_store_url(None, home()),
        check=False,
    )


def carried_out(fault: Fault, shards: Path) -> Outcome:
    """Has a row's run go wrong, waits for its end and looks at what is left."""
    run = (fault.submit or submitted)(fault, shards)
    struck = fault.strike(run) if fault.strike else None
    with contextlib.suppress(reson.RunFailed):
        run.wait(150)
    over = time.time()
    events = run.events()
    struck = struck or next((event.data["values"]["struck"] for event in events if _tells_of_the_strike(event)), None)
    found = next((event.time for event in events if _tells_of_a_fault(event, struck or 0.0)), None)
    if run.state == "lost":  # its end is when it was last heard; that it is lost is seen here
        found = over
    return Outcome(run, struck, found, _lost(run), _left(run))


def _tells_of_the_strike(event: Event) -> bool:
    return event.type == "attributes" and "struck" in event.data["values"]


def _tells_of_a_fault(event: Event, struck: float) -> bool:
    over = event.type == "state" and event.data["state"] in ("failed", "degraded", "aborted", "lost")
    return event.time >= struck and (over or event.type in ("error", "stalled"))


def _lost(run: reson.Run) -> str:
    """What the run's log should have and has not: reports, and the metrics of what was contributed or said before the fault."""
    values = {(metric["site"], metric["round"], metric["name"]) for metric in run.metrics}
    lost = [f"{count} reports of {site}" for site, count in run.progress.lost_batches.items()]
    for event in run.events():
        expected = []
        if event.type == "contribution" and event.data["accepted"]:
            expected = [(event.site, event.round, "number")]
        elif _tells_of_the_strike(event):
            expected = [(event.site, event.round, "number"), (event.site, event.round, "before")]
        lost += [f"the metric {key}" for key in expected if key not in values]
    return ", ".join(lost)


def _left(run: reson.Run) -> list[str]:
    """What should be gone with the run, and is not: processes, folders."""
    with contextlib.suppress(AssertionError):
        wait_for(lambda: not processes_of(run) and not _folders(run), 30)
    marked = [process.pid for process in psutil.process_iter() if run.id[-12:] in _data_root(process)]
    return [
        *(f"process {process}" for process in processes_of(run)),
        *(f"process {pid}" for pid in marked),
        *map(str, _folders(run)),
    ]


def _data_root(process: psutil.Process) -> str:
    try:
        return process.environ().get("RESON_DATA_ROOT", "")
    except psutil.Error:
        return ""


def _folders(run: reson.Run) -> list[Path]:
    return [path for base in {tempfile.gettempdir(), "/tmp"} for path in Path(base).glob(f"reson-{run.id[-12:]}-*")]


def until(condition: Callable[[reson.Run], bool], then: Callable[[reson.Run], None]) -> Strike:
    """Waits until the run is as it should be, and strikes."""

    def strike(run: reson.Run) -> float:
        wait_for(lambda: condition(run))
        struck = time.time()
        then(run)
        return struck

    return strike
