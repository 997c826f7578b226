"""A run's events folded into what is known of the run now: rounds, sites, metrics, failures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TypedDict

from ..events import Event, RunState, SiteTelemetry
from ..names import printable
from ..source_map import SourceMap
from .failure.explain import Explained, explain
from .site_state import NEVER_CAME, SiteEnvironment, SiteProgress

AT_A_TASK = ("training", "validating", "skipping")  # the phases of a site that has not returned yet


class MetricRecord(TypedDict):
    """A value of a metric. `site` is None for the mean over sites, weighted by samples; `step` is None for a round's value."""

    site: str | None
    round: int
    step: int | None
    name: str
    value: float
    time: float


@dataclass
class RoundProgress:
    """What is known of one round."""

    started: float
    contributions: dict[str, float] = field(default_factory=dict)
    rejected: set[str] = field(default_factory=set)
    aggregated: list[str] | None = None
    ended: float | None = None


@dataclass(frozen=True, repr=False)
class Failure:
    """One error that a run reported.

    `message` is one line, `traceback` calls lines of the notebook by their cell; `Run.events` has both as they were reported.
    `explained` has the place to look at, and cause and fix where they are known. `final` tells that it happened while the final
    model was validated, so that `round` is the one after the last.
    """

    site: str | None
    round: int | None
    message: str
    traceback: str
    time: float
    explained: Explained
    final: bool = False

    def __repr__(self) -> str:
        return printable(f"<{self.told}>" + (f" {self.explained.advice}" if self.explained.advice else ""))

    @property
    def told(self) -> str:
        """Who failed, when, where and how, such as "site-1 in round 2: In[4], line 9: ValueError: bad"."""
        who = self.site or "the server"
        if self.message.startswith(f"{who} "):  # it says itself who it is
            return self.explained.sentence
        when = "" if self.round is None else " in the final validation" if self.final else f" in round {self.round + 1}"
        return f"{who}{when}: {self.explained.sentence}"

    @property
    def where(self) -> str:
        """The place in the user's code, such as "In[4], line 9"; "" if it is not in the traceback."""
        return self.explained.where.where if self.explained.where else ""


