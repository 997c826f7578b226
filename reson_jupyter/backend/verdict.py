"""Did it really train? Computed from the events and the stored files, never from an exit code or a status word.

NVFlare 2.9 exits with 0 for runs in which no site ever trained (a client that cannot import its code), or in which the only
update was an error.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..events import RunState
from .progress import RunProgress


@dataclass(frozen=True)
class Verdict:
    """How a run ended, and why, in one sentence."""

    state: RunState
    reason: str


def verdict(run: RunProgress, *, files: int, aborted: bool = False, stopped: str = "") -> Verdict:
    """Judges a run whose processes have ended.

    Args:
        run: Everything that the run reported.
        files: How many model files the run left.
        aborted: Whether somebody asked for the end.
        stopped: Why the run was ended before its time, if it was.
    """
    missing = _missing(run, files)
    if aborted and missing:
        return Verdict(RunState.ABORTED, f"Stopped on request after {_rounds(run.rounds_done)} of {run.num_rounds}.")
    if stopped or missing:
        return Verdict(RunState.FAILED, _with_cause(run, stopped or missing))
    flaws = _flaws(run)
    if flaws:
        return Verdict(RunState.DEGRADED, "; ".join(flaws) + ".")
    return Verdict(RunState.FINISHED, "")


def _missing(run: RunProgress, files: int) -> str:
    """What a trained model would need and this run has not, or ""."""
    if not any(entry.contributions for entry in run.rounds.values()):
        return "No site ever returned a trained model"
    for number in range(run.num_rounds):
        entry = run.rounds.get(number)
        if entry is None or entry.aggregated is None:
            return f"Round {number + 1} of {run.num_rounds} was never completed"
        if len(entry.aggregated) < run.min_clients:
            return f"Round {number + 1} closed with {len(entry.aggregated)} of the {run.min_clients} sites that it needed"
    if not run.run_ended:
        return "The server never reported its end"
    if not files:
        return "No model file was stored; a persistor writes it into the folder that RESONTECH_OUT_DIR names"
    last = run.models.get(run.num_rounds - 1)
    if last is None:
        return "The server never reported the final model"
    if not last["finite"]:
        return "The final model has values that are not finite (NaN or infinity)"
    initial = run.models.get(None)
    if initial is not None and initial["digest"] == last["digest"]:
        return "The final model is the untrained initial model"
    return ""


def _flaws(run: RunProgress) -> list[str]:
    """What was missing on the way of a run that did end with a trained model."""
    flaws = []
    for name in run.sites:
        absent = [n for n, entry in run.rounds.items() if name not in (entry.aggregated or ())]
        if len(absent) == len(run.rounds):
            flaws.append(f"{name} never contributed")
        elif absent:
            flaws.append(f"{name} is missing from {_rounds(len(absent))} (first: round {min(absent) + 1})")
    flaws += [f"{count} reports of {site} were lost" for site, count in run.lost_batches.items()]
    return flaws


def _with_cause(run: RunProgress, reason: str) -> str:
    """Adds who failed first, when, in which line of the notebook, and how."""
    first = run.first_failure
    if first is None:
        return reason + "."
    who = first.site or "the server"
    when = f" in round {first.round + 1}" if first.round is not None else ""
    return f"{reason}: {who}{when}: {first.explained.sentence}"


def _rounds(count: int) -> str:
    return "1 round" if count == 1 else f"{count} rounds"
