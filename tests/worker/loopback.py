"""NVFlare's server and one site in this process, as far as the worker files need them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from nvflare.apis.client import Client
from nvflare.apis.dxo import DXO, DataKind
from nvflare.apis.event_type import EventType
from nvflare.apis.executor import Executor
from nvflare.apis.fl_component import FLComponent
from nvflare.apis.fl_constant import FLContextKey, ReservedKey
from nvflare.apis.fl_context import FLContext, FLContextManager
from nvflare.apis.shareable import ReturnCode, Shareable, make_reply
from nvflare.apis.signal import Signal
from nvflare.apis.utils.event import fire_event_to_components
from nvflare.app_common.app_constant import AppConstants
from nvflare.fuel.utils import fobs

from reson_jupyter.worker.agent import ResonAgent
from reson_jupyter.worker.control import ResonControl
from reson_jupyter.worker.messenger import ResonMessenger
from reson_jupyter.worker.reporter import ResonReporter


class Engine:
    """An engine whose messages go straight to its own handlers."""

    def __init__(self, run_dir: Path, name: str = "site-1") -> None:
        self.run_dir = run_dir
        self.components: dict[str, FLComponent] = {}
        self.topics: dict[str, Any] = {}
        self.commands: dict[str, Any] = {}
        self.answer: str | None = None  # what every message gets instead of being handled
        self.reasons: list[str] = []  # of panics
        self.abort_signal = Signal()
        stickers = {
            FLContextKey.APP_ROOT: str(run_dir / "app"),
            ReservedKey.RUN_ABORT_SIGNAL: self.abort_signal,
        }
        self._contexts = FLContextManager(self, name, "job", {}, stickers)

    def new_context(self) -> FLContext:
        return self._contexts.new_context()

    def get_workspace(self) -> Engine:
        return self

    def get_run_dir(self, job_id: str) -> str:
        return str(self.run_dir)

    def get_root_dir(self) -> str:
        return str(self.run_dir)

    def get_site_config_dir(self) -> str:
        return str(self.run_dir / "local")

    def fire_event(self, event_type: str, fl_ctx: FLContext) -> None:
        if event_type == EventType.FATAL_SYSTEM_ERROR:
            self.reasons.append(fl_ctx.get_prop(FLContextKey.EVENT_DATA))
        fire_event_to_components(event_type, list(self.components.values()), fl_ctx)
        assert not fl_ctx.get_prop(FLContextKey.EXCEPTIONS), fl_ctx.get_prop(FLContextKey.EXCEPTIONS)

    def get_component(self, component_id: str) -> FLComponent | None:
        return self.components.get(component_id)

    def get_clients(self) -> list[Client]:
        return [Client("site-1", "token")]

    def register_app_command(self, topic: str, command: Any) -> None:
        self.commands[topic] = command

    def command(self, **data: Any) -> dict[str, Any]:
        """Has the server do what somebody with an admin's kit asks for."""
        with self.new_context() as fl_ctx:
            answer: dict[str, Any] = self.commands["reson.control"]("reson.control", data, fl_ctx)
        return answer

    def register_aux_message_handler(self, topic: str, message_handle_func: Any) -> None:
        self.topics[topic] = message_handle_func

    def send_aux_request(
        self, targets: Any, topic: str, request: Shareable, timeout: float, fl_ctx: FLContext, optional: bool = False
    ) -> dict[str, Shareable]:
        fobs.dumps(request)  # as it is before it leaves
        request.set_peer_props({ReservedKey.IDENTITY_NAME: fl_ctx.get_identity_name()})
        if self.answer is not None:
            reply = make_reply(self.answer)
        elif topic not in self.topics:
            reply = make_reply(ReturnCode.TOPIC_UNKNOWN)
        else:
            reply = self.topics[topic](topic=topic, request=request, fl_ctx=fl_ctx)  # as NVFlare calls it
        return {target: reply for target in targets or ["server"]}


class Server(Engine):
    """A server and its site, site-1, with our components, at the start of a run."""

    def __init__(self, run_dir: Path, executor: str = "reson_jupyter.worker.executor.GenericClientExecutor") -> None:
        super().__init__(run_dir)
        config = run_dir / "app" / "config"
        config.mkdir(parents=True)
        workflow = {"id": "scatter_and_gather", "path": "p", "args": {"num_rounds": 2, "min_clients": 1}}
        (config / "config_fed_server.json").write_text(json.dumps({"workflows": [workflow]}))
        entry = {"path": executor, "args": {"data_root": "/dev/null/nowhere", "train_fn": "fl_train", "learning_rate": 0.5}}
        (config / "config_fed_client.json").write_text(
            json.dumps({"executors": [{"tasks": ["train", "validate"], "executor": entry}]})
        )
        self.reporter = ResonReporter()
        self.messenger = ResonMessenger()
        self.agent = ResonAgent(str(run_dir), "some_model_def", {"short": "a_long_name"})
        self.components |= {
            "reporter": self.reporter,
            "control": ResonControl(),
            "agent": self.agent,
            "messenger": self.messenger,
        }
        self.fire(EventType.START_RUN)

    def end(self) -> None:
        """The end of the run."""
        self.fire(EventType.ABOUT_TO_END_RUN)
        self.fire(EventType.END_RUN)

    def fire(self, event_type: str, peer: str | None = None, **props: Any) -> None:
        """Fires an event with these properties in its context, as if because of a message of `peer`."""
        with self.new_context() as fl_ctx:
            for key, value in props.items():
                fl_ctx.set_prop(key, value, private=True, sticky=False)
            if peer:
                peer_ctx = FLContext()
                peer_ctx.set_prop(ReservedKey.IDENTITY_NAME, peer, private=False)
                fl_ctx.set_peer_context(peer_ctx)
            self.fire_event(event_type, fl_ctx)

    def events(self) -> list[dict[str, Any]]:
        """What the reporter has written."""
        return [json.loads(line) for line in (self.run_dir / "events.ndjson").read_text().splitlines()]

    def of(self, type_: str) -> list[dict[str, Any]]:
        """The events of this type."""
        return [event for event in self.events() if event["type"] == type_]

    def phases(self) -> list[str]:
        """What the site said that it is at."""
        return [event["data"]["phase"] for event in self.of("site")]

    def execute(self, executor: Executor, weights: dict[str, np.ndarray], round_: int = 0, task: str = "train") -> Shareable:
        """Has the executor do a task, as NVFlare does."""
        self.components["executor"] = executor
        shareable = DXO(DataKind.WEIGHTS, weights).to_shareable()
        shareable.set_header(AppConstants.CURRENT_ROUND, round_)
        shareable.set_header(AppConstants.NUM_ROUNDS, 2)
        task_signal = Signal(parent=self.abort_signal)
        props = {FLContextKey.TASK_NAME: task, FLContextKey.TASK_DATA: shareable}
        self.fire(EventType.BEFORE_TASK_EXECUTION, **props)
        with self.new_context() as fl_ctx:
            reply = executor.execute(task, shareable, fl_ctx, task_signal)
        if not task_signal.triggered:
            self.fire(EventType.AFTER_TASK_EXECUTION, **{FLContextKey.TASK_RESULT: reply})
        self.fire(EventType.BEFORE_SEND_TASK_RESULT)
        return reply
