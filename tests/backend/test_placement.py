"""Which site trains on which shard."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reson_jupyter.backend.placement import Survey, place
from reson_jupyter.backend.sending import Shard
from reson_jupyter.errors import TargetError


def shards(*names: str) -> list[Shard]:
    return [Shard(f"{name}.zip", "0" * 64, Path(f"{name}.zip")) for name in names]


def placed(survey: Survey, *names: str) -> dict[str, str | None]:
    return {site: shard and Path(shard.name).stem for site, shard in place(survey, shards(*names)).items()}


def test_where_sites_come_into_being_with_the_run_there_is_one_for_each_shard() -> None:
    assert placed(Survey(), "b", "a") == {"site-1": "b", "site-2": "a"}
    assert placed(Survey(capacity=2), "b", "a") == {"site-1": "b", "site-2": "a"}


def test_a_shard_that_is_called_as_a_site_goes_there_and_sites_without_one_stay_out() -> None:
    survey = Survey(sites=("clinic-b", "clinic-a", "lab"))
    assert placed(survey, "lab", "clinic-b") == {"clinic-b": "clinic-b", "lab": "lab"}


def test_other_shards_are_dealt_out_in_the_order_of_the_sites_names() -> None:
    survey = Survey(sites=("site-10", "site-2", "site-1"))
    assert placed(survey, "shard_0", "shard_1", "shard_2") == {"site-1": "shard_0", "site-2": "shard_1", "site-10": "shard_2"}
    assert placed(survey, "site-2", "other") == {"site-1": "site-2", "site-2": "other"}, "one name alone means nothing"


def test_without_shards_every_connected_site_has_its_data_itself() -> None:
    assert placed(Survey(sites=("b", "a"))) == {"a": None, "b": None}


@pytest.mark.parametrize(
    ("survey", "names", "message"),
    [
        (Survey(), (), "no shards were named"),
        (Survey(capacity=1), ("a", "b"), "2 shards, and every one needs a worker, of which there are only 1 online"),
        (Survey(sites=("a",)), ("x", "y"), r"2 shards, more than sites that are connected \(1: a\)"),
    ],
)
def test_what_cannot_be_placed_is_refused(survey: Survey, names: tuple[str, ...], message: str) -> None:
    with pytest.raises(TargetError, match=message):
        place(survey, shards(*names))


NAMES = st.lists(st.text("ab-_0129", min_size=1, max_size=6), unique=True, min_size=1, max_size=8)


@given(sites=NAMES, names=NAMES)
def test_no_shard_is_lost_or_given_twice_and_no_site_is_made_up(sites: list[str], names: list[str]) -> None:
    survey = Survey(sites=tuple(sites))
    if len(names) > len(sites):
        with pytest.raises(TargetError):
            place(survey, shards(*names))
        return
    found = placed(survey, *names)
    assert set(found) <= set(sites)
    assert sorted(found.values()) == sorted(names)
