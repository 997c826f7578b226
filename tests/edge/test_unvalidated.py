"""A run whose sites have no validate callback lacks nothing, and claims nothing."""

from __future__ import annotations

from typing import Any

import pytest

from reson_jupyter.backend.progress import RunProgress
from reson_jupyter.backend.run.stages import stages_of
from reson_jupyter.events import RunState
from tests.backend.test_verdict import event, judge, trained


def after(sites: list[str], excused: list[str]) -> list[Any]:
    return [*trained(), event("validated", None, 2, sites=sites, excused=excused), event("run_ended")]


def stage(log: list[Any]) -> list[str]:
    progress = RunProgress()
    progress.apply(log)
    return [one["text"] for one in stages_of(progress) if one["name"] == "validate"]


@pytest.mark.parametrize(
    ("sites", "excused", "state", "reason", "text"),
    [
        ([], ["site-1", "site-2"], RunState.FINISHED, "", []),
        (["site-1"], ["site-2"], RunState.FINISHED, "", ["1 of 1 site"]),
        ([], ["site-2"], RunState.DEGRADED, "site-1 did not validate the final model.", ["0 of 1 site"]),
        (["site-1"], [], RunState.DEGRADED, "site-2 did not validate the final model.", ["1 of 2 sites"]),
    ],
)
def test_a_site_without_a_validate_callback_is_not_missed(
    sites: list[str], excused: list[str], state: RunState, reason: str, text: list[str]
) -> None:
    log = after(sites, excused)
    told, why = judge(log, validates=True)
    assert (told, reason in why, bool(reason) == bool(why)) == (state, True, True)
    assert stage(log) == text
