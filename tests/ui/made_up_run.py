"""A run that never was, told in the messages of a real one: what the browser tests and their notebooks show."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from IPython.display import HTML, display

from reson_jupyter.backend.failure.cards import Cards, card_of
from reson_jupyter.backend.failure.explain import explain
from reson_jupyter.backend.progress import RunProgress
from reson_jupyter.backend.run.environments import environments_of
from reson_jupyter.backend.run.stages import stages_of
from reson_jupyter.events import Event, EventType, RunState
from reson_jupyter.notebook.live.cell_text import cell_text
from reson_jupyter.notebook.live.run_report import report_html
from reson_jupyter.notebook.live.run_view import RunView
from reson_jupyter.source_map import SourceMap

Message = dict[str, Any]

HOSTILE = "<img src=x onerror=window.__x=1>"
SITES = ("site-1", "site-2", "site-3")
METRICS = ("loss", "accuracy")

# What the second cell of a notebook has to be, so that the failure lies in it.
UNLUCKY_CELL = """'''
import torch.nn as nn

class Net(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.head = nn.Linear(256, num_classes)
    def forward(self, x):
        return self.head(self.features(x))

def fl_train(model, env, out_dir, logger):
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for x, y in batches(env):
        loss = criterion(model(x), y)
''';"""
TRACEBACK = """Traceback (most recent call last):
  File "/tmp/reson-1/site-2/simulate_job/app_site-2/custom/custom_client_executor.py", line 201, in execute
    result = self._call(train, model)
  File "/tmp/reson-1/site-2/simulate_job/app_site-2/custom/model_def.py", line 1, in fl_train
    loss = criterion(model(x), y)
  File "/opt/venv/lib/python3.11/site-packages/torch/nn/modules/module.py", line 1775, in _wrapped_call_impl
    return self._call_impl(*args, **kwargs)
  File "/opt/venv/lib/python3.11/site-packages/torch/nn/modules/module.py", line 1786, in _call_impl
    return forward_call(*args, **kwargs)
  File "/tmp/reson-1/site-2/simulate_job/app_site-2/custom/model_def.py", line 2, in forward
    return self.head(self.features(x))
  File "/opt/venv/lib/python3.11/site-packages/torch/nn/modules/linear.py", line 134, in forward
    return F.linear(input, self.weight, self.bias)
