"""What a page must know about a run, kept current from the messages that are sent to it.

    {"version": 7, "full": false,
     "run": {"id", "name", "target", "place" (where there), "state", "sentence", "reason", "notes" [text, ...],
             "round" (completed), "rounds",
             "started", "ended", "remaining", "now",           times in epoch seconds, durations in seconds; may be None
             "stopping" (when the end is forced; None unless it was asked for), "offer" (what is left without a final model),
             "preparing" (whether the sites get ready for the first round)},
     "sites": [{"site", "phase", "round", "step", "samples", "metrics": {name: value}, "last_seen", "problem",
                "stalled" (where, in words), "memory" (bytes), "cpu" (percent of a core)}],
     "lines": [{"name", "site" (None: weighted mean over sites), "rounds" [...], "values" [...]}],
     "thinned": 0,                                            rounds before this may lack values that there were
     "stages": [{"name", "state" ("done", "active" or "ahead"), "text"}],       `backend.run.stages`
     "events": [{"time", "level", "site", "text"}],
     "failures": {"cards": [...], "more"},                     `backend.failure.cards.Cards`
     "environments": {"summary", "wrong", "columns", "rows"}}  `backend.run.environments.Environments`; None: nobody said

A delta carries only what changed: keys of `run`, rows of `sites`, new values of lines (a later one replaces an earlier one of the
same name, site and round), new events, and all of `failures`, of `environments` and of `stages`. A full message replaces
everything. Rounds of sites and lines are 0-based; values of the final model's validation have `rounds` as their round.
"""

from __future__ import annotations

import math
from typing import Any

from ...backend.failure.cards import Cards
from ...backend.run.environments import Environments
from ...events import RunState
from .thin import Line

EVENTS_KEPT = 8

Message = dict[str, Any]


class RunSnapshot:
    """The messages of one run folded together."""

    def __init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        self.version = -1
        self._run: dict[str, Any] = {}
        self._sites: dict[str, dict[str, Any]] = {}
        self._lines: dict[tuple[str, str | None], dict[int, Any]] = {}
        self._stages: list[dict[str, str]] = []
        self._events: list[dict[str, Any]] = []
        self._failures = Cards(cards=[], more=0)
        self._environments: Environments | None = None

    @property
    def done(self) -> bool:
        """Whether the run is over."""
        return RunState(self._run.get("state", RunState.PENDING)).done

    def apply(self, message: Message) -> None:
        """Takes the next message."""
        if message["full"]:
            self._forget()
        self.version = message["version"]
        self._run.update(message.get("run", {}))
        for row in message.get("sites", []):
            known = self._sites.setdefault(row["site"], {})
            known.update({**row, "metrics": {**known.get("metrics", {}), **row.get("metrics", {})}})
        for line in message.get("lines", []):
            self._lines.setdefault((line["name"], line["site"]), {}).update(zip(line["rounds"], line["values"], strict=True))
        self._stages = message.get("stages", self._stages)
        self._events = [*self._events, *message.get("events", [])][-EVENTS_KEPT:]
        self._failures = message.get("failures", self._failures)
        self._environments = message.get("environments", self._environments)

    def message(self) -> Message:
        """Everything that is known, as one full message."""
        return {
            "version": self.version,
            "full": True,
            "run": dict(self._run),
            "sites": [dict(row) for row in self._sites.values()],
            "lines": [_line(name, site, dict(sorted(values.items()))) for (name, site), values in self._lines.items()],
            "thinned": 0,
            "stages": self._stages,
            "events": list(self._events),
            "failures": self._failures,
            "environments": self._environments,
        }

    def of_round(self, number: int) -> list[Line]:
        """The values of one round, as lines of one point each."""
        return [_line(name, site, {number: values[number]}) for (name, site), values in self._lines.items() if number in values]


def _line(name: str, site: str | None, values: dict[int, Any]) -> Line:
    return {"name": name, "site": site, "rounds": list(values), "values": list(values.values())}


def jsonable(message: Message) -> Message:
    """Returns the message with NaN and infinities as text, which JSON has no numbers for."""
    return {key: _finite(value) for key, value in message.items()}


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "∞" if value > 0 else "-∞"
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_finite(entry) for entry in value]
    return value
