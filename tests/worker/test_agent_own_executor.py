"""What a site with an executor of the user's own is at: the agent says it, as the executor says nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from nvflare.apis.executor import Executor
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import ReturnCode, Shareable, make_reply
from nvflare.apis.signal import Signal

from .loopback import Server
from .requests import answers, put

WEIGHTS = {"weight": np.ones(2, "float32")}


class Own(Executor):
    """Says nothing of itself."""

    code = ReturnCode.OK

    def execute(self, task_name: str, shareable: Shareable, fl_ctx: FLContext, abort_signal: Signal) -> Shareable:
        return make_reply(self.code)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path, f"{__name__}.Own")
    yield server
    server.end()


@pytest.mark.parametrize(
    ("task", "code", "said"),
    [
        ("train", ReturnCode.OK, ["training", "returned"]),
        ("validate", ReturnCode.OK, ["validating", "returned"]),
        ("train", ReturnCode.TASK_ABORTED, ["training", "aborted"]),
        ("train", ReturnCode.EXECUTION_EXCEPTION, ["training"]),
    ],
)
def test_the_agent_says_what_such_a_site_is_at(server: Server, task: str, code: str, said: list[str]) -> None:
    executor = Own()
    executor.code = code
    server.execute(executor, WEIGHTS, round_=1, task=task)
    server.messenger.flush()
    assert server.phases() == said
    assert {event["round"] for event in server.of("site")} == {1}


class Deaf(Own):
    """Is done before it could hear that it is skipped."""

    def execute(self, task_name: str, shareable: Shareable, fl_ctx: FLContext, abort_signal: Signal) -> Shareable:
        server = fl_ctx.get_engine()
        assert answers(server.events, put(server.run_dir, "skip"))["site-1"]["ok"]
        return super().execute(task_name, shareable, fl_ctx, abort_signal)


def test_a_skip_that_came_too_late_leaves_the_site_returned(server: Server) -> None:
    server.execute(Deaf(), WEIGHTS)
    server.messenger.flush()
    assert server.phases() == ["training", "skipping", "returned"]