RuntimeError: mat1 and mat2 shapes cannot be multiplied (8x512 and 256x10)
"""
# What a site of a federation has that is as most are.
USUAL: Message = {
    "python": "3.11.9", "torch": "2.13.0+cu128", "nvflare": "2.9.0", "device": "NVIDIA A100", "disk": 812_000_000_000,
    "data": "shard", "samples": 400, "classes": 10, "packages": {"pillow": "12.3.0", "scipy": "1.17.0"},
}  # fmt: skip
# What the sites of a federation have, where one of them cannot train and others are not as most.
MISMATCHED: dict[str, Message] = {
    "clinic-a": {},
    "clinic-b": {"device": "cpu", "torch": "2.13.0+cpu", "data": "/srv/images/train", "samples": 1_250,
                 "notes": ["its data lies at /srv/images/train, where RESON_DATA_ROOT says"]},
    "clinic-c": {"python": "3.12.4", "packages": {"pillow": "12.3.0", "scipy": ""}, "data": "", "samples": None, "classes": None,
                 "disk": 900_000_000, "problems": ["the package scipy is missing", "it has no data: set RESON_DATA_ROOT there"]},
    "clinic-d": {"packages": {"pillow": "12.3.0", "scipy": "1.16.1"}},
}  # fmt: skip
MESSAGE = TRACEBACK.splitlines()[-1]
LINES = {"model_def.py": SourceMap.of([("In[2]", 15), ("In[2]", 9)])}


class MadeUpRun:
    """Deals out the messages of a run, one at a time."""

    def __init__(self, rounds: int = 5, sites: tuple[str, ...] = SITES, metrics: tuple[str, ...] = METRICS) -> None:
        self.rounds, self.sites, self.metrics = rounds, sites, metrics
        self.version = 0
        self.started = time.time()
        self.log = RunProgress()  # for the stages of its rounds
        submitted = {"name": "digits", "target": "local", "num_rounds": rounds, "min_clients": 1, "digest": ""}
        self.tell("submitted", **submitted, sites={site: {"shard": ""} for site in sites})

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
            "stopping": None,
            **parts.pop("run", {}),
        }
        return {"version": self.version, "full": full, "run": run, **parts}

    def first(self, state: RunState = RunState.PENDING) -> Message:
        return self.message(state, full=True, run={"round": 0}, sites=[], lines=[], events=[])

    def starting(self) -> Message:
        sites = [self.row(site, phase="waiting") for site in self.sites]
        return self.message(RunState.STARTING, sites=sites, events=[self.event("the server and the sites are starting")])

    def rounds_of_messages(self) -> Iterator[Message]:
        for number in range(self.rounds):
            self.tell("round_started", number)
            for site in self.sites:
                self.tell("site", number, site, phase="training")
            yield self.message(
                events=[self.event(f"round {number + 1} started")],
                sites=[self.row(s, number) for s in self.sites],
                stages=stages_of(self.log),
            )
            for index, site in enumerate(self.sites):
                self.tell("site", number, site, phase="returned")
                self.tell("contribution", number, site, accepted=True, samples=480.0 + 119 * index)
                values = {name: self.value(name, index, number) for name in self.metrics}
                yield self.message(
                    sites=[self.row(site, number, phase="returned", samples=480.0 + 119 * index, metrics=values)],
                    lines=[self.line(name, site, number, value) for name, value in values.items()],
                    stages=stages_of(self.log),
                )
            self.tell("aggregated", number, sites=list(self.sites))
            means = [self.line(name, None, number, self.value(name, 1.3, number)) for name in self.metrics]
            left = (time.time() - self.started) / (number + 1) * (self.rounds - number - 1)
            yield self.message(
                run={"round": number + 1, "remaining": left},
                lines=means,
                stages=stages_of(self.log),
                events=[self.event(f"round {number + 1} aggregated from {len(self.sites)} sites")],
            )

    def validation(self) -> Iterator[Message]:
        """The final model's, which has the last metric only."""
        yield self.message(sites=[self.row(site, self.rounds - 1, phase="final validation") for site in self.sites])
        name, number = self.metrics[-1], self.rounds
        of = [*enumerate(self.sites), (1.3, None)]
        lines = [self.line(name, site, number, self.value(name, index, number)) for index, site in of]
        yield self.message(lines=lines, events=[self.event(f"the final model was validated by {len(self.sites)} sites")])

    def last(self, state: RunState = RunState.FINISHED, reason: str = "", **parts: Any) -> Message:
        ended = {"phase": "done", "memory": None, "cpu": None, "stalled": "", "step": None}
        parts.setdefault("sites", [{"site": site, **ended} for site in self.sites])
        level = "error" if state is RunState.FAILED else "info"
        return self.message(
            state,
            run={"ended": time.time(), "remaining": None, "reason": reason, "sentence": state.before(reason)},
            events=[self.event(state.value, level=level)],
            stages=[],
            **parts,
        )

    def tell(self, kind: str, number: int | None = None, site: str | None = None, **data: Any) -> None:
        self.log.apply([Event(time=time.time(), type=EventType(kind), round=number, site=site, data=data)])

    @staticmethod
    def value(name: str, site: float, number: int) -> float:
        falling = 2.2 * math.exp(-0.55 * number) + 0.12 * site + 0.03 * math.sin(3 * number + site)
        return falling if "loss" in name else 1 - 0.36 * falling

    @staticmethod
    def line(name: str, site: str | None, number: int, value: float) -> Message:
        return {"name": name, "site": site, "rounds": [number], "values": [value]}

    @staticmethod
    def row(site: str, number: int | None = None, phase: str = "training", **more: Any) -> Message:
        load = {"memory": 412_000_000 + 9_000_000 * len(site), "cpu": 87.5 + len(site)}
        return {"site": site, "phase": phase, "round": number, "last_seen": time.time(), "problem": None, **load, **more}

    @staticmethod
    def event(text: str, level: str = "info", site: str | None = None) -> Message:
        return {"time": time.time(), "level": level, "site": site, "text": text}


