"""Did it really train? Computed from the events and the stored files, never from an exit code or a status word.

NVFlare 2.9 exits with 0 for runs in which no site ever trained (a client that cannot import its code), or in which the only
update was an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from ...events import RunState
from ..progress import RunProgress
from ..site_state import SiteProgress

_SHOWN = 3  # sites with the same problem, and problems
# No reason to fail a run of callbacks: its first version often only shows that everything is connected.
_UNCHANGED = (
    "the final model is the seed, unchanged: the train callback's model went through every round as it came; "
    "look at what it gives ScaleoutModel.from_model_params: it must be the trained parameters"
)


@dataclass(frozen=True)
class Verdict:
    """How a run ended, and why, in one sentence."""

    state: RunState
    reason: str


def verdict(run: RunProgress, *, files: int, aborted: bool = False, stopped: str = "", validates: bool = False) -> Verdict:
    """Judges a run whose processes have ended.

    Args:
        run: Everything that the run reported.
        files: How many model files the run left.
        aborted: Whether somebody asked for the end.
        stopped: Why the run was ended before its time, if it was.
        validates: Whether the sites were to validate the final model.
    """
    missing = _missing(run, files)
    if aborted and missing:
        return Verdict(RunState.ABORTED, f"Stopped on request after {_rounds(run.rounds_done)} of {run.num_rounds}.")
    if missing or (stopped and not is_trained(run)):
        return Verdict(RunState.FAILED, _with_cause(run, stopped or missing))
    flaws = _flaws(run, validates)
    cut = stopped or ("It was stopped on request" if aborted else "" if run.run_ended else "The server never reported its end")
    if cut and (flaws or not run.run_ended):
        flaws.append(f"{cut[0].lower()}{cut[1:]}, after the last round")
    if flaws:
        return Verdict(RunState.DEGRADED, "; ".join(flaws) + ".")
    return Verdict(RunState.FINISHED, "")


def is_trained(run: RunProgress) -> bool:
    """Whether the last round's model is there, so that whatever happens from now on costs no more than its last validation."""
    aggregated = (run.rounds[number].aggregated for number in range(run.num_rounds) if number in run.rounds)
    complete = sum(sites is not None and len(sites) >= run.min_clients for sites in aggregated) == run.num_rounds
    # A persistor of the user's says nothing; but nobody is asked to validate a model that it has not taken.
    kept = any(saved["final"] for saved in run.saved) or any(site.round == run.num_rounds for site in run.sites.values())
    return bool(run.num_rounds) and complete and kept


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
    if not is_trained(run):
        if not run.run_ended:
            return "The server never reported its end"
        if run.saved or any(failure.site is None for failure in run.failures):
            return "The final model was never saved"
    if not files:
        return "No model file was stored; a persistor writes it into the folder that RESONTECH_OUT_DIR names"
    last = run.models.get(run.num_rounds - 1)
    if last is None:
        return "The server never reported the final model"
    if not last["finite"]:
        return "The final model has values that are not finite (NaN or infinity)"
    if _is_untrained(run) and not run.callbacks:
        return "The final model is the untrained initial model"
    return ""


def _is_untrained(run: RunProgress) -> bool:
    initial, last = run.models.get(None), run.models.get(run.num_rounds - 1)
    return initial is not None and last is not None and bool(initial["digest"] == last["digest"])


def _flaws(run: RunProgress, validates: bool) -> list[str]:
    """What was missing on the way of a run that did end with a trained model."""
    sites = list(run.sites)
    flaws = [_UNCHANGED] if _is_untrained(run) else []
    if not set(sites) <= set(run.planned):  # the target names its sites itself, so who was planned and never came has no name
        sites = [name for name, site in run.sites.items() if site.is_there]
        if len(sites) < len(run.planned):
            flaws.append(f"only {len(sites)} of the {len(run.planned)} sites came")
    flaws += [flaw for name in sites if (flaw := _absence(run, name))]
    flaws += [f"{count} reports of {site} were lost" for site, count in run.lost_batches.items()]
    if validates and run.validated is None:
        flaws.append("the final model was not validated")
    elif validates and run.validated is not None and len(run.validated) < len(run.planned):
        asked = [name for name in sites if run.sites[name].is_there and not run.sites[name].cannot_train]
        did = {*run.validated, *run.excused}
        flaws += [f"{name} did not validate the final model" for name in asked if name not in did]
    return flaws


def _absence(run: RunProgress, name: str) -> str:
    """The rounds that miss a site's contribution; one that has as many as sites were planned misses nobody's.

    A target may put another site in the place of one that went, and call it as it likes.
    """
    closed = {number: entry.aggregated or [] for number, entry in run.rounds.items()}
    absent = [number for number, there in closed.items() if name not in there and len(there) < len(run.planned)]
    if not absent:
        return ""
    if not any(name in there for there in closed.values()):
        why = run.sites[name].cannot_train
        if not run.sites[name].is_there:
            return f"{name} never came"
        return f"{name} never contributed" + (f" ({why})" if why else "")
    stall = run.stalls.get((name, min(absent)))
    first = f"first: round {min(absent) + 1}{f', in which it made {stall}' if stall else ''}"
    return f"{name} is missing from {_rounds(len(absent))} ({first})"


def _with_cause(run: RunProgress, reason: str) -> str:
    """Adds who failed first, when, in which line of the notebook, and how."""
    first = run.first_failure
    if not run.rounds and (unable := [site for site in run.sites.values() if site.cannot_train]):
        told = all(site.cannot_train.casefold() in reason.casefold() for site in unable)
        return reason.rstrip(".") + "." if told else f"{reason}: {_unable(run, unable)}"
    if first is None or first.message.casefold() in reason.casefold():
        return reason + "."
    return f"{reason}: {first.told}"


def _unable(run: RunProgress, sites: Sequence[SiteProgress]) -> str:
    """Which sites cannot train and why, those with the same reason together."""
    by_reason: dict[str, list[str]] = {}
    for site in sites:
        # The error has the line of the notebook, if the code could not be imported.
        where = next((f" ({failure.where})" for failure in run.failures if failure.site == site.name and failure.where), "")
        by_reason.setdefault(f"{site.cannot_train}{where}", []).append(site.name)
    shown = list(islice(by_reason.items(), _SHOWN))
    more = len(sites) - sum(len(names) for _, names in shown)
    told = [f"{_listed(names)} cannot train: {why}" for why, names in shown]
    return "; ".join([*told, *([f"{more} more cannot train either"] if more else [])])


def _listed(names: Sequence[str]) -> str:
    """The names, as "site-1, site-2 and site-3"; of many only the first."""
    shown = [*names[:_SHOWN], *([f"{len(names) - _SHOWN} more"] if len(names) > _SHOWN else [])]
    return " and ".join([*filter(None, [", ".join(shown[:-1])]), shown[-1]])


def _rounds(count: int) -> str:
    return "1 round" if count == 1 else f"{count} rounds"
