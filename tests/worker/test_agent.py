"""What a site does for the notebook while it trains, and what it says of itself; all through the files that the runner uses."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from nvflare.apis.shareable import ReturnCode

from reson_jupyter.events import SiteTelemetry
from reson_jupyter.worker import agent as agent_module
from reson_jupyter.worker.executor import GenericClientExecutor
from tests.patience import wait_for

from .loopback import Server
from .requests import answers, put

WEIGHTS = {"weight": np.ones(2, "float32")}


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(2))


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The adapter module of the site; tests put functions into it."""
    module = ModuleType("some_model_def")
    module.Net = Net  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "some_model_def", module)
    return module


@pytest.fixture
def level() -> Iterator[logging.Logger]:
    """The root logger, whose level is put back."""
    root, level = logging.getLogger(), logging.getLogger().level
    yield root
    root.setLevel(level)


def ask(server: Server, op: str, **rest: Any) -> dict[str, Any]:
    """The site's answer to a request."""
    return answers(server.events, put(server.run_dir, op, **rest))["site-1"]


def command(server: Server, name: str, params: Any = None) -> dict[str, Any]:
    return ask(server, "command", command=name, params=params)


# Commands


def test_a_command_gets_its_params_and_returns_its_value(server: Server, module: ModuleType) -> None:
    module.double = lambda params: [2 * params["x"]]  # type: ignore[attr-defined]
    assert command(server, "double", {"x": 4})["value"] == [8]


def test_a_command_goes_by_its_registered_name_or_its_functions_own(server: Server, module: ModuleType) -> None:
    module.a_long_name = lambda params: "called"  # type: ignore[attr-defined]
    assert [command(server, name)["value"] for name in ("short", "a_long_name")] == ["called", "called"]


def test_a_command_gets_env_and_logger_if_it_takes_them(server: Server, module: ModuleType) -> None:
    def both(params: Any, env: dict[str, Any], logger: Any) -> Any:
        logger.info("hello")
        return [env["SITE_NAME"], env["learning_rate"], env["LR"], sorted(set(env) & {"train_fn", "data_root"})]

    module.both, module.rest = both, lambda params, **rest: sorted(rest)  # type: ignore[attr-defined]
    assert command(server, "both")["value"] == ["site-1", 0.5, 0.5, []]
    assert command(server, "rest")["value"] == ["env", "logger"]
    assert [event["data"]["message"] for event in server.of("log")] == ["hello"]


@pytest.mark.parametrize("params", [2**70, "half a character: \ud800", {"\udfff": [10**300]}])
def test_odd_params_arrive_as_they_are(server: Server, module: ModuleType, params: Any) -> None:
    seen = []
    module.see = seen.append  # type: ignore[attr-defined]
    assert command(server, "see", params)["ok"]
    assert seen == [params]


def test_a_value_of_large_numbers_and_odd_text_is_answered(server: Server, module: ModuleType) -> None:
    module.f = lambda params: [2**70, "\ud800"]  # type: ignore[attr-defined]
    assert command(server, "f")["value"] == [2**70, "?"]


def test_numbers_and_arrays_of_torch_and_numpy_arrive_as_plain_ones(server: Server, module: ModuleType) -> None:
    module.f = lambda params: {"a": torch.ones(2), "b": np.float32(0.5), "c": (1, None, True)}  # type: ignore[attr-defined]
    assert command(server, "f")["value"] == {"a": [1.0, 1.0], "b": 0.5, "c": [1, None, True]}


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (Net(), "f() returned what is no JSON: a Net is none"),
        (float("nan"), "f() returned what is no JSON: Out of range float values are not JSON compliant"),
        ("x" * 2_000_000, "f() returned 2,000,002 characters of JSON; at most 1,000,000 are sent"),
    ],
)
def test_a_value_that_cannot_travel_is_an_error_that_says_so(server: Server, module: ModuleType, value: Any, error: str) -> None:
    module.f = lambda params: value  # type: ignore[attr-defined]
    answer = command(server, "f")
    assert (answer["ok"], answer["value"], answer["traceback"]) == (False, None, "")
    assert answer["error"].startswith(error)


