"""What a run tells of its sites now: what each does, where it stands, what it takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from reson_jupyter.backend.run.info import RunInfo, SiteInfo
from reson_jupyter.events import SiteTelemetry
from tests.backend.staged import Staged, in_round, state
from tests.backend.test_verdict import event, good_run
from tests.patience import wait_for

CUSTOM = "/tmp/lib/python/run/site-1/simulate_job/app_site-1/custom"


@pytest.fixture
def staged(tmp_path: Path) -> Staged:
    log = [*good_run()[:2], state("running"), *in_round(0)]
    log[0].data["lines"] = {"model_def.py": [[1, 10, "In[4]", 7]]}
    return Staged(tmp_path, log)


def telemetry(beat: int = 1, place: tuple[str, int, str] | None = (f"{CUSTOM}/model_def.py", 3, "fl_train")) -> SiteTelemetry:
    return SiteTelemetry(time=0.0, beat=beat, pid=1, memory=612_000_000, cpu=97.4, task="train", round=0, place=place)


def test_each_site_has_its_phase_its_place_and_what_it_takes(staged: Staged) -> None:
    staged.writer.sites = {"site-1": telemetry()}
    staged.say(event("metrics", "site-1", 0, step=40, values={"loss": 0.5}, stage="train"))
    info = staged.run().info()
    assert list(info) == ["site-1", "site-2"]
    heard = info["site-1"].heard
    assert heard is not None and 0 <= heard < 2
    assert info["site-1"] == SiteInfo(
        phase="training", round=0, step=40, memory=612_000_000, cpu=97.4, place="In[4], line 9 (fl_train)", heard=heard
    )
    assert info["site-2"] == SiteInfo(phase="training", round=0)


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (("model_def.py", 1, "fl_train"), "In[4], line 7 (fl_train)"),
        ((f"{CUSTOM}/model_def.py", 99, "rt_train_model"), "the default training (rt_train_model)"),
        ((f"{CUSTOM}/mymodels/blocks.py", 12, "forward"), "mymodels/blocks.py, line 12 (forward)"),
        (None, ""),
    ],
)
def test_a_place_is_told_by_cell_and_line(staged: Staged, place: tuple[str, int, str] | None, said: str) -> None:
    staged.writer.sites = {"site-1": telemetry(place=place)}
    staged.writer.touch()
    assert staged.run().info()["site-1"].place == said


def test_a_sign_of_life_without_any_event_is_seen_and_told(staged: Staged) -> None:
    run = staged.run()
    told: list[object] = []
    run.observe(lambda run: told.append(run.info()["site-1"].memory))
    staged.writer.sites = {"site-1": telemetry(beat=1)}
    staged.writer.touch()
    wait_for(lambda: told[-1] == 612_000_000)
    wait_for(lambda: (run.info()["site-1"].heard or 0) > 1)
    staged.writer.sites = {"site-1": telemetry(beat=2)}
    staged.writer.touch()
    wait_for(lambda: (run.info()["site-1"].heard or 9) < 1)


def test_of_a_run_that_is_over_only_what_stays_true_is_told(staged: Staged) -> None:
    staged.writer.sites = {"site-1": telemetry()}
    staged.say(state("finished"))
    assert staged.run().info()["site-1"] == SiteInfo(phase="done", round=0)


def test_a_site_that_is_at_no_task_stands_nowhere(staged: Staged) -> None:
    staged.writer.sites = {"site-1": telemetry()}
    staged.say(event("site", "site-1", 0, phase="skipped"))
    assert staged.run().info()["site-1"].place == ""


def test_the_validation_after_the_last_round_is_called_so(staged: Staged) -> None:
    staged.say(event("site", "site-1", 2, phase="validating"))
    info = staged.run().info()["site-1"]
    assert (info.phase, info.round) == ("final validation", 1)


SITES = RunInfo(
    {
        "site-1": SiteInfo("training", 0, 40, 612_000_000, 97.4, "In[4], line 9 (fl_train)", 1.2),
        "<b>two</b>": SiteInfo("waiting", stalled="no progress for 15 s"),
    }
)


def test_the_text_is_a_table() -> None:
    assert repr(SITES).splitlines() == [
        "site        phase     round  step  memory   CPU  at                          heard",
        "site-1      training      1    40  612 MB  97 %  In[4], line 9 (fl_train)  1 s ago",
        "<b>two</b>  waiting                                                                 no progress for 15 s",
    ]


def test_the_table_has_no_empty_columns_and_escapes_what_it_shows() -> None:
    assert repr(RunInfo({"site-1": SiteInfo("waiting")})).splitlines() == ["site    phase", "site-1  waiting"]
    page = SITES._repr_html_()
    assert "&lt;b&gt;two&lt;/b&gt;" in page and "<b>" not in page and "<script" not in page
    assert page.count("<tr>") == 3 and "97 %" in page
