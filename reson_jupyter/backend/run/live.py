"""A run's progress as messages for a live view: one full snapshot, then only what changed."""

from __future__ import annotations

import time
from itertools import islice
from typing import Any

from ...events import Event, EventType, RunState, SiteTelemetry
from ..failure.cards import Cards, CellText, cards_of
from ..failure.explain import explain
from ..progress import RunProgress
from ..site_state import SiteProgress
from .environments import Environments, environments_of
from .handle import Run
from .retold import Retold, notes_of
from .stages import Stage, stages_of

Message = dict[str, Any]
_SHOWN_EVENTS = 8
_PREPARING = "The sites get ready: each looks at what it has, and fetches its data."


class LiveFeed:
    """Turns the progress of one run into messages; each delta has what changed since the message before.

    The messages' fields are the contract with the view's front end (labextension/run_view).

    Args:
        run: The run.
        cell_text: Gives the texts of the cells that its failures lie in.
    """

    def __init__(self, run: Run, cell_text: CellText | None = None) -> None:
        self._run = run
        self._progress = run.progress
        self._cell_text = cell_text
        self._version = 0
        self._events_seen = 0
        self._failures: tuple[int, int] = (0, 0)
        self._environments: Environments | None = None
        self._sites: dict[str, Message] = {}
        self._stages: list[Stage] | None = None
        self._values_seen = 0
        self._retold = Retold(self._progress)

    def snapshot(self) -> Message:
        """Returns everything; the next delta continues from here."""
        self._sites.clear()
        self._values_seen = self._events_seen = 0
        self._failures = (0, 0)
        self._environments = self._stages = None
        return {**self.delta(), "full": True}

    def delta(self) -> Message:
        """Returns what changed since the last message, or everything when a site is gone; `run` is always whole."""
        if not self._sites.keys() <= self._progress.sites.keys():
            return self.snapshot()
        self._version += 1
        return {
            "version": self._version,
            "full": False,
            "run": self._head(),
            "sites": self._changed_sites(),
            "lines": self._new_lines(),
            "events": self._new_events(),
            **self._changed_failures(),
            **self._changed_environments(),
            **self._changed_stages(),
        }

    def _head(self) -> Message:
        run = self._progress
        return {
            "id": self._run.id,
            "name": run.name,
            "target": run.target,
            "place": run.place,
            "state": run.state.value,
            "sentence": self._run.note or (_PREPARING if run.preparing else run.state.before(run.reason)),
            "preparing": run.preparing,
            "reason": self._retold.reason(),
            **notes_of(run),
            "round": run.rounds_done,
            "rounds": run.num_rounds,
            "started": run.submitted,
            "ended": run.ended,
            "remaining": run.remaining(),
            "stopping": run.stopping_until,
            "offer": self._offer(),
            "now": time.time(),
        }

    def _offer(self) -> str:
        """What of a run that ended without its final model can be had; "" for any other."""
        run = self._progress
        kept = run.state in (RunState.ABORTED, RunState.FAILED) and run.rounds_done and run.result
        return f"The model of round {run.rounds_done} is kept: reson.attach({self._run.id!r}).model()" if kept else ""

    def _changed_sites(self) -> list[Message]:
        changed = []
        for name, site in list(self._progress.sites.items()):
            row = self._retold.row(_site_row(site, self._progress))
            if self._sites.get(name) != row:
                self._sites[name] = row
                changed.append(row)
        return changed

    def _changed_failures(self) -> dict[str, Cards]:
        run = self._progress
        known = (len(run.failures), run.errors_from)
        if known == self._failures:
            return {}
        self._failures = known
        return {"failures": cards_of(run, self._cell_text)}

    def _changed_environments(self) -> dict[str, Environments]:
        environments = environments_of(self._progress)
        if environments is None or environments == self._environments:
            return {}
        self._environments = environments
        return {"environments": environments}

    def _changed_stages(self) -> dict[str, list[Stage]]:
        stages = stages_of(self._progress)
        if stages == self._stages:
            return {}
        self._stages = stages
        return {"stages": stages}

    def _new_lines(self) -> list[Message]:
        """What was set since the message before; not by comparing, which would take longer with every round."""
        changes, latest = self._progress.changes, self._progress.latest
        until = len(changes)
        lines: dict[tuple[str, str | None], Message] = {}
        for key in dict.fromkeys(changes[self._values_seen : until]):
            name, site, number = key
            line = lines.setdefault((name, site), {"name": name, "site": site, "rounds": [], "values": []})
            line["rounds"].append(number)
            line["values"].append(latest[key])
        self._values_seen = until
        return list(lines.values())

    def _new_events(self) -> list[Message]:
        events = self._progress.events
        fresh = reversed(events[self._events_seen :])
        self._events_seen = len(events)
        lines = (line for line in (_event_line(event, self._progress, self._retold) for event in fresh) if line)
        return list(islice(lines, _SHOWN_EVENTS))[::-1]