@pytest.mark.parametrize("exception", [ValueError, SystemExit, KeyboardInterrupt])
def test_an_exception_is_the_answer_with_its_traceback(server: Server, module: ModuleType, exception: Any) -> None:
    def broken(params: Any) -> None:
        raise exception("no such layer\nat all")

    module.broken = broken  # type: ignore[attr-defined]
    answer = command(server, "broken")
    assert (answer["ok"], answer["error"]) == (False, f"{exception.__name__}: no such layer")
    assert 'raise exception("no such layer' in answer["traceback"]


def test_an_exception_that_cannot_be_told_is_answered_by_its_name(server: Server, module: ModuleType) -> None:
    class Unspeakable(Exception):
        def __str__(self) -> str:
            raise ValueError("not even that")

    def broken(params: Any) -> None:
        raise Unspeakable

    module.broken = broken  # type: ignore[attr-defined]
    answer = command(server, "broken")
    assert (answer["error"], "raise Unspeakable" in answer["traceback"]) == ("Unspeakable", True)


def test_an_unknown_command_is_told_which_there_are(server: Server, module: ModuleType) -> None:
    exec("def mine(params): ...\ndef _helper(): ...", module.__dict__)
    assert command(server, "theirs")["error"] == "there is no command 'theirs'; there are: mine, short"


def test_commands_run_at_once_and_beside_a_training(server: Server, module: ModuleType) -> None:
    released = threading.Event()

    def fl_train(model: Any, env: Any, out_dir: str, logger: Any = None) -> dict[str, Any]:
        assert released.wait(60)
        return {"weights": model.state_dict(), "samples": 1}

    def release(params: Any) -> str:
        released.set()
        return "released"

    module.fl_train, module.release = fl_train, release  # type: ignore[attr-defined]
    module.wait = lambda params: released.wait(60)  # type: ignore[attr-defined]
    replies: list[Any] = []
    executor = GenericClientExecutor(adapter_module="some_model_def")
    training = threading.Thread(target=lambda: replies.append(server.execute(executor, WEIGHTS)))
    training.start()
    waiting = [put(server.run_dir, "command", command="wait", params=None) for _ in range(2)]
    assert command(server, "release")["value"] == "released"
    assert [answers(server.events, request)["site-1"]["value"] for request in waiting] == [True, True]
    training.join()
    assert replies[0].get_return_code() == ReturnCode.OK


def test_a_command_that_is_not_done_when_the_run_ends_is_answered(server: Server, module: ModuleType) -> None:
    entered, released = threading.Event(), threading.Event()

    def wait(params: Any) -> bool:
        entered.set()
        return released.wait(60)

    module.wait = wait  # type: ignore[attr-defined]
    put(server.run_dir, "command", command="wait", params=None)
    assert entered.wait(60)
    server.end()
    commands = [thread for thread in threading.enumerate() if thread.name == "reson-command"]
    released.set()
    wait_for(lambda: not [thread for thread in commands if thread.is_alive()])
    server.messenger.flush()
    assert [event["data"]["error"] for event in server.of("answer")] == ["site-1 had not answered when the run ended"]
    assert server.events()[-1]["type"] == "run_ended"


# Skipping, and the level


def test_a_skipped_task_ends_at_its_next_step_and_the_next_one_runs(server: Server, module: ModuleType) -> None:
    replies: list[Any] = []
    asked = threading.Event()

    def fl_train(model: Any, env: Any, out_dir: str, logger: Any = None) -> dict[str, Any]:
        if env["CURRENT_ROUND"] == 0:
            logger.check_task_abort()
            assert asked.wait(60)
            logger.check_task_abort()
        return {"weights": model.state_dict(), "samples": 1}

    module.fl_train = fl_train  # type: ignore[attr-defined]
    executor = GenericClientExecutor(adapter_module="some_model_def")
    training = threading.Thread(target=lambda: replies.append(server.execute(executor, WEIGHTS)))
    training.start()
    while not server.of("site"):
        time.sleep(0.01)
    assert ask(server, "skip")["ok"]
    asked.set()
    training.join()
    assert replies[0].get_return_code() == ReturnCode.TASK_ABORTED
    assert server.phases() == ["training", "skipping", "skipped"]
    assert not server.abort_signal.triggered
    assert server.execute(executor, WEIGHTS, round_=1).get_return_code() == ReturnCode.OK
    assert server.phases()[3:] == ["training", "returned"]


