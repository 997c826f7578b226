"""What a view is told of a run: its sites, its end, and the cards of its errors."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

from reson_jupyter.backend.carrying.verdict import verdict
from reson_jupyter.backend.failure.cards import CellText, card_of, cards_of
from reson_jupyter.backend.failure.explain import explain
from reson_jupyter.backend.progress import RunProgress
from reson_jupyter.backend.run.live import LiveFeed
from reson_jupyter.events import Event, SiteTelemetry
from reson_jupyter.notebook.live.run_snapshot import RunSnapshot
from tests.backend.test_verdict import event, good_run

APP = "/tmp/run/site-1/simulate_job/app_site-1/custom"
LINES = {"model_def.py": [[3, 8, "In[4]", 9]]}
TRACEBACK = f"""Traceback (most recent call last):
  File "{APP}/model_def.py", line 3, in fl_train
    raise ValueError("bad")
ValueError: bad
"""


def feed_of(progress: RunProgress, cell_text: CellText | None = None) -> LiveFeed:
    run: Any = SimpleNamespace(id="n-1", progress=progress, note="")
    return LiveFeed(run, cell_text)


def running(*more: Event, rounds: int = 2) -> RunProgress:
    """A run whose first round has just begun."""
    progress = RunProgress()
    log = good_run(rounds=rounds)
    log[0].data["lines"] = LINES
    progress.apply([*log[:3], *more])
    return progress


def error(site: str | None, number: int | None, message: str = "ValueError: bad", traceback: str = TRACEBACK) -> Event:
    return event("error", site, number, message=message, traceback=traceback)


def site_of(progress: RunProgress, name: str = "site-1") -> dict[str, Any]:
    return next(row for row in feed_of(progress).snapshot()["sites"] if row["site"] == name)


def telemetry(beat: int = 1, time: float = 50.0) -> SiteTelemetry:
    return SiteTelemetry(time=time, beat=beat, pid=7, memory=412_000_000, cpu=96.5)


def test_a_sites_memory_and_cpu_are_told_while_the_run_goes_on() -> None:
    run = running()
    assert (site_of(run)["memory"], site_of(run)["cpu"]) == (None, None)
    run.telemetry["site-1"] = telemetry()
    assert (site_of(run)["memory"], site_of(run)["cpu"], site_of(run)["last_seen"]) == (412_000_000, 96.5, 50.0)
    run.apply([event("state", state="aborted", reason="Stopped.")])
    assert (site_of(run)["memory"], site_of(run)["cpu"]) == (None, None)


def test_a_new_sign_of_life_is_a_delta_of_that_site_alone() -> None:
    run = running()
    feed = feed_of(run)
    feed.snapshot()
    run.telemetry["site-2"] = telemetry()
    assert [row["site"] for row in feed.delta()["sites"]] == ["site-2"]
    assert feed.delta()["sites"] == []


def test_a_site_that_makes_no_progress_says_where_and_that_it_goes_on() -> None:
    run = running(event("site", "site-1", 0, phase="training"))
    feed = feed_of(run)
    feed.snapshot()
    run.apply([event("stalled", "site-1", 0, seconds=15.0, traceback=TRACEBACK)])
    told = feed.delta()
    assert (told["sites"][0]["phase"], told["sites"][0]["stalled"]) == ("stalled", "no progress for over 15 s in In[4], line 9")
    assert [line["text"] for line in told["events"]] == ["no progress for over 15 s in In[4], line 9"]
    run.apply([event("stalled", "site-1", 0, seconds=0.0, traceback="")])
    told = feed.delta()
    assert (told["sites"][0]["phase"], told["sites"][0]["stalled"]) == ("training", "")
    assert [line["text"] for line in told["events"]] == ["makes progress again"]


def test_the_final_models_validation_is_called_by_its_name_and_is_no_round() -> None:
    run = running(event("site", "site-1", 2, phase="validating"), rounds=2)
    assert (site_of(run)["phase"], site_of(run)["round"]) == ("final validation", 1)
    run.apply([event("site", "site-1", 1, phase="validating")])
    assert (site_of(run)["phase"], site_of(run)["round"]) == ("validating", 1)


def test_a_skipped_part_is_shown_and_told() -> None:
    run = running()
    feed = feed_of(run)
    feed.snapshot()
    run.apply([event("site", "site-1", 0, phase="skipped")])
    told = feed.delta()
    assert told["sites"][0]["phase"] == "skipped"
    assert [line["text"] for line in told["events"]] == ["skipped its part of round 1"]


def test_while_a_run_is_being_stopped_the_view_knows_when_it_is_forced() -> None:
    run = running(event("stopping", grace=10.0))
    assert feed_of(run).snapshot()["run"]["stopping"] == run.stopping_until is not None
    run.apply([event("state", state="aborted", reason="Stopped.")])
    assert feed_of(run).snapshot()["run"]["stopping"] is None
    assert {row["phase"] for row in feed_of(run).snapshot()["sites"]} == {"stopped"}


def test_the_model_that_a_stopped_run_leaves_is_offered() -> None:
    run = RunProgress()
    run.apply([*good_run(rounds=2)[:-1], event("result", files={"FL_global_model.pt": {"bytes": 1, "sha256": ""}})])
    assert feed_of(run).snapshot()["run"]["offer"] == ""
    run.apply([event("state", state="aborted", reason="Stopped.")])
    assert feed_of(run).snapshot()["run"]["offer"] == "The model of round 2 is kept: reson.attach('n-1').model()"
    assert feed_of(running(event("state", state="aborted", reason=""))).snapshot()["run"]["offer"] == ""


def test_an_error_is_one_line_with_its_place_and_a_card() -> None:
    told = feed_of(running(error("site-1", 0)), lambda label: "\n" * 8 + '    raise ValueError("bad")\n').snapshot()
    assert [line["text"] for line in told["events"] if line["level"] == "error"] == ["ValueError at In[4], line 9 (fl_train)"]
    [card] = told["failures"]["cards"]
    assert (card["who"], card["message"]) == ("site-1, round 1", "bad")
    assert card["headline"] == "ValueError at In[4], line 9 (fl_train)"
    assert [line for step in card["steps"] for line in step["lines"] if line[2]] == [(9, '    raise ValueError("bad")', True)]


def test_what_an_error_says_stands_on_its_card_alone() -> None:
    failed = event("state", state="failed", reason="")
    run = running(error("site-1", 0, "ValueError: bad luck"), error("site-2", 0, "ValueError: bad luck"))
    failed.data["reason"] = verdict(run, files=0).reason
    assert "bad luck" in failed.data["reason"]
    run.apply([failed])
    told = feed_of(run).snapshot()
    assert json.dumps(told).count("bad luck") == 1
    assert "bad luck" in told["failures"]["cards"][0]["message"]
    assert told["run"]["sentence"] == "The run ended without a usable final model."
    assert told["run"]["reason"].endswith(": site-1 in round 1: ValueError at In[4], line 9 (fl_train).")
    assert {row["problem"] for row in told["sites"]} == {"ValueError at In[4], line 9 (fl_train)"}
    assert told["events"][-1]["text"] == "failed"


def test_an_error_without_a_card_is_told_where_it_came() -> None:
    kinds = ("Key", "Index", "Type", "OS")
    run = running(*(error(f"site-{number}", 0, f"{kind}Error: x", "") for number, kind in enumerate(kinds)))
    assert [line["text"] for line in feed_of(run).snapshot()["events"]][-2:] == ["TypeError", "OSError: x"]


def test_a_run_that_was_stopped_says_so_once() -> None:
    stopped = feed_of(running(event("state", state="aborted", reason="Stopped on request after 1 round of 2."))).snapshot()["run"]
    assert (stopped["sentence"], stopped["reason"]) == ("", "Stopped on request after 1 round of 2.")
    unexplained = feed_of(running(event("state", state="aborted", reason=""))).snapshot()["run"]
    assert unexplained["sentence"] == "The run was stopped on request."


def test_notes_that_deserve_attention_and_addresses_stand_apart() -> None:
    run = running()
    run.notes, run.warnings = (
        ["data: shards", "nothing reads dropout", "on the platform: https://a.org/1"],
        ["nothing reads dropout"],
    )
    told = feed_of(run).snapshot()["run"]
    assert (told["warnings"], told["links"]) == (["nothing reads dropout"], ["on the platform: https://a.org/1"])
    assert told["notes"] == ["data: shards"]


def test_what_is_sent_is_told_until_the_run_starts() -> None:
    sending = event("log", level="info", message="0.6 MB to send", note="sending")
    uploading = running(event("state", state="uploading", reason=""), sending)
    assert feed_of(uploading).snapshot()["run"]["notes"][-1] == "0.6 MB to send"
    uploading.apply([event("state", state="starting", reason="")])
    told = feed_of(uploading).snapshot()
    assert "to send" not in json.dumps(told)


def test_cards_are_sent_once_and_a_page_that_opens_later_has_them() -> None:
    run = running(error("site-1", 0))
    feed, page = feed_of(run), RunSnapshot()
    page.apply(feed.snapshot())
    assert "failures" not in feed.delta()
    page.apply(feed.delta())
    assert [card["who"] for card in page.message()["failures"]["cards"]] == ["site-1, round 1"]


def test_sites_that_fail_alike_share_a_card() -> None:
    errors = [error(f"site-{n}", number, f"ValueError: site-{n}, round {number + 1}: bad") for number in (0, 1) for n in range(9)]
    cards = cards_of(running(*errors))
    assert [card["who"] for card in cards["cards"]] == ["site-0, site-1, site-2 and 6 more, rounds 1 to 2"]
    assert cards["more"] == 0


def test_the_first_cause_comes_first_three_are_shown_and_the_rest_is_counted() -> None:
    told = error("site-2", 0, "EXECUTION_EXCEPTION", "")
    others = [error("site-2", 0, f"{name}Error: x", "") for name in ("Key", "Index", "Type", "OS")]
    cards = cards_of(running(told, error("site-1", 0), *others))
    shown = [card["headline"] for card in cards["cards"]]
    assert shown == ["ValueError at In[4], line 9 (fl_train)", "EXECUTION_EXCEPTION", "KeyError"]
    assert cards["more"] == 3


def test_an_error_of_the_server_and_one_of_the_final_validation_say_so() -> None:
    cards = cards_of(running(error(None, None, "OSError: disk", ""), error("site-1", 2), rounds=2))
    assert [card["who"] for card in cards["cards"]] == ["site-1, final validation", "the server"]


def test_errors_that_were_put_aside_have_no_card_any_more() -> None:
    run = running(error("site-1", 0))
    feed = feed_of(run)
    feed.snapshot()
    run.apply([event("errors_reset")])
    assert feed.delta()["failures"] == {"cards": [], "more": 0}
    run.apply([error("site-2", 1, "site-2 is gone", ""), error("site-2", 1)])
    assert [card["message"] for card in feed.delta()["failures"]["cards"]] == ["bad", "site-2 is gone"]


def test_a_card_stays_small_whatever_the_traceback() -> None:
    deep = "".join(f'  File "{APP}/model_def.py", line 3, in f{n}\n    f()\n' for n in range(3_000))
    explained = explain("RecursionError: x", f"Traceback (most recent call last):\n{deep}RecursionError: x", running().sources)
    card = card_of(explained)
    assert len(str(card)) < 30_000
    assert len([step for step in card["steps"] if not step["folded"]]) == 8
    assert card["steps"][0]["folded"].startswith("… and 2962 more before")


def test_of_many_events_the_newest_are_told_in_their_order() -> None:
    run = running(*(event("log", level="info", message=str(number)) for number in range(20)))
    assert [line["text"] for line in feed_of(run).snapshot()["events"]] == [str(number) for number in range(12, 20)]
