"""A run that nobody could stop any more ends by itself."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

import reson_jupyter as reson
from tests.patience import wait_for
from tests.runs.conftest import processes_of, rounds
from tests.runs.models import Line, fl_train

pytestmark = [pytest.mark.nvflare, pytest.mark.usefixtures("home")]


def test_a_run_whose_home_was_removed_ends_and_leaves_nothing(plain_shards: Path, home: Path, tmp_path: Path) -> None:
    url = (tmp_path / "store").as_uri()
    run = reson.submit(
        Line, train=fl_train, name="homeless", shards_dir=plain_shards, check=False, federation=rounds(9000), store=url
    )
    wait_for(lambda: run.progress.rounds_done > 0)
    removed = time.monotonic()
    shutil.rmtree(home)
    wait_for(lambda: processes_of(run) == [], 25)
    assert time.monotonic() - removed < 25
    with pytest.raises(reson.RunFailed, match="Stopped on request"):
        run.wait(20)
    assert not (home / "runs" / run.id).exists()
