from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from reson_jupyter.notebook.live.thin import thinned

VALUES = st.one_of(st.floats(-1e6, 1e6), st.sampled_from(["NaN", "∞"]))


def line(values: list[Any], name: str = "loss", site: str | None = "a") -> dict[str, Any]:
    return {"name": name, "site": site, "rounds": list(range(len(values))), "values": values}


def points(lines: list[dict[str, Any]]) -> int:
    return sum(len(one["rounds"]) for one in lines)


def test_what_is_within_the_budget_keeps_every_point() -> None:
    lines = [line([float(n) for n in range(50)], site=str(site)) for site in range(4)]
    assert thinned(lines, 200) == lines


def test_a_single_peak_among_a_thousand_rounds_stays() -> None:
    values = [1.0] * 1_000
    values[617] = 9.0
    values[618] = -3.0
    [thin] = thinned([line(values)], 20)
    assert len(thin["rounds"]) <= 20
    kept = dict(zip(thin["rounds"], thin["values"], strict=True))
    assert (kept[617], kept[618], kept[0], kept[999]) == (9.0, -3.0, 1.0, 1.0)


def test_a_short_line_beside_long_ones_stays_whole() -> None:
    short = line([1.0, 2.0, 3.0], name="val_loss")
    assert thinned([line([float(n) for n in range(500)]), short], 40)[1] is short


def test_a_thousand_rounds_of_fifty_sites_and_six_metrics_fit_the_budget() -> None:
    lines = [line([n % 7 / 7 for n in range(1_000)], f"m{metric}", f"s{site}") for metric in range(6) for site in range(51)]
    thin = thinned(lines)
    assert len(thin) == len(lines)
    assert 15_000 < points(thin) <= 20_000


@given(st.lists(st.lists(VALUES, min_size=1, max_size=60), min_size=1, max_size=6), st.integers(1, 80))
def test_every_line_keeps_its_ends_its_extremes_and_its_order_within_the_budget(columns: list[list[Any]], budget: int) -> None:
    lines = [line(values, site=str(at)) for at, values in enumerate(columns)]
    found = thinned(lines, budget)
    assert points(found) <= max(budget, 4 * len(lines))
    for old, new in zip(lines, found, strict=True):
        assert {name: new[name] for name in ("name", "site")} == {name: old[name] for name in ("name", "site")}
        assert new["rounds"] == sorted(set(new["rounds"]))
        assert new["values"] == [old["values"][number] for number in new["rounds"]]
        assert (new["rounds"][0], new["rounds"][-1]) == (0, len(old["rounds"]) - 1)
        numbers = [value for value in old["values"] if isinstance(value, float)]
        if numbers:
            assert {min(numbers), max(numbers)} <= set(new["values"])
