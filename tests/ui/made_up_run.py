"""A run that never was, told in the messages of a real one: what the browser tests and their notebooks show."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from typing import Any

from IPython.display import HTML, display

from reson_jupyter.events import RunState
from reson_jupyter.notebook.run_report import report_html
from reson_jupyter.notebook.run_view import RunView

Message = dict[str, Any]

HOSTILE = "<img src=x onerror=window.__x=1>"
SITES = ("site-1", "site-2", "site-3")
METRICS = ("loss", "accuracy")


class MadeUpRun:
    """Deals out the messages of a run, one at a time."""

    def __init__(self, rounds: int = 5, sites: tuple[str, ...] = SITES, metrics: tuple[str, ...] = METRICS) -> None:
        self.rounds, self.sites, self.metrics = rounds, sites, metrics
        self.version = 0
        self.started = time.time()

    def message(self, state: RunState = RunState.RUNNING, full: bool = False, **parts: Any) -> Message:
        self.version += 1
        run = {
            "id": "digits-k3x9q7",
            "name": "digits",
            "target": "local",
            "state": state.value,
            "sentence": state.sentence,
            "started": self.started,
            "now": time.time(),
            "rounds": self.rounds,
            **parts.pop("run", {}),
        }
        return {"version": self.version, "full": full, "run": run, **parts}

    def first(self, state: RunState = RunState.PENDING) -> Message:
        return self.message(state, full=True, run={"round": 0}, sites=[], points=[], events=[])

    def starting(self) -> Message:
        sites = [self.row(site, phase="waiting") for site in self.sites]
        return self.message(RunState.STARTING, sites=sites, events=[self.event("the server and the sites are starting")])

    def rounds_of_messages(self) -> Iterator[Message]:
        for number in range(self.rounds):
            yield self.message(
                events=[self.event(f"round {number + 1} started")], sites=[self.row(s, number) for s in self.sites]
            )
            for index, site in enumerate(self.sites):
                values = {name: self.value(name, index, number) for name in self.metrics}
                yield self.message(
                    sites=[self.row(site, number, phase="returned", samples=480.0 + 119 * index, metrics=values)],
                    points=[{"name": name, "site": site, "round": number, "value": value} for name, value in values.items()],
                )
            means = [
                {"name": name, "site": None, "round": number, "value": self.value(name, 1.3, number)} for name in self.metrics
            ]
            left = (time.time() - self.started) / (number + 1) * (self.rounds - number - 1)
            yield self.message(
                run={"round": number + 1, "remaining": left},
                points=means,
                events=[self.event(f"round {number + 1} aggregated from {len(self.sites)} sites")],
            )

    def last(self, state: RunState = RunState.FINISHED, reason: str = "", **parts: Any) -> Message:
        parts.setdefault("sites", [{"site": site, "phase": "done"} for site in self.sites])
        level = "error" if state is RunState.FAILED else "info"
        return self.message(
            state,
            run={"ended": time.time(), "remaining": None, "reason": reason},
            events=[self.event(f"{state.value}{': ' if reason else ''}{reason}", level=level)],
            **parts,
        )

    @staticmethod
    def value(name: str, site: float, number: int) -> float:
        falling = 2.2 * math.exp(-0.55 * number) + 0.12 * site + 0.03 * math.sin(3 * number + site)
        return falling if "loss" in name else 1 - 0.36 * falling

    @staticmethod
    def row(site: str, number: int | None = None, phase: str = "training", **more: Any) -> Message:
        return {"site": site, "phase": phase, "round": number, "last_seen": time.time(), "problem": None, **more}

    @staticmethod
    def event(text: str, level: str = "info", site: str | None = None) -> Message:
        return {"time": time.time(), "level": level, "site": site, "text": text}


class Watched:
    """A made-up run under the cell that makes this: its view, fed by one thread, and the report that replaces it."""

    def __init__(self, run: MadeUpRun, interval: float = 0.2) -> None:
        self.run, self.interval = run, interval
        self.stop = threading.Event()
        self.view = RunView(run.first(), on_command=lambda command: self.stop.set())
        self.handle = display(self.view, display_id=True)
        self.thread = threading.Thread(target=self.follow, daemon=True)
        self.thread.start()

    def follow(self) -> None:
        self.view.push(self.run.starting())
        for message in self.run.rounds_of_messages():
            if self.stop.wait(self.interval):
                self.view.push(self.run.last(RunState.ABORTED))
                return
            self.view.push(message)
        self.view.push(self.run.last())
        self.show_report()

    def show_report(self) -> None:
        self.handle.update(HTML(report_html(self.view.letter()["message"])))
