"""Which site trains on which shard."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import TargetError
from .sending import Shard


@dataclass(frozen=True)
class Survey:
    """What a target says of itself before a run.

    Attributes:
        sites: The sites that are there, by name; () where sites come into being with the run, one for each shard.
        capacity: How many sites a run can have; None if nobody can tell.
        needed: How many sites a run has to have, as its workers were named; None if that is free.
        place: What people call where the run would run, such as a server's address; "" where the target's name says it.
        store: URL of the store that belongs to the target; "" if any will do.
        notes: What the user should know.
    """

    sites: tuple[str, ...] = ()
    capacity: int | None = None
    needed: int | None = None
    place: str = ""
    store: str = ""
    notes: tuple[str, ...] = ()


def place(survey: Survey, shards: Sequence[Shard], sites: int = 0) -> dict[str, Shard | None]:
    """Returns the sites of a run, each with its shard; None for a site that has its data itself.

    A shard that is called as a site goes there ("clinic-a.zip" to clinic-a), if all are; else they are dealt out in order.

    Args:
        survey: The sites that are there.
        shards: The shards, none where sites have their data themselves.
        sites: How many sites come into being where there are no shards and the training can do without; 0 if it cannot.

    Raises:
        TargetError: there are more shards than sites, or none where each site needs one.
    """
    if not survey.sites:
        if not shards and sites and survey.capacity is None and survey.needed is None:
            return {f"site-{number}": None for number in range(1, sites + 1)}
        if not shards:
            raise TargetError("no shards were named, and here every site's data is its shard", "Name their folder: --shards DIR.")
        if survey.needed is not None and len(shards) != survey.needed:
            raise TargetError(
                f"there are {len(shards)} shards, but {survey.needed} workers were named, and every worker trains on one",
                "Name as many workers as there are shards.",
            )
        if survey.capacity is not None and len(shards) > survey.capacity:
            raise TargetError(
                f"there are {len(shards)} shards, and every one needs a worker, of which there are only {survey.capacity} online",
                "Make fewer shards, or wait until more workers are online.",
            )
        return {f"site-{number}": shard for number, shard in enumerate(shards, start=1)}
    names = sorted(survey.sites, key=_natural)
    if not shards:
        return dict.fromkeys(names)
    if len(shards) > len(names):
        raise TargetError(
            f"there are {len(shards)} shards, more than sites that are connected ({len(names)}: {', '.join(names)})",
            "Every shard needs a site of its own; make fewer shards, or connect more sites.",
        )
    by_name = {Path(shard.name).stem: shard for shard in shards}
    if by_name.keys() <= set(names):
        return {name: by_name[name] for name in names if name in by_name}
    return dict(zip(names, shards, strict=False))


def _natural(name: str) -> list[tuple[int, str]]:
    """A sort key by which site-2 comes before site-10."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)]
