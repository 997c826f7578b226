"""Which sample goes to which site."""

from __future__ import annotations

import hashlib
import math
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ...errors import ShardError
from ..problems import Problems
from .items import Item

Labels = tuple[int, ...]
# How often the shares of a label-skewed partition are drawn before it is said that some site always stays empty.
_DRAWS = 200
# What is left of a whole number of samples by rounding.
_NOTHING = 1e-9


def in_random_order(items: Iterable[Item], seed: int, purpose: str) -> list[Item]:
    """Returns the samples in an order that depends on their ids and the seed, and on nothing else."""
    return sorted(items, key=lambda item: hashlib.sha256(f"{seed} {purpose} {item.id}".encode()).digest())


def stratified(labels: Sequence[Labels], shares: Sequence[float], chance: random.Random) -> list[int]:
    """Deals samples out so that every part has its share of all samples exactly, and of each label as nearly as that allows.

    Samples may have several labels: the rarest label is dealt out first, each sample to the part that lacks the label most
    (Sechidis, Tsoumakas, Vlahavas: On the Stratification of Multi-Label Data, 2011). Which of those that lack it alike is left to
    chance, for each label anew: parts too small to hold every label get random mixtures of them.

    Args:
        labels: The labels of each sample.
        shares: How much each part gets, in any unit.
        chance: Where two parts, or two labels, are equal.

    Returns:
        The part of each sample.
    """
    room = quotas(len(labels), shares)
    counts = Counter(label for those in labels for label in those)
    total = sum(shares)
    wanted = {label: [count * share / total for share in shares] for label, count in counts.items()}
    having = defaultdict(list)
    for number, those in enumerate(labels):
        for label in those:
            having[label].append(number)
    drawn = {label: chance.random() for label in sorted(counts)}
    by_rarity = sorted(counts, key=lambda label: (counts[label], drawn[label]))
    rounds = [(wanted[label], having[label]) for label in by_rarity]
    unlabelled = [number for number, those in enumerate(labels) if not those]
    parts = [-1] * len(labels)
    for lacking, numbers in [*rounds, ([0.0] * len(shares), unlabelled)]:
        left = sum(room)
        owed = [free - left * share / total for free, share in zip(room, shares, strict=True)]
        tie = [chance.random() for _ in shares]
        for number in numbers:
            if parts[number] >= 0:
                continue
            free_parts = (one for one, free in enumerate(room) if free)
            part = max(free_parts, key=lambda one: (*_need(lacking[one], owed[one]), room[one], tie[one]))
            parts[number] = part
            room[part] -= 1
            for label in labels[number]:
                wanted[label][part] -= 1
    if all(len(those) <= 1 for those in labels):
        _swap_back(parts, labels, wanted)
    return parts


def _swap_back(parts: list[int], labels: Sequence[Labels], lacking: Mapping[int, list[float]]) -> None:
    """Swaps samples of two parts where one is a whole sample of a label off, as rarer labels had taken the room that it needed.

    Args:
        parts: The part of each sample.
        labels: The labels of each sample, one at most.
        lacking: For each label how much of it each part lacks, or has too much.
    """

    def off() -> Iterator[int]:
        return (part for lacks in lacking.values() for part, lack in enumerate(lacks) if abs(lack) > 1 - _NOTHING)

    def moved(number: int, part: int, to: int) -> float:
        """Half of the change of the sum of all lacks' squares."""
        return sum(lacking[label][part] - lacking[label][to] + 1 for label in labels[number])

    def change(pair: tuple[int, int]) -> float:
        one, other = pair
        return moved(one, parts[one], parts[other]) + moved(other, parts[other], parts[one])

    while (part := next(off(), None)) is not None:
        kinds = {kind: number for number, kind in enumerate(zip(parts, labels, strict=True))}  # one sample of each
        here = [number for (place, _), number in kinds.items() if place == part]
        pairs = [
            (one, other) for one in here for (place, those), other in kinds.items() if place != part and those != labels[one]
        ]
        best = min(pairs, key=change, default=None)
        if best is None or change(best) > -_NOTHING:
            return
        for number, to in zip(best, [parts[number] for number in reversed(best)], strict=True):
            for label in labels[number]:
                lacking[label][parts[number]] += 1
                lacking[label][to] -= 1
            parts[number] = to


