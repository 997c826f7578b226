"""What the server does before the first round, and that a run with too few sound sites ends there with the reason."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nvflare.apis.client import Client
from nvflare.apis.controller_spec import ClientTask, Task
from nvflare.apis.fl_constant import ReturnCode
from nvflare.apis.shareable import Shareable, make_reply
from nvflare.apis.signal import Signal
from nvflare.app_common.abstract.model import make_model_learnable
from nvflare.app_common.app_constant import AppConstants
from nvflare.app_common.shareablegenerators.full_model_shareable_generator import FullModelShareableGenerator

from reson_jupyter.worker import preflight as preflight_module
from reson_jupyter.worker.final_validation import ResonFinalValidation
from reson_jupyter.worker.preflight import ResonPreflight, ResonRounds
from tests.patience import wait_for

from .job_folder import JobParts, run
from .loopback import Server
from .sources import PAYLOAD_MODEL

SITES = ["site-1", "site-2", "site-3"]


class Communicator:
    """Gives the task to the sites, and takes the answers that a test gives."""

    def __init__(self) -> None:
        self.task: Task | None = None
        self.targets: list[str] = []
        self.given = threading.Event()
        self.cancelled = False

    def broadcast(self, task: Task, fl_ctx: Any, targets: list[str], *args: Any) -> None:
        self.task, self.targets = task, targets
        self.given.set()

    def broadcast_and_wait(self, task: Task, fl_ctx: Any, targets: list[str], *args: Any) -> None:
        self.task, self.targets = task, targets

    def cancel_task(self, task: Task, *args: Any, **kwargs: Any) -> None:
        self.cancelled = True


class Flight:
    """A preflight on a thread of its own."""

    def __init__(self, server: Server, min_clients: int, timeout: float = 60.0) -> None:
        self.server = server
        self.sites = SITES
        server.get_clients = lambda: [Client(name, "token") for name in self.sites]  # type: ignore[method-assign]
        self.communicator = Communicator()
        self.preflight = ResonPreflight(min_clients, timeout)
        self.preflight.communicator = self.communicator
        self._thread = threading.Thread(target=self._fly)

    def _fly(self) -> None:
        with self.server.new_context() as fl_ctx:
            self.preflight.start_controller(fl_ctx)
            self.preflight.control_flow(self.server.abort_signal, fl_ctx)

    def start(self) -> Flight:
        self._thread.start()
        assert self.communicator.given.wait(60)
        return self

    def answer(self, site: str, code: str = ReturnCode.OK, *problems: str) -> None:
        reply = make_reply(code)
        reply.set_header("reson_problems", list(problems))
        client_task = ClientTask(Client(site, "token"), self.communicator.task)
        client_task.result = reply
        with self.server.new_context() as fl_ctx:
            self.preflight._on_result(client_task, fl_ctx)

    def end(self) -> list[str]:
        """Waits for the end; returns what was logged as a warning."""
        self._thread.join(60)
        assert not self._thread.is_alive() and self.communicator.cancelled
        return [event["data"]["message"] for event in self.server.of("log") if event["data"]["level"] == "warning"]

    def targets_of_a_round(self) -> list[str]:
        rounds = ResonRounds(min_clients=1, num_rounds=1)
        rounds.communicator = communicator = Communicator()
        with self.server.new_context() as fl_ctx:
            rounds.broadcast_and_wait(task=Task("train", Shareable()), fl_ctx=fl_ctx, min_responses=1, abort_signal=None)
        return communicator.targets


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(preflight_module, "_reson_GLANCE", 0.01)
    yield


def test_all_sites_prepare_and_the_rounds_begin(server: Server) -> None:
    flight = Flight(server, 3).start()
    assert flight.communicator.targets == SITES
    assert flight.communicator.task and flight.communicator.task.name == "reson_prepare"
    for site in SITES:
        flight.answer(site)
    assert flight.end() == [] and server.reasons == []
    assert flight.targets_of_a_round() == SITES


def test_a_run_with_too_few_sound_sites_ends_with_all_reasons(server: Server) -> None:
    flight = Flight(server, 2).start()
    flight.answer("site-2", ReturnCode.EXECUTION_EXCEPTION, "the package x is missing", "it has no data")
    flight.answer("site-1")
    flight.answer("site-3", ReturnCode.EXECUTION_EXCEPTION, "it has no data")
    flight.end()
    assert server.reasons == [
        "site-2 cannot train: the package x is missing; it has no data. site-3 cannot train: it has no data. "
        "No round was begun: every round needs 2, and 1 of 3 can train."
    ]
    assert server.of("error")[0]["data"]["message"] == server.reasons[0]


def test_enough_sound_sites_go_on_without_the_others(server: Server) -> None:
    flight = Flight(server, 2).start()
    flight.answer("site-2", ReturnCode.EXECUTION_EXCEPTION, "it has no data")
    for site in ("site-1", "site-3"):
        flight.answer(site)
    assert flight.end() == ["site-2 cannot train: it has no data"]
    assert server.reasons == []
    assert flight.targets_of_a_round() == ["site-1", "site-3"]


def test_a_site_that_cannot_train_is_not_asked_to_validate_the_final_model_either(server: Server) -> None:
    flight = Flight(server, 2).start()
    flight.answer("site-2", ReturnCode.EXECUTION_EXCEPTION, "it has no data")
    for site in ("site-1", "site-3"):
        flight.answer(site)
    flight.end()
    server.reporter.heard = dict.fromkeys(SITES, time.monotonic() + 3600)
    server.components["shareable_generator"] = FullModelShareableGenerator()
    validation = ResonFinalValidation()
    validation.communicator = communicator = Communicator()
    server.abort_signal = Signal()
    with server.new_context() as fl_ctx:
        fl_ctx.set_prop(AppConstants.GLOBAL_MODEL, make_model_learnable({"w": np.zeros(1)}, {}))
        fl_ctx.set_prop(AppConstants.CURRENT_ROUND, 1)
        validation.start_controller(fl_ctx)
        stop = threading.Thread(target=lambda: communicator.given.wait(60) and server.abort_signal.trigger(True))
        stop.start()
        validation.control_flow(server.abort_signal, fl_ctx)
        stop.join(60)
    assert communicator.targets == ["site-1", "site-3"]


def test_an_answer_without_a_reason_is_a_reason(server: Server) -> None:
    flight = Flight(server, 3).start()
    flight.answer("site-1", ReturnCode.EXECUTION_RESULT_ERROR)
    for site in ("site-2", "site-3"):
        flight.answer(site)
    flight.end()
    assert server.reasons[0].startswith("site-1 cannot train: its preparation ended with EXECUTION_RESULT_ERROR. No round")


def test_a_site_that_gives_no_sign_is_not_waited_for_and_may_come_later(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight_module, "_reson_SILENT", 0.2)
    server.reporter.heard = dict.fromkeys(("site-1", "site-2"), time.monotonic() + 3600)
    flight = Flight(server, 2).start()
    for site in ("site-1", "site-2"):
        flight.answer(site)
    assert flight.end() == ["site-3 cannot train: there was no sign of it for 0.2 s"]
    assert flight.targets_of_a_round() == SITES


def test_one_that_lives_but_says_nothing_new_is_given_up_later(server: Server) -> None:
    server.reporter.heard = dict.fromkeys(SITES, time.monotonic() + 3600)
    server.reporter.spoke = dict.fromkeys(("site-1", "site-2"), time.monotonic() + 3600)
    flight = Flight(server, 2, timeout=0.2).start()
    for site in ("site-1", "site-2"):
        flight.answer(site)
    assert flight.end() == ["site-3 cannot train: its preparation has said nothing new for 0.2 s"]


def test_one_that_tells_how_far_it_is_is_waited_for(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.reporter.heard = dict.fromkeys(SITES, time.monotonic() + 3600)
    server.reporter.spoke = dict.fromkeys(SITES, time.monotonic() + 3600)
    flight = Flight(server, 2, timeout=0.05).start()
    for site in ("site-1", "site-2"):
        flight.answer(site)
    flight._thread.join(0.5)
    assert flight._thread.is_alive()
    flight.answer("site-3")
    assert flight.end() == []


def test_what_a_site_says_counts_but_its_signs_of_life_do_not(server: Server) -> None:
    wait_for(lambda: server.reporter.telemetry)
    assert server.reporter.heard.keys() == {"site-1"} and not server.reporter.spoke
    server.messenger.report("log", None, {"level": "info", "message": "fetched 1 of 2 MB"})
    server.messenger.flush()
    assert server.reporter.spoke.keys() == {"site-1"}


def test_an_abort_ends_the_waiting(server: Server) -> None:
    flight = Flight(server, 2).start()
    server.abort_signal.trigger(True)
    assert flight.end() == [] and server.reasons == []


# Real runs


@pytest.mark.nvflare
def test_a_run_whose_sites_lack_a_package_begins_no_round(tmp_path: Path) -> None:
    parts = JobParts(PAYLOAD_MODEL, "fl_train_model", model_args={"width": 5}, federated=True, requirements=("torch", "nonesuch"))
    finished = run(tmp_path, parts)
    assert finished.of("round_started") == []
    errors = {event["site"]: event["data"]["message"] for event in finished.of("error")}
    missing = "cannot train: the package nonesuch is missing (install it there, or leave it out of the requirements)"
    assert errors == {site: f"{site} {missing}" for site in ("site-1", "site-2")}
    assert any("No round was begun: every round needs 2, and 0 of 2 can train." in str(event) for event in finished.of("log"))
    assert finished.events[-1]["type"] == "run_ended"


@pytest.mark.nvflare
def test_a_site_that_cannot_train_is_left_out_of_all_rounds(tmp_path: Path) -> None:
    lacking = PAYLOAD_MODEL + '\nif "app_site-2" in __file__ or "/site-2/" in __file__:\n    raise OSError("no licence here")\n'
    parts = JobParts(lacking, "fl_train_model", model_args={"width": 5}, federated=True, min_clients=1)
    parts.training = {"weight_decay": 0.5}
    finished = run(tmp_path, parts)
    assert finished.code == 0, finished.output[-3000:]
    assert [event["data"]["sites"] for event in finished.of("aggregated")] == [["site-1"], ["site-1"]]
    [error] = finished.of("error")
    assert error["data"]["message"] == "site-2 cannot train: model_def.py cannot be imported: OSError: no licence here"
    began = [event["time"] for event in finished.of("round_started")]
    assert began[1] - began[0] < parts.wait  # nobody waits for it either
