"""What the sites of a run have: in its progress, beside each other in a table, and in the messages of the view."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reson_jupyter.backend.progress import RunProgress
from reson_jupyter.backend.run.environments import Environments, environments_of
from reson_jupyter.backend.run.info import run_info
from reson_jupyter.events import Event
from reson_jupyter.notebook.live.run_snapshot import RunSnapshot
from tests.backend.test_live import feed_of
from tests.backend.test_verdict import event, good_run

USUAL: dict[str, Any] = {
    "python": "3.11.9", "torch": "2.13.0+cu128", "nvflare": "2.9.0", "packages": {"scipy": "1.17.0"}, "device": "cpu",
    "disk": 812_000_000_000, "data": "shard", "samples": 400, "classes": 10, "problems": [], "notes": [],
}  # fmt: skip
THREE = ("site-1", "site-2", "site-3")


def prepared(site: str, **own: Any) -> Event:
    return event("prepared", site, **{**USUAL, **own})


def run_of(*events: Event, sites: tuple[str, ...] = THREE, versions: dict[str, str] | None = None) -> RunProgress:
    submitted = good_run(sites=sites)[0]
    submitted.data["versions"] = versions or {}
    run = RunProgress()
    run.apply([submitted, event("state", state="running", reason=""), *events])
    return run


def table_of(*events: Event, **how: Any) -> Environments:
    table = environments_of(run_of(*events, **how))
    assert table is not None
    return table


def marked(table: Environments) -> set[tuple[str, str]]:
    """The cells that stand out: site and column."""
    return {
        (row["site"], title)
        for row in table["rows"]
        for title, (_, stands_out) in zip(table["columns"], row["cells"], strict=True)
        if stands_out
    }  # fmt: skip


# The progress


def test_a_site_prepares_and_is_ready_or_has_a_problem() -> None:
    run = run_of(event("site", "site-1", phase="preparing"))
    assert (run.sites["site-1"].phase, run.preparing) == ("preparing", True)
    run.apply([prepared("site-1"), prepared("site-2", problems=["the package scipy is missing"])])
    assert [run.sites[name].phase for name in THREE] == ["ready", "problem", "waiting"]
    assert run.sites["site-1"].environment is not None and run.sites["site-1"].environment.samples == 400
    assert run.sites["site-2"].cannot_train == "the package scipy is missing"
    run.apply([event("round_started", None, 0)])
    assert not run.preparing


def test_a_site_that_could_not_train_has_a_problem_when_the_run_is_over() -> None:
    run = run_of(prepared("site-1"), prepared("site-2", problems=["no data"]), event("state", state="finished", reason=""))
    assert [run.sites[name].phase for name in THREE] == ["done", "problem", "never came"]


def test_a_site_that_never_came_says_so_when_the_run_is_over_and_is_not_done() -> None:
    run = run_of(prepared("site-1"), prepared("site-2"), event("state", state="degraded", reason=""))
    assert [run.sites[name].phase for name in THREE] == ["done", "done", "never came"]
    assert not run.sites["site-3"].is_there
    assert feed_of(run).snapshot()["sites"][2]["phase"] == run_info(run, lambda site: None)["site-3"].phase == "never came"


def test_a_site_that_was_heard_of_came() -> None:
    said = event("log", "site-3", level="info", message="fetching")
    assert run_of(prepared("site-1"), said, event("state", state="failed", reason="")).sites["site-3"].phase == "stopped"


def test_of_a_run_that_ended_before_any_site_could_come_nobody_never_came() -> None:
    assert {site.phase for site in run_of(event("state", state="aborted", reason="")).sites.values()} == {"stopped"}


def test_what_a_newer_worker_says_besides_does_no_harm() -> None:
    run = run_of(event("prepared", "site-1", python="3.15.0", battery=0.5))
    assert run.sites["site-1"].environment is not None and run.sites["site-1"].environment.python == "3.15.0"


def test_workers_that_the_target_names_take_the_places_of_planned_sites() -> None:
    run = run_of(prepared("gpu-77"))
    assert set(run.sites) == {"site-2", "site-3", "gpu-77"} and run.planned == THREE
    run.apply([event("site", "gpu-12", 0, phase="training"), event("contribution", "gpu-90", 0, accepted=True, samples=1)])
    assert set(run.sites) == {"gpu-77", "gpu-12", "gpu-90"}
    run.apply([prepared("gpu-99")])
    assert set(run.sites) == {"gpu-77", "gpu-12", "gpu-90", "gpu-99"}, "whoever was heard of stays"


def test_a_planned_site_that_was_heard_of_is_nobodys_place() -> None:
    run = run_of(prepared("site-1"), event("error", "site-2", 0, message="OSError: disk", traceback=""), prepared("gpu-7"))
    assert set(run.sites) == {"site-1", "site-2", "gpu-7"}


def test_a_note_of_a_site_is_no_note_of_the_run() -> None:
    note = {"level": "info", "message": "see https://example.org", "note": True}
    assert run_of(event("log", "site-1", **note)).notes == []
    assert run_of(event("log", None, **note)).notes == ["see https://example.org"]


# The table


def test_sites_that_are_sound_and_alike_are_one_sentence() -> None:
    table = table_of(*map(prepared, THREE))
    assert table["summary"] == "3 sites prepared: Python 3.11, torch 2.13, CPU, 1,200 samples"
    assert not table["wrong"] and marked(table) == set()
    assert table["columns"] == ["Python", "torch", "NVFlare", "Device", "Free disk", "Data", "Samples", "Classes"]
    assert table["rows"][0] == {
        "site": "site-1",
        "cells": [
            (text, False) for text in ("3.11.9", "2.13.0+cu128", "2.9.0", "CPU", "812 GB", "shard site-1.zip", "400", "10")
        ],
        "problems": [],
        "notes": [],
    }


def test_there_is_no_table_before_a_site_has_said_anything() -> None:
    assert environments_of(run_of(event("site", "site-1", phase="preparing"))) is None
    assert table_of(prepared("site-2"))["summary"].startswith("1 of 3 sites prepared: ")
    assert table_of(prepared("site-1"), sites=("site-1",))["summary"].startswith("1 site prepared: ")


@pytest.mark.parametrize(
    ("own", "column", "wrong"),
    [
        ({"python": "3.12.1"}, "Python", True),
        ({"torch": "2.12.0"}, "torch", True),
        ({"nvflare": "2.8.0"}, "NVFlare", True),
        ({"packages": {"scipy": ""}}, "Packages", True),
        ({"device": "NVIDIA A100"}, "Device", False),
        ({"classes": 7}, None, False),
        ({"data": ""}, None, False),
        ({"python": "3.11.2"}, None, False),
        ({"torch": "2.13.0+cpu"}, None, False),
        ({"data": "/srv/images", "samples": 7, "disk": 1}, None, False),
    ],
)
def test_what_most_sites_have_otherwise_stands_out(own: dict[str, Any], column: str | None, wrong: bool) -> None:
    table = table_of(prepared("site-1"), prepared("site-2", **own), prepared("site-3"))
    assert marked(table) == ({("site-2", column)} if column else set())
    assert table["wrong"] is wrong


def test_a_site_that_has_not_told_something_does_not_stand_out() -> None:
    table = table_of(prepared("site-1"), prepared("site-2", classes=None, samples=None, device=""), prepared("site-3"))
    assert marked(table) == set() and table["rows"][1]["cells"][-1] == ("–", False)


def test_of_two_sites_that_differ_both_stand_out() -> None:
    table = table_of(prepared("site-1"), prepared("site-2", python="3.12.1"))
    assert marked(table) == {("site-1", "Python"), ("site-2", "Python")}
    assert "Python 3.11 or 3.12, " in table["summary"]


def test_a_site_that_cannot_train_opens_the_table_with_its_problem() -> None:
    table = table_of(prepared("site-1"), prepared("site-2", problems=["no data"], notes=["RESON_DATA_ROOT is not set"]))
    assert table["wrong"] and table["summary"].startswith("2 of 3 sites answered: 1 cannot train, Python 3.11")
    assert (table["rows"][1]["problems"], table["rows"][1]["notes"]) == (["no data"], ["RESON_DATA_ROOT is not set"])


def test_packages_are_named_where_they_are_missing_or_not_those_of_the_notebook() -> None:
    packages = {"torch": "2.0", "scipy": "1.16.1", "scikit-learn": "1.8.0", "pillow": ""}
    versions = {"torch": "2.13.0", "scipy": "1.17.0", "Scikit_Learn": "1.8.0"}
    table = table_of(prepared("site-1"), prepared("site-2", packages=packages), versions=versions)
    assert [row["cells"][-1] for row in table["rows"]] == [
        ("all there", False),
        ("pillow is missing, scipy 1.16.1 (notebook: 1.17.0)", True),
    ]


def test_what_a_site_says_is_one_line_and_not_endless() -> None:
    many = {"problems": ["y" * 10_000] * 50, "packages": {f"p{number}": "" for number in range(999)}}
    table = table_of(prepared("site-1", device="\x1b[2JGPU\u2028\n" + "x" * 10_000, **many))
    assert len(str(table)) < 10_000
    device = table["rows"][0]["cells"][3][0]
    assert device.startswith(r"\x1b[2JGPU\u2028\nxxx") and device.endswith("…") and device.isprintable()
    assert table["rows"][0]["cells"][-1][0].endswith("p5 is missing, and 993 more")


TEXT = st.text(max_size=8) | st.sampled_from(["3.11.9", "cpu", "shard", ""])
COUNT = st.none() | st.integers(0, 10**15)


@given(
    told=st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                **dict.fromkeys(("python", "torch", "nvflare", "device", "data"), TEXT),
                **dict.fromkeys(("disk", "samples", "classes"), COUNT),
                "packages": st.dictionaries(TEXT, TEXT, max_size=3),
                "problems": st.lists(TEXT, max_size=2),
            },
        ),
        min_size=1,
        max_size=5,
    ),
)
def test_whatever_sites_say_the_table_has_a_row_for_each_and_a_cell_for_each_column(told: list[dict[str, Any]]) -> None:
    table = table_of(*(event("prepared", f"site-{n}", **data) for n, data in enumerate(told)), sites=())
    assert [row["site"] for row in table["rows"]] == [f"site-{n}" for n in range(len(told))]
    assert {len(row["cells"]) for row in table["rows"]} == {len(table["columns"])}
    texts = [table["summary"], *(text for row in table["rows"] for text, _ in row["cells"])]
    assert all(text.isprintable() for text in texts)
    assert table["wrong"] >= any(row["problems"] for row in table["rows"])


# The messages


def test_the_table_is_sent_when_it_changes_and_a_page_that_opens_later_has_it() -> None:
    run = run_of(event("site", "site-1", phase="preparing"))
    feed, page = feed_of(run), RunSnapshot()
    page.apply(feed.snapshot())
    assert page.message()["environments"] is None
    run.apply([prepared("site-1")])
    page.apply(feed.delta())
    assert "environments" not in feed.delta()
    page.apply(feed.delta())
    assert page.message()["environments"] == environments_of(run) == feed.snapshot()["environments"]


def test_while_the_sites_prepare_the_view_says_so() -> None:
    run = run_of(event("site", "site-1", phase="preparing"))
    told = feed_of(run).snapshot()
    assert told["run"]["preparing"] and told["run"]["sentence"].startswith("The sites get ready")
    assert told["sites"][0]["phase"] == "preparing"
    run.apply([event("round_started", None, 0)])
    told = feed_of(run).snapshot()
    assert not told["run"]["preparing"] and told["run"]["sentence"] == "The sites are training."


def test_why_a_site_cannot_train_stands_in_one_table_only() -> None:
    said = event("error", "site-2", None, message="site-2 cannot train: no data; no torch", traceback="")
    run = run_of(prepared("site-1"), prepared("site-2", problems=["no data", "no torch"]), said)
    told = feed_of(run).snapshot()
    assert [row["problem"] for row in told["sites"]] == [None, None, None]
    assert told["failures"] == {"cards": [], "more": 0}
    assert told["environments"]["rows"][1]["problems"] == ["no data", "no torch"]
    run.apply([event("error", "site-2", 0, message="OSError: disk", traceback="")])
    told = feed_of(run).snapshot()
    assert told["sites"][1]["problem"] == "OSError" and len(told["failures"]["cards"]) == 1


def test_a_site_that_cannot_import_the_code_has_a_card_with_the_line() -> None:
    traceback = 'Traceback (most recent call last):\n  File "/app/custom/model_def.py", line 3, in <module>\nKeyError: 1\n'
    said = event("error", "site-2", None, message="site-2 cannot train: it raises KeyError: 1", traceback=traceback)
    told = feed_of(run_of(prepared("site-2", problems=["it raises KeyError: 1"]), said)).snapshot()
    assert len(told["failures"]["cards"]) == 1


def test_a_planned_site_whose_place_was_taken_goes_from_the_page() -> None:
    run = run_of(sites=("site-1", "site-2"))
    feed, page = feed_of(run), RunSnapshot()
    page.apply(feed.snapshot())
    run.apply([prepared("gpu-7"), prepared("gpu-8")])
    message = feed.delta()
    page.apply(message)
    assert message["full"] and [row["site"] for row in page.message()["sites"]] == ["gpu-7", "gpu-8"]
    assert feed.delta()["version"] == message["version"] + 1


def test_the_head_says_where_the_run_is() -> None:
    submitted = good_run()[0]
    submitted.data["place"] = "fl.example.org:8002"
    run = RunProgress()
    run.apply([submitted])
    assert feed_of(run).snapshot()["run"]["place"] == "fl.example.org:8002"
    assert feed_of(run_of()).snapshot()["run"]["place"] == ""


# What each site does now


def test_info_tells_what_each_site_has_beside_what_it_does() -> None:
    info = run_info(run_of(prepared("site-1"), prepared("site-2", problems=["no\ndata"], data="")), lambda site: None)
    assert info["site-1"].environment is not None and info["site-1"].environment.torch == "2.13.0+cu128"
    assert (info["site-3"].environment, info["site-3"].data) == (None, "")
    assert repr(info).splitlines() == [
        "site    phase    device  data",
        "site-1  ready    CPU     shard site-1.zip, 400 samples",
        r"site-2  problem  CPU     none, 400 samples              no\ndata",
        "site-3  waiting",
    ]
