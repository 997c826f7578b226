"""What each site of a run is doing now."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ...card import html_root
from ...events import SiteTelemetry
from ...names import printable
from ...source_map import SourceMap
from ...table import html_table, text_table
from ..failure.explain import DEFAULT_TRAINING
from ..progress import RunProgress
from ..site_state import SiteEnvironment, SiteProgress
from .environments import data_of, device_of

WORKING = ("training", "validating")  # the phases of a site that is at a task
_COLUMNS = ("site", "phase", "round", "step", "memory", "CPU", "at", "heard", "device", "data", "")
_NUMBERS = ("round", "step", "memory", "CPU", "heard")
_BELOW_APP = re.compile(r"^.*/custom/")


@dataclass(frozen=True)
class SiteInfo:
    """What is known of one site now. While nobody has said it, and when the run is over, a field is None or "".

    Attributes:
        phase: What it does, such as "training".
        round: The round it is in (0-based).
        step: The newest step of its metrics in this round.
        memory: Bytes in main memory, of its process and those it started.
        cpu: Percent of one core.
        place: Where the code runs, such as "In[4], line 9 (fl_train)".
        heard: Seconds since its last sign of life was seen here.
        stalled: What keeps it, such as "no progress for over 10 s in In[4], line 9".
        environment: What it has, as it said before the first round; None on the local target, whose sites have what you have.
        data: Where its data comes from, in words.
    """

    phase: str
    round: int | None = None
    step: int | None = None
    memory: int | None = None
    cpu: float | None = None
    place: str = ""
    heard: float | None = None
    stalled: str = ""
    environment: SiteEnvironment | None = None
    data: str = ""


class RunInfo(dict[str, SiteInfo]):
    """What each site of a run is doing now, by the sites' names; a table in a notebook."""

    def __repr__(self) -> str:
        return text_table(*self._table(), right=_NUMBERS)

    def _repr_html_(self) -> str:
        return html_root(html_table(*self._table(), right=_NUMBERS), style="overflow-x:auto")

    def _table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """The header and the rows, without the columns that no site fills."""
        rows = [(site, *_texts(info)) for site, info in self.items()]
        filled = [column for column in range(len(_COLUMNS)) if column < 2 or any(row[column] for row in rows)]
        return tuple(_COLUMNS[column] for column in filled), [tuple(row[column] for column in filled) for row in rows]


def run_info(run: RunProgress, heard: Callable[[str], float | None]) -> RunInfo:
    """Returns what each site is doing now.

    Args:
        run: What is known of the run.
        heard: Gives the seconds since the last sign of life of a site.
    """
    return RunInfo({name: _site_info(run, site, heard(name)) for name, site in run.sites.items()})


def _site_info(run: RunProgress, site: SiteProgress, heard: float | None) -> SiteInfo:
    now = None if run.state.done else run.telemetry.get(site.name)
    final = site.round is not None and site.round >= run.num_rounds  # what comes after the last round is none itself
    return SiteInfo(
        phase="stalled" if site.stalled else "final validation" if final and site.phase == "validating" else site.phase,
        round=run.num_rounds - 1 if final else site.round,
        step=site.step,
        memory=now.memory if now else None,
        cpu=now.cpu if now else None,
        # The place is as old as the sign of life; where the site works no longer it is none.
        place=_place(now, run.sources) if now and site.phase in WORKING else "",
        heard=heard,
        stalled=site.stalled,
        environment=site.environment,
        data=data_of(site),
    )


def _place(now: SiteTelemetry, sources: Mapping[str, SourceMap]) -> str:
    if now.place is None:
        return ""
    path, line, function = now.place
    name = _BELOW_APP.sub("", path.replace("\\", "/"))
    found = sources[name].place(line) if name in sources else (name, line)
    where = f"{found[0]}, line {found[1]}" if found else DEFAULT_TRAINING if name == "model_def.py" else f"{name}, line {line}"
    return f"{where} ({function})"


def _texts(info: SiteInfo) -> tuple[str, ...]:
    return (
        info.phase,
        "" if info.round is None else str(info.round + 1),
        "" if info.step is None else str(info.step),
        "" if info.memory is None else f"{info.memory / 1e6:,.0f} MB",
        "" if info.cpu is None else f"{info.cpu:.0f} %",
        info.place,
        "" if info.heard is None else f"{info.heard:.0f} s ago",
        device_of(info.environment) if info.environment else "",
        _amount(info),
        printable("; ".join(info.environment.problems)) if info.environment and info.environment.problems else info.stalled,
    )


def _amount(info: SiteInfo) -> str:
    samples = info.environment.samples if info.environment else None
    return info.data if samples is None else f"{info.data}, {samples:,} samples"
