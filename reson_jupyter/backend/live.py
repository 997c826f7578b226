"""A run's progress as messages for a live view: one full snapshot, then only what changed."""

from __future__ import annotations

import time
from typing import Any

from ..events import Event, EventType
from .progress import SiteProgress
from .run import Run

Message = dict[str, Any]
_SHOWN_EVENTS = 8


class LiveFeed:
    """Turns the progress of one run into messages; each delta has what changed since the message before.

    The messages' fields are the contract with the view's front end (labextension/run_view).
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._progress = run.progress
        self._version = 0
        self._events_seen = 0
        self._sites: dict[str, Message] = {}
        self._points: dict[tuple[str, str | None, int], float] = {}

    def snapshot(self) -> Message:
        """Returns everything; the next delta continues from here."""
        self._sites.clear()
        self._points.clear()
        self._events_seen = 0
        return {**self.delta(), "full": True}

    def delta(self) -> Message:
        """Returns what changed since the last message; `run` is always whole."""
        self._version += 1
        return {
            "version": self._version,
            "full": False,
            "run": self._head(),
            "sites": self._changed_sites(),
            "points": self._new_points(),
            "events": self._new_events(),
        }

    def _head(self) -> Message:
        run = self._progress
        return {
            "id": self._run.id,
            "name": run.name,
            "target": run.target,
            "state": run.state.value,
            "sentence": self._run.note or run.state.sentence,
            "reason": run.reason,
            "notes": list(run.notes),
            "round": run.rounds_done,
            "rounds": run.num_rounds,
            "started": run.submitted,
            "ended": run.ended,
            "remaining": run.remaining(),
            "now": time.time(),
        }

    def _changed_sites(self) -> list[Message]:
        changed = []
        for name, site in list(self._progress.sites.items()):
            row = _site_row(site)
            if self._sites.get(name) != row:
                self._sites[name] = row
                changed.append(row)
        return changed

    def _new_points(self) -> list[Message]:
        changed = []
        for key, value in list(self._progress.latest.items()):
            if self._points.get(key) != value:
                self._points[key] = value
                name, site, number = key
                changed.append({"name": name, "site": site, "round": number, "value": value})
        return changed

    def _new_events(self) -> list[Message]:
        events = self._progress.events
        fresh = events[self._events_seen :]
        self._events_seen = len(events)
        lines = [line for line in map(_event_line, fresh) if line]
        return lines[-_SHOWN_EVENTS:]


def _site_row(site: SiteProgress) -> Message:
    return {
        "site": site.name,
        "phase": site.phase,
        "round": site.round,
        "samples": site.samples,
        "metrics": dict(site.metrics),
        "last_seen": site.last_seen,
        "problem": site.problem,
    }


def _event_line(event: Event) -> Message | None:
    """An event as one line for people; None for what the table and the charts show already."""
    number = None if event.round is None else event.round + 1
    data = event.data
    level, text = "info", ""
    match event.type:
        case EventType.STATE:
            text = f"{data['state']}{': ' + data['reason'] if data.get('reason') else ''}"
        case EventType.ROUND_STARTED:
            text = f"round {number} started"
        case EventType.AGGREGATED:
            count = len(data["sites"])
            text = f"round {number} aggregated from {count} {'site' if count == 1 else 'sites'}"
        case EventType.LOG:
            level, text = data["level"], data["message"]
        case EventType.ERROR:
            level, text = "error", data["message"]
        case EventType.LOST:
            level, text = "warning", f"{data['batches']} reports never arrived"
        case _:
            return None
    return {"time": event.time, "level": level, "site": event.site, "text": text}
