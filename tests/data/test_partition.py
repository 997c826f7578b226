"""Which sample goes to which site."""

from __future__ import annotations

import random
from collections import Counter
from itertools import chain, pairwise
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from reson_jupyter.data.making.items import InFile, Item
from reson_jupyter.data.making.partition import label_skewed, quotas, stratified
from reson_jupyter.data.making.plan import Parts, Plan, deal
from reson_jupyter.errors import ConfigError, ShardError

labels_of_sample = st.lists(st.integers(0, 5), max_size=3, unique=True).map(tuple)
single_labels = st.lists(st.integers(0, 4).map(lambda label: (label,)), min_size=1, max_size=200)


def samples(*labels: tuple[int, ...], **columns: list[Any]) -> list[Item]:
    """Samples with these labels, and with what the columns say."""
    metas = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)] or [{} for _ in labels]
    return [Item(f"{number:04}", those, metas[number], InFile("", "")) for number, those in enumerate(labels)]


def counts(items: list[Item]) -> Counter[int]:
    return Counter(label for item in items for label in item.labels)


def names(parts: list[list[Item]]) -> list[list[str]]:
    return [sorted(item.id for item in part) for part in parts]


def test_iid_sites_are_equal_in_size_and_in_each_class() -> None:
    parts = deal(samples(*[(n % 4,) for n in range(103)]), Plan(5))
    assert sorted(map(len, parts.sites)) == [20, 20, 21, 21, 21]
    for label, count in {0: 26, 1: 26, 2: 26, 3: 25}.items():
        assert {counts(site)[label] for site in parts.sites} <= {count // 5, count // 5 + 1}


def test_sites_too_small_for_every_class_get_random_mixtures() -> None:
    items = samples(*[(n % 3,) for n in range(72)])
    seen = []
    for seed in range(20):
        sites = deal(items, Plan(40, seed=seed)).sites
        assert sorted(map(len, sites)) == [1] * 8 + [2] * 32
        assert all(len(counts(site)) == len(site) for site in sites), "none has two of a class, for another would then have none"
        mixtures = [tuple(sorted(counts(site))) for site in sites]
        assert {(0, 1), (0, 2), (1, 2)} <= set(mixtures), "of each seed"
        seen.append(mixtures)
    for site in range(40):
        assert len({mixtures[site] for mixtures in seen}) > 1, "and it depends on the seed, at every site"
    runs = [sum(one != other for one, other in pairwise(mixtures)) for mixtures in seen]
    assert min(runs) > 10, "no row of sites is alike; with a system there are 3 changes"


@given(st.lists(st.integers(1, 60), min_size=1, max_size=8), st.integers(1, 30), st.integers())
def test_sites_alike_differ_by_one_sample_at_most_in_size_and_in_each_class(sizes: list[int], sites: int, seed: int) -> None:
    items = samples(*[(label,) for label, size in enumerate(sizes) for _ in range(size)])
    assume(len(items) >= sites)
    parts = deal(items, Plan(sites, seed=seed)).sites
    for having in (list(map(len, parts)), *([counts(site)[label] for site in parts] for label in range(len(sizes)))):
        assert max(having) - min(having) <= 1


def test_a_class_with_one_sample_for_each_site_is_at_every_site() -> None:
    parts = deal(samples(*[(0,)] * 300, *[(1,)] * 3), Plan(3))
    assert [counts(site)[1] for site in parts.sites] == [1, 1, 1]


def test_the_rare_label_of_samples_with_several_is_spread_as_well() -> None:
    labels = [(0,)] * 60 + [(0, 1)] * 30 + [(0, 1, 2)] * 6 + [()] * 6
    parts = deal(samples(*labels), Plan(3))
    assert [len(site) for site in parts.sites] == [34, 34, 34]
    assert [counts(site) for site in parts.sites] == [{0: 32, 1: 12, 2: 2}] * 3


def test_sizes_are_shares_whatever_their_sum() -> None:
    items = samples(*[(n % 2,) for n in range(100)])
    parts = deal(items, Plan(partition="size", sizes=[0.5, 0.3, 0.2]))
    assert [len(site) for site in parts.sites] == [50, 30, 20]
    assert [counts(site) for site in parts.sites] == [{0: 25, 1: 25}, {0: 15, 1: 15}, {0: 10, 1: 10}]
    assert names(deal(items, Plan(partition="size", sizes=[50, 30, 20])).sites) == names(parts.sites)


def test_a_size_that_is_less_than_a_sample_says_which_site_stays_empty() -> None:
    with pytest.raises(ShardError, match=r"Site 2 would get no sample\.\n  Make its share larger, or take fewer sites"):
        deal(samples(*[(0,)] * 10), Plan(partition="size", sizes=[1, 0.001]))


def test_a_small_alpha_gives_few_classes_to_a_site_and_a_large_one_all_alike() -> None:
    items = samples(*[(n % 10,) for n in range(1000)])

    def most_of_a_class(alpha: float) -> float:
        sites = deal(items, Plan(4, "label", alpha)).sites
        return sum(max(counts(site)[label] for site in sites) for label in range(10)) / 1000

    assert most_of_a_class(0.05) > 0.8
    assert most_of_a_class(0.5) > most_of_a_class(1000)
    assert most_of_a_class(1000) < 0.3


def test_where_some_site_always_stays_empty_alpha_and_sites_are_what_to_change() -> None:
    with pytest.raises(ShardError) as caught:
        deal(samples(*[(0,)] * 50), Plan(10, "label", 0.001))
    assert caught.value.message == "With alpha=0.001, 10 sites and 1 label, some site is always left without a sample."
    assert caught.value.hint is not None and "fewer sites" in caught.value.hint


def test_a_column_makes_a_site_of_each_value_in_their_order() -> None:
    parts = deal(samples((0,), (1,), (0,), hospital=["Ulm", "Bonn", "Ulm"]), Plan(partition="column", column="hospital"))
    assert parts.names == ["Bonn", "Ulm"]
    assert names(parts.sites) == [["0001"], ["0000", "0002"]]
    by_number = deal(samples(*[(0,)] * 3, device=[10, 9, 10]), Plan(partition="column", column="device"))
    assert by_number.names == ["9", "10"]


def test_samples_without_the_column_are_named() -> None:
    items = samples((0,), (1,), (0,), (1,), hospital=["Ulm", "", None, ["Ulm"]])
    with pytest.raises(ShardError) as caught:
        deal(items, Plan(partition="column", column="hospital"))
    for text in ("3 problems", "'0001' has no hospital", "'0002' has no hospital", "'0003': its hospital is a list"):
        assert text in caught.value.message
    with pytest.raises(ShardError, match=r"No sample has the column 'hopsital'\.\n  They have hospital"):
        deal(items, Plan(partition="column", column="hopsital"))


def test_a_value_whose_samples_are_all_kept_back_for_the_test_is_an_error() -> None:
    items = samples(*[(0,)] * 10, hospital=["Ulm"] * 9 + ["Bonn"])
    with pytest.raises(ShardError, match=r"Site 1 \(Bonn\) would get no sample\.\n  Make test smaller"):
        deal(items, Plan(partition="column", column="hospital", test=0.8, seed=1))


def test_the_test_set_has_its_share_of_each_class_and_no_site_has_any_of_it() -> None:
    items = samples(*[(0,)] * 50, *[(1,)] * 30, *[(2,)] * 20, (3,))
    parts = deal(items, Plan(2, test=0.2))
    assert counts(parts.test) == {0: 10, 1: 6, 2: 4}, "the only sample of a class is there to be learnt from"
    assert sorted(chain(*_named(parts))) == [item.id for item in items]


@pytest.mark.parametrize("test", [0.001, 0.999])
def test_a_test_set_that_leaves_nothing_on_either_side_is_refused(test: float) -> None:
    with pytest.raises(ShardError, match="test"):
        deal(samples(*[(0,)] * 10), Plan(2, test=test))


def test_more_sites_than_samples_are_refused() -> None:
    with pytest.raises(ShardError, match="There are 2 samples: too few for 3 sites"):
        deal(samples((0,), (1,)), Plan())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"partition": "dirichlet"}, "must be one of iid, size, label, column"),
        ({"sites": 0}, "sites is 0"),
        ({"sites": True}, "sites is True"),
        ({"alpha": 0.1}, "alpha is of no effect with partition='iid'\n  Set partition='label', or leave alpha out"),
        ({"sizes": [1, 2]}, "Set partition='size'"),
        ({"column": "hospital", "partition": "label"}, "Set partition='column'"),
        ({"partition": "label", "alpha": 0}, "alpha is 0"),
        ({"partition": "label", "alpha": float("nan")}, "alpha is nan"),
        ({"partition": "size"}, "needs sizes"),
        ({"partition": "size", "sizes": []}, "share"),
        ({"partition": "size", "sizes": [1, 0]}, "share"),
        ({"partition": "size", "sizes": 3}, "share"),
        ({"partition": "size", "sizes": "0.5,0.5"}, "share"),
        ({"partition": "size", "sizes": [1, 2], "sites": 3}, "there are 2 sizes"),
        ({"partition": "column"}, "column='hospital'"),
        ({"test": 1}, "test is 1"),
        ({"test": -0.1}, "test is -0.1"),
        ({"test": True}, "test is True"),
        ({"seed": "a"}, "seed is 'a'"),
    ],
)
def test_arguments_that_cannot_be_meant_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Plan(**options)
    assert message in str(caught.value)


