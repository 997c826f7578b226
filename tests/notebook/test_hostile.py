"""Whatever strangers call things: on cards and in tables it is text, and colours or turns nothing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from reson_jupyter.backend.failure.cards import card_of
from reson_jupyter.backend.failure.explain import explain
from reson_jupyter.backend.history.history import RunSummary
from reson_jupyter.backend.history.runs import Runs
from reson_jupyter.backend.job import Job
from reson_jupyter.backend.progress import MetricRecord
from reson_jupyter.backend.run.best import BestRound
from reson_jupyter.backend.run.control import Answer, Answers
from reson_jupyter.backend.run.evaluation import Evaluation
from reson_jupyter.backend.run.info import RunInfo, SiteInfo
from reson_jupyter.backend.run.metrics import Metrics
from reson_jupyter.card import Card
from reson_jupyter.config import TrainingConfig
from reson_jupyter.data.manifest import Summary
from reson_jupyter.data.problems import Problems
from reson_jupyter.data.report import ShardsReport, ShardSummary
from reson_jupyter.errors import ConfigError, RunFailed
from reson_jupyter.notebook.live.failure_card import card_html, card_text
from reson_jupyter.session import Refusal, Session
from tests.backend.compared_runs import run_with
from tests.hostile import HOSTILE, harmless

# What colours a terminal, ends a line that goes on, or turns it around.
_MARKS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")

hostile = pytest.mark.parametrize("name", HOSTILE)


def check(shown: Any) -> None:
    assert not _MARKS.search(repr(shown)), repr(shown)
    if hasattr(shown, "_repr_html_"):
        page = harmless(shown._repr_html_())
        assert not _MARKS.search(page.text)


@hostile
def test_in_a_card(name: str) -> None:
    card = Card(name, [(name, name)])
    assert not _MARKS.search(card.text)
    harmless(card.html())


@hostile
def test_in_the_card_of_a_run(tmp_path: Path, name: str) -> None:
    run = run_with(tmp_path, name, {name: [0.1, 0.2, 0.3]}, target=name, place=name)
    run.progress.reason = name
    check(run)
    check(run.metrics)


@hostile
def test_in_what_a_run_gives(name: str) -> None:
    record = MetricRecord(site=None, round=0, step=None, name=name, value=0.5, time=1.0)
    answers = [Answer(name, True, name, "", "", 0.1), Answer(f"{name}2", False, None, name, name, 0.1, name)]
    for shown in (
        Metrics([record]),
        BestRound(0, 0.5, name),
        Answers({answer.site: answer for answer in answers}),
        answers[0],
        RunInfo({name: SiteInfo(phase=name, place=name, stalled=name, data=name)}),
        Evaluation(3, {name: 0.5}),
        Runs([RunSummary("digits-1", name, name, "file:///s", 1.0, reason=name)]),
        Job(name, {name: b"", "requirements/requirements.txt": b""}),
    ):
        check(shown)


@hostile
def test_in_configs_the_session_and_errors(name: str) -> None:
    session = Session()
    session.set_refusal(Refusal("model", name, name, name))
    for shown in (session, TrainingConfig(note=name), RunFailed(name, name), ConfigError(name, name, {"note": name})):
        check(shown)
    assert not _MARKS.search("".join(RunFailed(name, name)._render_traceback_()).replace("\n", ""))


@hostile
def test_in_the_card_of_a_failure(name: str) -> None:
    traceback = f'Traceback (most recent call last):\n  File "{name}", line 1, in {name}\n    {name}\nValueError: {name}\n'
    card = card_of(explain(f"ValueError: {name}", traceback, {}), lambda label: name, name)
    harmless(card_html(card))
    assert not _MARKS.search(card_text(card))


@hostile
def test_in_the_report_of_shards(name: str) -> None:
    problems = Problems()
    problems.add(name)
    shard = ShardSummary(
        Path(name.replace("/", "_").replace("\0", "_")), 1, "", True, Summary(), Problems(), class_names={0: [name]}
    )
    check(ShardsReport((shard,), problems, (name,)))
