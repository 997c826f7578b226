"""Whether a round can still get the sites that it needs."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from ..progress import RunProgress
from .verdict import is_trained


def is_hopeless(run: RunProgress, dead: AbstractSet[str]) -> bool:
    """Whether this round, or the next, can no longer get the sites that it needs.

    Args:
        run: What is known of the run.
        dead: The sites that will not come back.
    """
    if is_trained(run):
        return False
    number = max(run.rounds, default=None)
    entry = run.rounds.get(number) if number is not None else None
    failed = {
        failure.site
        for failure in run.failures
        if failure.site and failure.round == number and not (entry and failure.site in entry.contributions)
    }
    last = number is not None and number + 1 >= run.num_rounds
    gone = {site for site in dead if not (last and entry and site in entry.contributions)}
    return len(run.sites) - len(failed | gone) < run.min_clients