def _need(lacking: float, owed: float) -> tuple[bool, bool, float]:
    """Returns how much a part needs one more sample of a label.

    Those that lack whole samples come first. Where it is less than a whole one, it is made up for what earlier labels left a part
    short of, or gave it too much.
    """
    whole = lacking > 1 - _NOTHING
    return whole, lacking > _NOTHING, lacking if whole else lacking + owed


def label_skewed(labels: Sequence[Labels], sites: int, alpha: float, seed: int) -> list[int]:
    """Deals the samples of each label out by shares of their own, drawn from a Dirichlet distribution.

    A sample with several labels goes with its rarest.

    Raises:
        ShardError: some site would get nothing.
    """
    counts = Counter(label for those in labels for label in those)
    strata = defaultdict(list)
    for number, those in enumerate(labels):
        strata[min(those, key=lambda label: (counts[label], label), default=-1)].append(number)
    chance = random.Random(seed)
    for _ in range(_DRAWS):
        dealt = {label: quotas(len(strata[label]), _dirichlet(chance, alpha, sites)) for label in sorted(strata)}
        if all(map(sum, zip(*dealt.values(), strict=True))):
            break
    else:
        raise ShardError(
            f"With alpha={alpha:g}, {sites} sites and {len(strata)} label{'s' if len(strata) > 1 else ''}, "
            "some site is always left without a sample.",
            "Make alpha larger (1 is mildly uneven, 100 nearly even) or take fewer sites.",
        )
    parts = [-1] * len(labels)
    for label, numbers in strata.items():
        sites_in_turn = (site for site, count in enumerate(dealt[label]) for _ in range(count))
        for number, site in zip(numbers, sites_in_turn, strict=True):
            parts[number] = site
    return parts


def by_column(items: Sequence[Item], column: str) -> tuple[list[int], list[str]]:
    """Returns the site of each sample, one for each value of a column, and the values in the order of the sites.

    Raises:
        ShardError: a sample has no such value, or one that is neither text nor a number.
    """
    if not any(column in item.meta for item in items):
        known = sorted({name for item in items for name in item.meta})
        has = f"They have {', '.join(known)}." if known else "The columns of a DataFrame and the meta of a manifest are such."
        raise ShardError(f"No sample has the column {column!r}.", has)
    problems = Problems()
    for item in items:
        value = item.meta.get(column)
        if value is None or value == "" or value != value:
            problems.add(f"sample {item.id!r} has no {column}")
        elif not isinstance(value, str | int | float):
            problems.add(f"sample {item.id!r}: its {column} is a {type(value).__name__}, neither text nor a number")
    problems.raise_if_any(f"The samples cannot be parted by column {column!r}", "Fill these in, or leave the samples out.")
    values = _in_order([item.meta[column] for item in items])
    place = {value: number for number, value in enumerate(values)}
    return [place[str(item.meta[column])] for item in items], values


def quotas(count: int, shares: Sequence[float]) -> list[int]:
    """Parts a whole number by shares: whole numbers that sum up to it, each within 1 of its exact part."""
    total = math.fsum(shares)
    exact = [count * (share / total) for share in shares]
    parts = [math.floor(one) for one in exact]
    most_wronged = sorted(range(len(shares)), key=lambda part: (parts[part] - exact[part], part))
    for part in most_wronged[: count - sum(parts)]:
        parts[part] += 1
    return parts


def _in_order(values: Sequence[Any]) -> list[str]:
    """Returns the values as text, each once: values are the same if they are written the same, so that True is not 1."""
    if not all(isinstance(value, int | float) for value in values):
        return sorted(set(map(str, values)))
    numbers = {str(value): value for value in values}
    return sorted(numbers, key=lambda text: (numbers[text], text))


def _dirichlet(chance: random.Random, alpha: float, count: int) -> list[float]:
    drawn = [chance.gammavariate(alpha, 1.0) for _ in range(count)]
    if not sum(drawn):  # with a very small alpha all of them may be too small for a float; one has it all then
        drawn[chance.randrange(count)] = 1.0
    return drawn