class UnluckyRun(MadeUpRun):
    """The first site fails in round 4, the second stalls, and somebody stops the run."""

    def rounds_of_messages(self) -> Iterator[Message]:
        for message in super().rounds_of_messages():
            if message["run"].get("round") == 4:
                break
            yield message
        failure = explain(MESSAGE, TRACEBACK, LINES)
        failing, stalling = self.sites[0], self.sites[1 % len(self.sites)]
        cards = Cards(cards=[card_of(failure, cell_text, f"{failing}, round 4")], more=2)
        yield self.message(
            sites=[
                self.row(failing, 3, phase="problem", problem=failure.sentence),
                self.row(stalling, 3, phase="stalled", step=120, stalled="no progress for 15 s in In[2], line 14"),
            ],
            events=[self.event(failure.sentence, "error", failing)],
            failures=cards,
        )
        stopping = time.time() + 60
        for _ in range(25):
            yield self.message(run={"stopping": stopping})

    def validation(self) -> Iterator[Message]:
        return iter(())

    def last(
        self, state: RunState = RunState.ABORTED, reason: str = "Stopped on request after 3 rounds of 8.", **parts: Any
    ) -> Message:
        ended = {"memory": None, "cpu": None, "stalled": "", "step": None}
        phases = ["problem", *("stopped" for _ in self.sites[1:])]
        sites = [{"site": site, "phase": phase, **ended} for site, phase in zip(self.sites, phases, strict=True)]
        message = super().last(state, reason, sites=sites, **parts)
        message["run"]["offer"] = "The model of round 3 is kept: reson.attach('digits-k3x9q7').model()"
        return message


class FederatedRun(MadeUpRun):
    """On a federation of other machines: before the first round its sites say what they have, one after another.

    Args:
        rounds: Rounds of training.
        has: What each site has that the others do not, see `reson_jupyter.events`.
    """

    PLACE = "federation.example.org:8002"
    DASHBOARD = "https://app.example.org/jobs/clx1?tab=log"

    def __init__(self, rounds: int = 5, has: dict[str, Message] | None = None) -> None:
        self.has = has or {site: {} for site in SITES}
        super().__init__(rounds, tuple(self.has))

    def message(self, state: RunState = RunState.RUNNING, full: bool = False, **parts: Any) -> Message:
        place = {
            "target": "flare",
            "place": self.PLACE,
            "notes": ["3 sites are connected"],
            "links": [f"dashboard: {self.DASHBOARD}"],
        }
        return super().message(state, full, **{**parts, "run": {**place, "preparing": False, **parts.get("run", {})}})

    def rounds_of_messages(self) -> Iterator[Message]:
        preparing = {"preparing": True, "sentence": "The sites get ready: each looks at what it has, and fetches its data."}
        yield self.message(run=preparing, sites=[self.row(site, phase="preparing") for site in self.sites])
        log = RunProgress()
        facts = {"name": "digits", "target": "flare", "num_rounds": self.rounds, "min_clients": 1, "digest": ""}
        sites = {site: {"shard": f"{site}.zip"} for site in self.sites}
        submitted = {**facts, "versions": {"scipy": "1.17.0"}, "sites": sites}
        log.apply([Event(time=time.time(), type=EventType.SUBMITTED, data=submitted)])
        for site, own in self.has.items():
            log.apply([Event(time=time.time(), type=EventType.PREPARED, site=site, data={**USUAL, **own})])
            phase = log.sites[site].phase
            yield self.message(run=preparing, sites=[self.row(site, phase=phase)], environments=environments_of(log))
            yield from (self.message(run=preparing) for _ in range(3))
        yield from super().rounds_of_messages()


def wait_for(word: str) -> None:
    """Waits until the test says a word, see `Notebook.say`."""
    while not is_said(word):
        time.sleep(0.02)


def is_said(word: str) -> bool:
    """Whether the test has said it."""
    return Path(os.environ["JPY_SESSION_NAME"]).with_suffix(f".{word}").exists()


class Watched:
    """A made-up run under the cell that makes this: its view, fed by one thread, and the report that replaces it.

    Args:
        run: The run.
        interval: Seconds between its messages.
        holds: Where it stays until the test says the same word, so that a test can look at it for as long as it needs:
            "preparing", the number of rounds done, "stopping".
    """

    def __init__(self, run: MadeUpRun, interval: float = 0.2, holds: Collection[str] = ()) -> None:
        self.run, self.interval, self.holds = run, interval, holds
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
            self.hold(message["run"])
        for message in self.run.validation():
            self.view.push(message)
        self.view.push(self.run.last())
        self.show_report()

    def hold(self, run: Message) -> None:
        place = "stopping" if run["stopping"] else "preparing" if run.get("preparing") else str(run.get("round"))
        while place in self.holds and not is_said(place) and not self.stop.wait(self.interval):
            # A view that hears nothing for long takes its kernel for gone.
            self.view.push(self.run.message(run={**run, "now": time.time()}))

    def show_report(self) -> None:
        self.handle.update(HTML(report_html(self.view.letter()["message"])))