def _site_row(site: SiteProgress, run: RunProgress) -> Message:
    said = None if run.state.done else run.telemetry.get(site.name)
    # Which round the final model is validated in is no question that a reader has.
    is_final = site.round is not None and site.round >= run.num_rounds > 0
    return {
        "site": site.name,
        "phase": _phase(site, is_final),
        "round": run.num_rounds - 1 if is_final else site.round,
        "step": None if run.state.done else site.step,
        "samples": site.samples,
        "metrics": dict(site.metrics),
        "memory": said and said.memory,
        "cpu": said and said.cpu,
        "last_seen": _last_seen(site, said),
        "stalled": site.stalled,
        # What kept it from training stands in the table of what the sites have.
        "problem": None if site.cannot_train and site.cannot_train in (site.problem or "") else site.problem,
    }


def _phase(site: SiteProgress, is_final: bool) -> str:
    if site.stalled:
        return "stalled"
    return "final validation" if is_final and site.phase == "validating" else site.phase


def _last_seen(site: SiteProgress, said: SiteTelemetry | None) -> float | None:
    if said is None:
        return site.last_seen
    return max(said.time, site.last_seen or 0)


def _event_line(event: Event, run: RunProgress, retold: Retold) -> Message | None:
    """An event as one line for people; None for what the table and the charts show already."""
    number = None if event.round is None else event.round + 1
    data = event.data
    level, text = "info", ""
    match event.type:
        case EventType.STATE:
            text = data["state"]  # the reason stands above
        case EventType.STOPPING:
            text = f"stopping; whoever has not ended in {data['grace']:.0f} s is ended"
        case EventType.ROUND_STARTED:
            text = f"round {number} started"
        case EventType.AGGREGATED:
            text = f"round {number} aggregated from {_sites(len(data['sites']))}"
        case EventType.VALIDATED if data["sites"] or not data.get("excused"):
            text = f"the final model was validated by {_sites(len(data['sites']))}"
        case EventType.SITE if data["phase"] == "skipped":
            text = "skipped its part" + (f" of round {number}" if number else "")
        case EventType.STALLED:
            level, text = _stall(data, run)
        case EventType.LOG if data.get("note") == "sending":
            return None
        case EventType.LOG:
            level, text = data["level"], data["message"]
        case EventType.ERROR:
            level, text = "error", retold.text(explain(data["message"], data.get("traceback", ""), run.sources).sentence)
        case EventType.ERRORS_RESET:
            text = "the errors so far were put aside"
        case EventType.LOST:
            level, text = "warning", f"{data['batches']} reports never arrived"
        case _:
            return None
    return {"time": event.time, "level": level, "site": event.site, "text": text}


def _sites(count: int) -> str:
    return "1 site" if count == 1 else f"{count} sites"


def _stall(data: Message, run: RunProgress) -> tuple[str, str]:
    if not data["seconds"]:
        return "info", "makes progress again"
    where = explain("", data["traceback"], run.sources).where
    return "warning", f"no progress for over {data['seconds']:.0f} s" + (f" in {where.where}" if where else "")