def test_sites_that_a_column_contradicts_are_refused() -> None:
    with pytest.raises(ConfigError, match="sites is 3, but hospital has 1 value"):
        deal(samples(*[(0,)] * 5, hospital=["Ulm"] * 5), Plan(3, "column", column="hospital"))


plans = st.builds(
    Plan,
    sites=st.integers(1, 6),
    partition=st.sampled_from(["iid", "label"]),
    test=st.sampled_from([0.0, 0.2, 0.5]),
    seed=st.integers(-5, 5),
) | st.builds(
    Plan, partition=st.just("size"), sizes=st.lists(st.floats(0.1, 10), min_size=1, max_size=6), test=st.sampled_from([0.0, 0.3])
)


@given(st.lists(labels_of_sample, min_size=1, max_size=80), plans, st.randoms(use_true_random=False))
def test_every_partition_keeps_every_sample_once_whatever_their_order(labels: list[Any], plan: Plan, chance: Any) -> None:
    items = samples(*labels)
    shuffled = chance.sample(items, len(items))
    try:
        parts = deal(items, plan)
    except ShardError:
        with pytest.raises(ShardError):
            deal(shuffled, plan)
        return
    assert sorted(chain(*_named(parts))) == [item.id for item in items]
    assert all(parts.sites) and bool(parts.test) == bool(plan.test)
    assert _named(deal(shuffled, plan)) == _named(parts)


