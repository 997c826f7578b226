"""A site that hangs when everything is done; the other ways to hang are rows of the fault table (tests/faults)."""

from __future__ import annotations

from pathlib import Path

import pytest

import reson_jupyter as reson
from tests.patience import wait_for
from tests.runs import hanging
from tests.runs.conftest import processes_of, rounds
from tests.runs.models import Line

pytestmark = [pytest.mark.nvflare, pytest.mark.usefixtures("home")]


def test_a_site_that_hangs_in_the_last_validation_costs_no_more_than_that(plain_shards: Path) -> None:
    run = reson.submit(
        Line, train=hanging.fl_train, name="late", shards_dir=plain_shards, check=False, federation=rounds(1)
    ).wait(60)
    assert run.state == reson.RunState.DEGRADED
    assert "site-2 did not validate the final model" in run.reason
    assert run.model().state_dict()["weight"][0] == 2.0
    wait_for(lambda: processes_of(run) == [])
