"""Runs under way obey: sites answer, skip, log and tell where they stand; the training goes on as if nobody had asked."""

from __future__ import annotations

import _thread
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import reson_jupyter as reson
from reson_jupyter.errors import Detached, RunError
from tests.patience import wait_for
from tests.runs import commanded
from tests.runs.conftest import processes_of, rounds

pytestmark = [pytest.mark.nvflare, pytest.mark.usefixtures("home")]

COMMANDS = {name: getattr(commanded, name) for name in ("go_on", "who", "fail", "murmur", "nap", "thing", "wake")}


@pytest.fixture
def run(plain_shards: Path) -> Iterator[reson.Run]:
    """A run whose sites are in their first round and stay there until they are told to go on."""
    federation = rounds(3, min_clients=1, wait_time_after_min_received=3)
    run = reson.submit(
        commanded.Counter, train=commanded.fl_train, commands=COMMANDS, name="commanded", shards_dir=plain_shards,
        check=False, federation=federation,
    )  # fmt: skip
    yield in_round(run, 0)
    if not run.state.done:
        run.abort()
        wait_for(lambda: run.state.done)


def in_round(run: reson.Run, number: int) -> reson.Run:
    """Waits until both sites train in a round."""
    wait_for(lambda: run.state.done or all((s.phase, s.round) == ("training", number) for s in run.progress.sites.values()))
    assert not run.state.done, run.reason
    return run


def test_the_sites_of_a_run_answer_and_its_training_does_not_notice(run: reson.Run) -> None:
    answers = run.command("who", {"text": "é", "list": [1, None]})
    assert {site: answer.value for site, answer in answers.items()} == {
        site: {"site": site, "round": 0, "given": {"text": "é", "list": [1, None]}} for site in ("site-1", "site-2")
    }
    assert all(answer.seconds < 3 for answer in answers.values())

    failed = run.command("fail", sites="site-2")
    assert list(failed) == ["site-2"]
    assert (failed["site-2"].ok, failed["site-2"].error) == (False, "ValueError: not today")
    assert failed["site-2"].where.startswith("commanded.py, line ") and "in fail" in failed["site-2"].traceback
    assert "no command 'nonsense'; there are: " in run.command("nonsense", sites="site-1")["site-1"].error
    assert "no JSON" in run.command("thing", sites="site-1")["site-1"].error

    # One that takes long is in nobody's way, and its end is not waited for.
    assert "no answer within 1 s" in run.command("nap", sites="site-1", timeout=1)["site-1"].error
    with ThreadPoolExecutor() as pool:
        long = pool.submit(run.command, "nap", timeout=50)
        assert run.command("who")["site-1"].ok
        assert not long.done()
        run.command("wake")
        assert [answer.value for answer in long.result().values()] == ["awake", "awake"]

    run.command("go_on", {"rounds": 3})
    run.wait(120)
    assert run.state == reson.RunState.FINISHED and run.errors() == []
    assert any(event.data.get("message") == "asked who" for event in run.events())
    with pytest.raises(RunError, match="is over"):
        run.command("who")


def test_a_run_tells_where_its_sites_stand_and_what_they_log(run: reson.Run) -> None:
    # Before the function begins, the site is loading the model, and says so.
    wait_for(lambda: all(info.place.endswith("(fl_train)") for info in run.info().values()))
    for info in run.info().values():
        assert (info.phase, info.round) == ("training", 0)
        assert info.place.startswith("commanded.py, line ")
        assert info.memory is not None and info.memory > 50e6 and info.cpu is not None
        assert info.heard is not None and info.heard < 10
    assert "commanded.py, line" in repr(run.info()) and "<table" in run.info()._repr_html_()

    followed: list[str] = []
    follower = threading.Thread(target=lambda: followed.extend(run.logs("site-1", follow=True)))
    follower.start()
    run.command("murmur", {"text": "unheard"})
    run.set_log_level("debug", "site-1")
    run.command("murmur", {"text": "heard"})
    wait_for(lambda: any("a murmur: heard" in line for line in followed))
    assert "a murmur: heard" in run.logs("site-1") and "a murmur" not in run.logs("site-2")
    assert "unheard" not in run.logs("site-1")
    run.set_log_level("info")

    run.command("go_on", {"rounds": 3})
    run.wait(120)
    follower.join(60)
    assert followed == run.logs("site-1").splitlines(), "live or afterwards, the log is the same"
    assert any("site-1 holds round 0" in line for line in followed), "what the code prints is in the log"
    marks = {line.split(" | ")[0].strip() for line in run.logs().splitlines()}
    assert marks == {"server", "site-1", "site-2"}
    assert "heard" not in run.info()._repr_html_()


def test_a_site_skips_a_round_and_is_back_in_the_next(run: reson.Run) -> None:
    run.skip_round("site-2")
    wait_for(lambda: run.progress.sites["site-2"].phase == "skipped")
    with pytest.raises(RunError, match=r"round 1 needs 1 site \(min_clients\), and without site-1 it would have 0"):
        run.skip_round("site-1")
    with pytest.raises(RunError, match=r"site-2 cannot skip this round: it is at no task"):
        run.skip_round("site-2")
    run.command("go_on", {"rounds": 1})
    in_round(run, 1)
    assert run.progress.rounds[0].aggregated == ["site-1"]

    # While the run goes on, the model of a round that is over is there.
    wait_for(lambda: 0 in run.progress.rounds and run.progress.rounds[0].ended is not None)
    wait_for(lambda: _has_round(run, 0))
    assert run.model(round=0).state_dict()["rounds"].item() == 1
    with pytest.raises(RunError, match="round"):
        run.model(round=2)

    threading.Timer(0.5, _thread.interrupt_main).start()
    with pytest.raises(Detached):
        run.wait(30)
    run.command("go_on", {"rounds": 3})
    run.wait(120)
    assert run.state == reson.RunState.DEGRADED and "site-2" in run.reason
    assert {name: run.best(name).round for name in ("loss", "score")} == {"loss": 1, "score": 1}
    assert run.model(round=run.best("score").round).state_dict()["rounds"].item() == 2
    assert run.model().state_dict()["rounds"].item() == 3
    assert [m["value"] for m in run.metrics if (m["name"], m["site"]) == ("score", None)][-1] == pytest.approx(0.9)
    wait_for(lambda: processes_of(run) == [])


def _has_round(run: reson.Run, number: int) -> bool:
    try:
        run.model(round=number)
    except RunError:
        return False
    return True