def _named(parts: Parts) -> list[list[str]]:
    return names([*parts.sites, parts.test])


@given(single_labels, st.lists(st.integers(1, 9), min_size=1, max_size=6))
@example([(0,), (0,), (0,), (1,), (2,)], [1, 1, 1, 1, 4, 4])  # rarer classes took the room of the small parts
def test_parts_have_their_exact_size_and_their_share_of_each_class_but_for_less_than_one(
    labels: list[Any], shares: list[int]
) -> None:
    parts = stratified(labels, shares, random.Random(0))
    sizes = Counter(parts)
    assert [sizes[part] for part in range(len(shares))] == quotas(len(labels), shares)
    for label, count in Counter(labels).items():
        having = Counter(part for part, those in zip(parts, labels, strict=True) if those == label)
        for part, share in enumerate(shares):
            assert abs(having[part] - count * share / sum(shares)) < 1


@given(single_labels, st.integers(1, 5), st.floats(1e-6, 1e6), st.integers())
@settings(deadline=None)
def test_label_skew_leaves_no_site_empty_or_says_so(labels: list[Any], sites: int, alpha: float, seed: int) -> None:
    try:
        parts = label_skewed(labels, sites, alpha, seed)
    except ShardError as error:
        assert "alpha" in error.message
    else:
        assert set(parts) == set(range(sites)) and len(parts) == len(labels)


@given(st.integers(0, 10_000), st.lists(st.floats(1e-9, 1e9), min_size=1, max_size=20))
def test_quotas_sum_up_and_are_within_one_of_the_exact_share(count: int, shares: list[float]) -> None:
    parts = quotas(count, shares)
    assert sum(parts) == count
    assert all(abs(part - count * share / sum(shares)) < 1 + 1e-6 for part, share in zip(parts, shares, strict=True))
