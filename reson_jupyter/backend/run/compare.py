"""Runs beside each other: what differs in how they were made, and what came of them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...data.report import counted
from ...errors import ResonError, RunError
from ...events import RunState
from ..history.history import RunSummary
from ..nvflare_config import SEED_MODEL
from .best import BestRound, smallest_is_best
from .metrics import by_importance, frame
from .waiting import WITH_MODEL

if TYPE_CHECKING:
    import pandas as pd

    from .handle import Run

MOST = 12


@dataclass(frozen=True)
class Outcome:
    """What a metric came to in one run; means over the sites, weighted by samples.

    Attributes:
        final: The newest value of a run that ended with its final model: of that model's validation, or else of the last round
            that has one; None of any other run.
        best: The round with the best model, and its value; None if no round has one, see `Run.best`.
        newest: The newest value of any run.
        rounds: How many rounds had made the model that `newest` is of.
    """

    final: float | None
    best: BestRound | None
    newest: float
    rounds: int


@dataclass(frozen=True)
class ComparedRun:
    """One of the runs, as it was when they were compared.

    Attributes:
        label: Its name if no other of the runs has the same, else its id.
        rounds: How many rounds are done.
        made: What it was made with, by field; empty if that could not be read.
        unread: Why `made` is empty; "" if it is not.
        means: For each metric, the rounds (0-based) and their means over the sites.
        outcomes: What each metric came to.
    """

    id: str
    name: str
    label: str
    state: RunState
    rounds: int
    num_rounds: int
    made: Mapping[str, Any]
    unread: str
    means: Mapping[str, Sequence[tuple[int, float]]]
    outcomes: Mapping[str, Outcome]


@dataclass(frozen=True, repr=False)
class Comparison:
    """Several runs beside each other; a notebook shows it as charts and tables.

    Attributes:
        runs: The runs, in the order in which they were named.
    """

    runs: tuple[ComparedRun, ...]

    @property
    def title(self) -> str:
        """What is compared, in a few words."""
        return f"{len(self.runs)} runs compared"

    @property
    def configs(self) -> dict[str, dict[str, Any]]:
        """What differs in how the runs were made: {field: {run id: value}}; a run that has no such field is not in it.

        Beside the fields of the configs these are the SHA-256 of the code and of the data, the target, and the versions of
        packages in the kernel that submitted the run.
        """
        known = [run for run in self.runs if not run.unread]
        names = dict.fromkeys(name for run in known for name in run.made)
        values = {name: {run.id: run.made[name] for run in known if name in run.made} for name in names}
        return {
            name: of for name, of in values.items() if len(of) < len(known) or len({repr(value) for value in of.values()}) > 1
        }

    @property
    def metrics(self) -> dict[str, dict[str, Outcome]]:
        """What each metric came to: {metric: {run id: its final value, its best round}}."""
        names = by_importance({name for run in self.runs for name in run.outcomes})
        return {name: {run.id: run.outcomes[name] for run in self.runs if name in run.outcomes} for name in names}

    def to_pandas(self) -> pd.DataFrame:
        """Returns the means over the sites, one row for each run, metric and round: run, name, metric, round (0-based), value.

        Raises:
            ResonError: pandas is not installed.
        """
        rows = [
            {"run": run.id, "name": run.name, "metric": metric, "round": number, "value": value}
            for run in self.runs
            for metric, line in run.means.items()
            for number, value in line
        ]
        return frame(rows, ["run", "name", "metric", "round", "value"])

    def __repr__(self) -> str:
        from .comparison_html import comparison_text

        return comparison_text(self)

    def _repr_html_(self) -> str:
        from .comparison_html import comparison_html

        return comparison_html(self)


def id_of(run: object) -> str:
    """Returns the id of what names a run. Raises `RunError` if it names none."""
    if isinstance(run, RunSummary):
        return run.id
    if isinstance(run, str):
        return run
    hint = "Give the runs one by one: reson.compare(*runs)." if isinstance(run, list | tuple) else "Name runs by their ids."
    raise RunError(f"{repr(run)[:40]} is no run that can be compared", hint)


def compare_runs(runs: Sequence[Run]) -> Comparison:
    """Returns runs beside each other, each as it is now.

    Raises:
        RunError: they are not from two to twelve, or one is named twice.
    """
    ids = [run.id for run in runs]
    if not 2 <= len(ids) <= MOST:
        raise RunError(f"{counted(len(ids), 'run')} cannot be compared", f"Name from two to {MOST}: reson.compare(run1, run2).")
    if twice := next((run_id for run_id in ids if ids.count(run_id) > 1), None):
        raise RunError(f"run {twice} is named twice", "Name each run once.")
    names = [run.progress.name for run in runs]
    unique = all(names) and len(set(names)) == len(names)
    return Comparison(tuple(_compared(run, name if unique else run.id) for run, name in zip(runs, names, strict=True)))


def best_of(metric: str, values: Mapping[str, float]) -> set[str]:
    """Returns whose value of a metric is the best, by the metric's name; of equal ones all, of a single one none."""
    finite = {run: value for run, value in values.items() if math.isfinite(value)}
    if len(finite) < 2:
        return set()
    best = (min if smallest_is_best(metric) else max)(finite.values())
    return {run for run, value in finite.items() if value == best}


def _compared(run: Run, label: str) -> ComparedRun:
    means: dict[str, list[tuple[int, float]]] = {}
    for record in run.metrics:
        if record["site"] is None:
            means.setdefault(record["name"], []).append((record["round"], record["value"]))
    outcomes = {metric: _outcome(run, metric, sorted(line)[-1]) for metric, line in means.items()}
    made, unread = _made(run)
    progress = run.progress
    return ComparedRun(
        id=run.id, name=progress.name, label=label, state=run.state, rounds=progress.rounds_done, num_rounds=progress.num_rounds,
        made=made, unread=unread, means={metric: sorted(line) for metric, line in means.items()}, outcomes=outcomes,
    )  # fmt: skip


def _outcome(run: Run, metric: str, newest: tuple[int, float]) -> Outcome:
    number, value = newest
    validated = run.progress.stages.get(metric) == "validate"  # measured before the round that it belongs to
    return Outcome(value if run.state in WITH_MODEL else None, _best(run, metric), value, number + (not validated))


def _best(run: Run, metric: str) -> BestRound | None:
    try:
        return run.best(metric)
    except RunError:
        return None


def _made(run: Run) -> tuple[dict[str, Any], str]:
    """What a run was made with, by field, and why that is not known."""
    try:
        origin = run.origin
        config = origin.config
    except ResonError as error:
        return {}, error.message
    fields = {**config.training.model_dump(), **config.federation.model_dump(), **config.model.model_dump()}
    if config.model.model_class == SEED_MODEL:
        arguments = config.model.model_args
        fields["model_args"] = f"{arguments['helper']}: {counted(len(arguments['parameters']), 'array')}"
    submitted = origin.submitted
    shards = "\n".join(f"{site} {shard['sha256']}" for site, shard in sorted(submitted["sites"].items()))
    digests = submitted.get("digests", {})
    return {
        **fields,
        "target": submitted["target"],
        "code (sha256)": digests.get("code", "")[:12],
        "data (sha256)": hashlib.sha256(shards.encode()).hexdigest()[:12],
        **{f"{package} (version)": version for package, version in submitted.get("versions", {}).items()},
    }, ""