def test_a_site_in_no_task_has_nothing_to_skip(server: Server) -> None:
    assert ask(server, "skip")["error"] == "the site is in no task now, so there is nothing to skip"


@pytest.mark.parametrize("name", ["debug", "info", "warning", "error"])
def test_the_level_is_set_at_once(server: Server, level: logging.Logger, name: str) -> None:
    assert ask(server, "log_level", level=name)["value"] == name
    assert logging.getLevelName(level.level) == name.upper()


def test_a_level_that_is_none_is_refused(server: Server, level: logging.Logger) -> None:
    before = level.level
    assert ask(server, "log_level", level="loud")["error"] == "'loud' is no level; there are debug, info, warning, error"
    assert level.level == before


# Telemetry


def telemetry(server: Server) -> dict[str, Any]:
    path = server.run_dir / "telemetry.json"
    sites = json.loads(path.read_text())["sites"] if path.exists() else {}
    return sites.get("site-1", {"beat": -1})  # type: ignore[no-any-return]


def test_a_site_tells_how_it_is_doing_every_few_seconds(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_module, "_reson_BEAT", 0.2)
    wait_for(lambda: telemetry(server)["beat"] >= 2)
    said = SiteTelemetry(**telemetry(server))
    assert said.pid == os.getpid()
    assert said.memory > 10_000_000
    assert (said.task, said.round, said.place) == ("", None, None)
    assert server.of("telemetry") == []


def test_telemetry_goes_on_while_a_function_computes_and_names_the_task(
    server: Server, module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent_module, "_reson_BEAT", 0.2)
    seen: list[dict[str, Any]] = []

    def fl_train(model: Any, env: Any, out_dir: str, logger: Any = None) -> dict[str, Any]:
        end = time.monotonic() + 60
        while time.monotonic() < end and not (telemetry(server).get("task") and telemetry(server)["cpu"] > 20):
            sum(range(1_000_000))
        seen.append(telemetry(server))
        return {"weights": model.state_dict(), "samples": 1}

    module.fl_train = fl_train  # type: ignore[attr-defined]
    server.execute(GenericClientExecutor(adapter_module="some_model_def"), WEIGHTS, round_=1)
    assert (seen[0]["task"], seen[0]["round"]) == ("train", 1)
    assert seen[0]["cpu"] > 20
    wait_for(lambda: telemetry(server)["task"] == "")


def test_a_site_that_cannot_be_measured_goes_on_telling(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_module, "_reson_BEAT", 0.1)
    wait_for(lambda: telemetry(server)["beat"] >= 0)
    before = telemetry(server)

    def fail() -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(server.agent._usage, "measure", fail)
    wait_for(lambda: telemetry(server)["beat"] > before["beat"] + 12)
    assert telemetry(server)["memory"] > 10_000_000


# The stack file


def test_code_that_takes_the_signal_loses_it_with_the_next_task(server: Server, module: ModuleType) -> None:
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    os.kill(os.getpid(), signal.SIGUSR1)
    module.fl_train = lambda model, env, out_dir, logger: os.kill(os.getpid(), signal.SIGUSR1)  # type: ignore[attr-defined]
    server.execute(GenericClientExecutor(adapter_module="some_model_def"), WEIGHTS)
    wait_for(lambda: (server.run_dir / "stack.txt").stat().st_size > 0)


def test_sigusr1_writes_where_every_thread_stands(server: Server) -> None:
    os.kill(os.getpid(), signal.SIGUSR1)
    wait_for(lambda: (server.run_dir / "stack.txt").stat().st_size > 0)
    text = (server.run_dir / "stack.txt").read_text()
    assert "in test_sigusr1_writes_where_every_thread_stands" in text
    assert "in _beat" in text
