"""What the user wants of the parts, and the parts."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from ...errors import ConfigError, ShardError
from ..report import counted
from .items import Item
from .partition import by_column, in_random_order, label_skewed, stratified

Partition = Literal["iid", "size", "label", "column"]
_SITES = 3
_ALPHA = 0.5
_MAX_SITES = 1_000_000
# With more the shares of sites differ by less than any sample.
_MAX_ALPHA = 1_000_000_000
_SEED_DIGITS = 1000
_MIN_SIZE, _MAX_SIZE = 1e-15, 1e15
# The argument of each partition, and an example where it has no default.
_OWN = {
    "label": ("alpha", None),
    "size": ("sizes", "sizes=[0.5, 0.3, 0.2]"),
    "column": ("column", "column='hospital'"),
}


@dataclass(frozen=True)
class Plan:
    """How samples are dealt out. Its arguments are those of `make_shards`, checked as it is made.

    Raises:
        ConfigError: an argument cannot be used.
    """

    sites: int | None = None
    partition: str = "iid"
    alpha: float | None = None
    sizes: Sequence[float] | None = None
    column: str | None = None
    test: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.partition not in get_args(Partition):
            raise ConfigError(f"partition is {self.partition!r}", f"It must be one of {', '.join(get_args(Partition))}.")
        for partition, (name, example) in _OWN.items():
            self._check_own(partition, name, getattr(self, name) is not None, example)
        if self.sites is not None and (type(self.sites) is not int or not 1 <= self.sites <= _MAX_SITES):
            raise ConfigError(f"sites is {_shown(self.sites)}", f"It must be a whole number from 1 to {_MAX_SITES:,}.")
        if self.alpha is not None and not (_is_number(self.alpha) and 0 < self.alpha <= _MAX_ALPHA):
            raise ConfigError(f"alpha is {_shown(self.alpha)}", f"It must be a number above 0, at most {_MAX_ALPHA:,}.")
        if not _is_number(self.test) or not 0 <= self.test < 1:
            raise ConfigError(f"test is {_shown(self.test)}", "It must be the share of the samples to keep back, such as 0.2.")
        if type(self.seed) is not int or abs(self.seed) >= 10**_SEED_DIGITS:
            raise ConfigError(f"seed is {_shown(self.seed)}", f"It must be a whole number of at most {_SEED_DIGITS} digits.")
        if self.sizes is not None:
            self._check_sizes(self.sizes)

    def _check_own(self, partition: str, name: str, given: bool, example: str | None) -> None:
        if given and partition != self.partition:
            raise ConfigError(
                f"{name} is of no effect with partition={self.partition!r}", f"Set partition={partition!r}, or leave {name} out."
            )
        if example and not given and partition == self.partition:
            raise ConfigError(f"partition={partition!r} needs {name}", f"Set it, such as {example}.")

    def _check_sizes(self, sizes: Sequence[float]) -> None:
        # A list, a tuple, an array; text has a length, too.
        count = len(sizes) if hasattr(sizes, "__len__") else 0
        if not count or not all(_is_number(size) and _MIN_SIZE <= size <= _MAX_SIZE for size in sizes):
            raise ConfigError(
                f"sizes is {_shown(sizes)}",
                f"Each site's share must be a number from {_MIN_SIZE:g} to {_MAX_SIZE:g}, such as sizes=[0.5, 0.3, 0.2].",
            )
        if self.sites not in (None, count):
            raise ConfigError(f"sites is {self.sites}, but there are {count} sizes", "Leave sites out, or give each a size.")


@dataclass(frozen=True)
class Parts:
    """Samples of each site, the test set, and what the sites are called if they have names."""

    sites: list[list[Item]]
    test: list[Item]
    names: list[str]


def deal(items: Sequence[Item], plan: Plan) -> Parts:
    """Deals samples out as planned, in a way that depends on their ids and labels, and not on their order.

    Raises:
        ShardError: some site would get no sample, or a sample lacks the column.
    """
    names: list[str] = []
    site_of: dict[str, int] = {}
    if plan.partition == "column":
        numbers, names = by_column(items, str(plan.column))
        site_of = {item.id: number for item, number in zip(items, numbers, strict=True)}
        if plan.sites not in (None, len(names)):
            raise ConfigError(f"sites is {plan.sites}, but {plan.column} has {counted(len(names), 'value')}", "Leave sites out.")
    rest, test = _without_test(items, plan)
    shares = list(plan.sizes) if plan.sizes is not None else [1.0] * (len(names) or plan.sites or _SITES)
    if len(rest) < len(shares):
        kept_back = f", {len(test)} of them kept back for the test" if test else ""
        hint = "Take fewer sites, or make test smaller." if test else "Take fewer sites."
        raise ShardError(f"There are {len(items)} samples{kept_back}: too few for {len(shares)} sites.", hint)
    ordered = in_random_order(rest, plan.seed, "site")
    labels = [item.labels for item in ordered]
    if plan.partition == "column":
        parts = [site_of[item.id] for item in ordered]
    elif plan.partition == "label":
        parts = label_skewed(labels, len(shares), plan.alpha or _ALPHA, plan.seed)
    else:
        parts = stratified(labels, shares, random.Random(f"{plan.seed} site"))
    sites: list[list[Item]] = [[] for _ in shares]
    for item, part in zip(ordered, parts, strict=True):
        sites[part].append(item)
    _refuse_empty(sites, names)
    return Parts(sites, test, names)


def _without_test(items: Sequence[Item], plan: Plan) -> tuple[list[Item], list[Item]]:
    ordered = in_random_order(items, plan.seed, "test")
    if not plan.test:
        return ordered, []
    chance = random.Random(f"{plan.seed} test")
    parts = stratified([item.labels for item in ordered], [1 - plan.test, plan.test], chance)
    split = [[item for item, part in zip(ordered, parts, strict=True) if part == wanted] for wanted in (0, 1)]
    if not split[1]:
        raise ShardError(f"test={plan.test:g} of {len(items)} samples is none.", "Make test larger.")
    return split[0], split[1]


def _refuse_empty(sites: Sequence[Sequence[Item]], names: Sequence[str]) -> None:
    empty = [number for number, those in enumerate(sites) if not those]
    if empty:
        called = f" ({names[empty[0]]})" if names else ""
        raise ShardError(
            f"Site {empty[0] + 1}{called} would get no sample.",
            "Make test smaller." if names else "Make its share larger, or take fewer sites.",
        )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -math.inf < value < math.inf


def _shown(value: object) -> str:
    try:
        text = repr(value)
    except ValueError:  # Python writes no integer of more than 4,300 digits
        return "a number of thousands of digits"
    return text if len(text) <= 60 else f"{text[:57]}..."
