"""Which part of a round a run is in, as far as its server and its sites have said."""

from __future__ import annotations

from typing import TypedDict

from ..progress import AT_A_TASK, RoundProgress, RunProgress
from ..site_state import SiteProgress


class Stage(TypedDict):
    """A part of a run. `state` is "done", "active" or "ahead"; `text` says how far it is, such as "2 of 3 sites"."""

    name: str
    state: str
    text: str


def stages_of(run: RunProgress) -> list[Stage]:
    """Returns the parts of the round that goes on, in order; several are active where the sites are not all at the same one.

    That the model has reached a site is known from the site's beginning with it. Of a run that is over there are none.
    """
    if run.state.done:
        return []
    sites = [site for site in run.sites.values() if not site.cannot_train]
    if not run.rounds:
        ahead = (_ahead(name) for name in ("distribute", "local train", "return", "aggregate"))
        return [Stage(name="initialise", state="active", text=_ready(sites)), *ahead]
    number = max(run.rounds)
    entry = run.rounds[number]
    round_stages = _over(entry, len(sites)) if entry.aggregated is not None else _under_way(entry, number, sites)
    return [Stage(name="initialise", state="done", text=""), *round_stages, *_validation(run, sites)]


def _ahead(name: str) -> Stage:
    return Stage(name=name, state="ahead", text="")


def _ready(sites: list[SiteProgress]) -> str:
    ready = sum(site.phase == "ready" for site in sites)
    preparing = ready or any(site.phase == "preparing" for site in sites)
    return _of(ready, len(sites)) if preparing else ""


def _over(entry: RoundProgress, total: int) -> list[Stage]:
    used = _of(len(entry.aggregated or ()), total)
    done = (Stage(name=name, state="done", text="") for name in ("distribute", "local train", "return"))
    return [*done, Stage(name="aggregate", state="done", text=used)]


def _under_way(entry: RoundProgress, number: int, sites: list[SiteProgress]) -> list[Stage]:
    arrived = entry.contributions.keys() | entry.rejected
    begun = [site for site in sites if site.name in arrived or (site.round is not None and site.round >= number)]
    trained = [site for site in begun if site.name in arrived or site.phase not in AT_A_TASK]
    returned = [site for site in begun if site.name in arrived]
    total = len(sites)
    counts = (
        ("distribute", len(begun), True),
        ("local train", len(trained), bool(begun)),
        ("return", len(returned), bool(trained)),
    )
    stages = [_counted(name, count, total, reached) for name, count, reached in counts]
    gathered = len(returned) == total > 0
    return [*stages, Stage(name="aggregate", state="active", text="") if gathered else _ahead("aggregate")]


def _counted(name: str, count: int, total: int, reached: bool) -> Stage:
    if not reached:
        return _ahead(name)
    return Stage(name=name, state="done" if count == total > 0 else "active", text=_of(count, total))


def _validation(run: RunProgress, sites: list[SiteProgress]) -> list[Stage]:
    """The final model's, of runs whose sites were asked for it."""
    at_it = [site for site in sites if site.round is not None and site.round >= run.num_rounds > 0]
    if run.validated is not None:
        asked = len(sites) - len(run.excused)
        return [Stage(name="validate", state="done", text=_of(len(run.validated), asked))] if asked else []
    done = sum(site.phase not in AT_A_TASK for site in at_it)
    return [Stage(name="validate", state="active", text=_of(done, len(sites)))] if at_it else []


def _of(count: int, total: int) -> str:
    return f"{count} of {total} {'site' if total == 1 else 'sites'}"