class RunProgress:
    """Folds events, in the order of the log, into the present state of a run.

    The final model's validation comes after the last round and is none itself: its values have `num_rounds` as their round.

    Attributes:
        place: Where the target runs it, such as a federation's server; "" if that was not said.
        callbacks: Whether callbacks of Scaleout train, whose model is none that a notebook could call.
        versions: What the submitting kernel had, by package, of what the job requires.
        planned: The sites that were submitted to. A target that names its sites itself has others instead: whoever is heard of
            and was not planned takes the place of one that was planned and never heard of, so that their number is right.
        stopping_until: When the sites' time to end by themselves is over, seconds since the epoch; None unless asked to stop.
        latest: A round's value by metric, site (None: the weighted mean) and round; `changes` has a key each time it was set.
        stages: "train" or "validate" by metric name, as its newest value says.
        validated: The sites that validated the final model; None if that was not asked or has not ended.
        excused: Those that have nothing to validate it with.
        answers: What the sites answered, by request and site.
        telemetry: Each site's newest sign of life; not from the events, whoever follows the run puts it here.
        errors_from: How many of `failures` somebody has put aside.
    """

    def __init__(self) -> None:
        self.name = self.target = self.place = ""
        self.versions: dict[str, str] = {}
        self.planned: tuple[str, ...] = ()
        self.num_rounds = self.min_clients = 0
        self.callbacks = False
        self.digest = ""
        self.notes: list[str] = []
        self.warnings: list[str] = []
        self.sending = ""
        self.state = RunState.PENDING
        self.reason = ""
        self.submitted: float | None = None
        self.started: float | None = None
        self.ended: float | None = None
        self.stopping_until: float | None = None
        self.run_ended = False
        self.sites: dict[str, SiteProgress] = {}
        self.rounds: dict[int, RoundProgress] = {}
        self.metrics: list[MetricRecord] = []
        self.latest: dict[tuple[str, str | None, int], float] = {}
        self.changes: list[tuple[str, str | None, int]] = []
        self.stages: dict[str, str] = {}
        self.failures: list[Failure] = []
        self.stalls: dict[tuple[str, int], str] = {}
        self.errors_from = 0
        self.models: dict[int | None, dict[str, Any]] = {}
        self.saved: list[dict[str, Any]] = []
        self.lost_batches: dict[str, int] = {}
        self.validated: list[str] | None = None
        self.excused: list[str] = []
        self.answers: dict[str, dict[str, dict[str, Any]]] = {}
        self.telemetry: dict[str, SiteTelemetry] = {}
        self.result: dict[str, dict[str, Any]] = {}
        self.events: list[Event] = []
        self.sources: dict[str, SourceMap] = {}
        self._stepped: dict[tuple[str, str, int], float] = {}
        self._means: dict[tuple[str, int], MetricRecord] = {}

    def apply(self, events: Iterable[Event]) -> None:
        """Takes the next events of the log."""
        for event in events:
            self.events.append(event)
            if event.site:
                self._site(event.site).last_seen = event.time
            handler = getattr(self, f"_on_{event.type.value}", None)
            if handler:
                handler(event, event.data)

    @property
    def first_failure(self) -> Failure | None:
        """The first error that says where it came from, which is nearly always the cause of those after it."""
        traced = (failure for failure in self.failures if failure.traceback)
        return next(traced, self.failures[0] if self.failures else None)

    @property
    def preparing(self) -> bool:
        """Whether the sites look at what they have, and no round has begun."""
        waiting = not self.rounds and not self.run_ended and not self.state.done
        return waiting and any(site.environment or site.phase == "preparing" for site in self.sites.values())

    @property
    def rounds_done(self) -> int:
        """How many rounds have been aggregated."""
        return sum(entry.aggregated is not None for entry in self.rounds.values())

    def remaining(self) -> float | None:
        """Seconds that the rounds still to come will take if they are like those before; None before the first has ended."""
        # A clock that was set back must not make a round end before it began.
        ended = [max(0.0, entry.ended - entry.started) for entry in self.rounds.values() if entry.ended is not None]
        if not ended or self.state.done:
            return None
        return sum(ended) / len(ended) * max(0, self.num_rounds - len(ended))

    def means(self) -> list[MetricRecord]:
        """The weighted means over sites, by round and name."""
        return [self._means[key] for key in sorted(self._means, key=lambda key: (key[1], key[0]))]

    def _site(self, name: str) -> SiteProgress:
        if name not in self.sites:
            if unheard := next((site.name for site in self.sites.values() if not site.is_there), None):
                del self.sites[unheard]
            self.sites[name] = SiteProgress(name)
        return self.sites[name]

    def _on_submitted(self, event: Event, data: dict[str, Any]) -> None:
        self.submitted = event.time
        self.name, self.target, self.digest = data["name"], data["target"], data["digest"]
        self.notes, self.warnings = list(data.get("notes", [])), list(data.get("warnings", []))
        self.num_rounds, self.min_clients = data["num_rounds"], data["min_clients"]
        self.place, self.versions = data.get("place", ""), dict(data.get("versions", {}))
        self.callbacks = data.get("callbacks", False)
        self.planned = tuple(data["sites"])
        self.sites = {name: SiteProgress(name, shard["shard"]) for name, shard in data["sites"].items()}
        # Runs that were submitted before there were any have no lines.
        self.sources = {name: SourceMap.from_json(rows) for name, rows in data.get("lines", {}).items()}

    def _on_log(self, event: Event, data: dict[str, Any]) -> None:
        if data.get("note") and event.site is None:
            if data["note"] == "sending":
                self.sending = data["message"]
            else:
                self.notes.append(data["message"])

    def _on_state(self, event: Event, data: dict[str, Any]) -> None:
        self.state, self.reason = RunState(data["state"]), data.get("reason", "")
        if self.state.done:
            self.ended, self.stopping_until = event.time, None
            # Where nobody came, the run ended before anybody could.
            any_came = any(site.is_there for site in self.sites.values())
            usual = "done" if self.state in (RunState.FINISHED, RunState.DEGRADED) else "stopped"
            for site in self.sites.values():
                last = NEVER_CAME if any_came and not site.is_there else usual
                site.phase = "problem" if site.problem or site.cannot_train else last
                site.stalled = ""

    def _on_stopping(self, event: Event, data: dict[str, Any]) -> None:
        self.stopping_until = event.time + data["grace"]

    def _on_run_started(self, event: Event, data: dict[str, Any]) -> None:
        self.started = event.time

    def _on_prepared(self, event: Event, data: dict[str, Any]) -> None:
        assert event.site is not None
        site = self._site(event.site)
        site.environment = SiteEnvironment.model_validate(data)
        site.phase = "problem" if site.environment.problems else "ready"

    def _on_round_started(self, event: Event, data: dict[str, Any]) -> None:
        assert event.round is not None
        # Where the sites' reports came first, they are not to be forgotten.
        self.rounds.setdefault(event.round, RoundProgress(started=event.time))

    def _on_site(self, event: Event, data: dict[str, Any]) -> None:
        assert event.site is not None
        site = self._site(event.site)
        site.phase, site.round, site.step = data["phase"], event.round, None

    def _on_stalled(self, event: Event, data: dict[str, Any]) -> None:
        assert event.site is not None
        where = explain("", data["traceback"], self.sources).where if data["traceback"] else None
        said = f"no progress for over {data['seconds']:.0f} s" + (f" in {where.where}" if where else "")
        self._site(event.site).stalled = said if data["seconds"] else ""
        if data["seconds"] and event.round is not None:
            self.stalls[event.site, event.round] = said

    def _on_metrics(self, event: Event, data: dict[str, Any]) -> None:
        if event.site is None or event.round is None:
            return  # of a command that was called before the first round
        if data.get("step") is not None:
            self._site(event.site).step = data["step"]
        for name, value in data["values"].items():
            if value is None:
                continue
            self.stages[name] = data.get("stage", "train")
            self.metrics.append(
                MetricRecord(site=event.site, round=event.round, step=data.get("step"), name=name, value=value, time=event.time)
            )
            self._site(event.site).metrics[name] = value
            if data.get("step") is None:
                self._set_round_value(name, event.site, event.round, value, event.time)
            else:
                self._stepped[name, event.site, event.round] = value

    def _on_contribution(self, event: Event, data: dict[str, Any]) -> None:
        assert event.site is not None and event.round is not None
        entry = self.rounds.setdefault(event.round, RoundProgress(started=event.time))
        if not data["accepted"]:
            entry.rejected.add(event.site)
            return
        entry.contributions[event.site] = data["samples"]
        site = self._site(event.site)
        site.samples, site.round = data["samples"], event.round

    def _on_aggregated(self, event: Event, data: dict[str, Any]) -> None:
        assert event.round is not None
        entry = self.rounds.setdefault(event.round, RoundProgress(started=event.time))
        entry.aggregated, entry.ended = list(data["sites"]), event.time
        self._close(event.round, event.time)

    def _on_validated(self, event: Event, data: dict[str, Any]) -> None:
        assert event.round is not None
        self.validated, self.excused = list(data["sites"]), list(data.get("excused", ()))
        self._close(event.round, event.time)

    def _close(self, number: int, time: float) -> None:
        """Takes the values of a round as they are: what was logged only step by step has its last step's."""
        for (name, site, of), value in self._stepped.items():
            if of == number and (name, site, of) not in self.latest:
                self._set_round_value(name, site, of, value, time)
        for name in {name for name, _, of in self.latest if of == number}:
            self._update_mean(name, number, time)

    def _on_error(self, event: Event, data: dict[str, Any]) -> None:
        explained = explain(data["message"], data.get("traceback", ""), self.sources)
        final = event.round is not None and event.round >= self.num_rounds > 0
        self.failures.append(
            Failure(event.site, event.round, explained.message, explained.traceback, event.time, explained, final)
        )
        if event.site:
            self._site(event.site).problem = explained.sentence

    def _on_model(self, event: Event, data: dict[str, Any]) -> None:
        self.models[event.round] = data

    def _on_saved(self, event: Event, data: dict[str, Any]) -> None:
        self.saved.append(data)

    def _on_lost(self, event: Event, data: dict[str, Any]) -> None:
        assert event.site is not None
        self.lost_batches[event.site] = self.lost_batches.get(event.site, 0) + data["batches"]

    def _on_answer(self, event: Event, data: dict[str, Any]) -> None:
        assert event.site is not None
        self.answers.setdefault(data["request"], {})[event.site] = data

    def _on_errors_reset(self, event: Event, data: dict[str, Any]) -> None:
        self.errors_from = len(self.failures)
        for site in self.sites.values():
            site.problem = None

    def _on_run_ended(self, event: Event, data: dict[str, Any]) -> None:
        self.run_ended = True

    def _on_result(self, event: Event, data: dict[str, Any]) -> None:
        self.result = data["files"]

    def _set_round_value(self, name: str, site: str, number: int, value: float, time: float) -> None:
        self._set_latest((name, site, number), value)
        self._update_mean(name, number, time)

    def _set_latest(self, key: tuple[str, str | None, int], value: float) -> None:
        if self.latest.get(key) != value:
            self.latest[key] = value
            self.changes.append(key)

    def _update_mean(self, name: str, number: int, time: float) -> None:
        """The mean of a round's metric over the sites whose contributions made the round's model, weighted by samples."""
        samples = self._samples_of(number)
        pairs = [(self.latest[name, site, number], samples[site]) for site in samples if (name, site, number) in self.latest]
        weight = sum(samples for _, samples in pairs)
        if len(pairs) < len(samples) or weight <= 0:
            return
        mean = sum(value * samples for value, samples in pairs) / weight
        self._set_latest((name, None, number), mean)
        self._means[name, number] = MetricRecord(site=None, round=number, step=None, name=name, value=mean, time=time)

    def _samples_of(self, number: int) -> dict[str, float]:
        """The samples of the sites that a round's mean is taken over; the final validation weighs as the last round did."""
        final = number == self.num_rounds
        entry = self.rounds.get(number - 1 if final else number)
        if entry is None or not entry.aggregated:
            return {}
        asked = entry.aggregated if not final or self.validated is None else set(entry.aggregated) & set(self.validated)
        return {site: entry.contributions.get(site, 0.0) for site in asked}
