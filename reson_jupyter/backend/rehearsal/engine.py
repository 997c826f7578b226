"""NVFlare's server or a site in one process, as far as a job's own components need them. Loaded by `process`, by its path."""

from __future__ import annotations

import importlib
import json
import logging
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nvflare.apis.client import Client
from nvflare.apis.event_type import EventType
from nvflare.apis.fl_component import FLComponent
from nvflare.apis.fl_constant import FLContextKey, ReservedKey, ReturnCode
from nvflare.apis.fl_context import FLContext, FLContextManager
from nvflare.apis.shareable import Shareable, make_reply
from nvflare.apis.signal import Signal
from nvflare.apis.utils.event import fire_event_to_components
from nvflare.apis.workspace import Workspace

JOB_ID = "simulate_job"
REPORT = "reson.report"  # topic of the executor's messages and name of the persistor's event; see worker/
Event = dict[str, Any]


class Engine:
    """One side of a run. What its components report, by message or by event, is handed to `on_event` as {"type", "data", ...}.

    Args:
        name: "server" or a site's name.
        root: Folder for its files; created.
        app: The job's app folder, with `config` and `custom`.
        on_event: Called on whatever thread the component reports from.
    """

    def __init__(self, name: str, root: Path, app: Path, on_event: Callable[[Event], None]) -> None:
        for folder in ("startup", "local", JOB_ID):
            (root / folder).mkdir(parents=True)
        self._name = name
        self._on_event = on_event
        self._components: dict[str, Any] = {}
        self._workspace = Workspace(str(root), name)
        stickers = {
            FLContextKey.APP_ROOT: str(app),
            FLContextKey.WORKSPACE_ROOT: str(root),
            FLContextKey.WORKSPACE_OBJECT: self._workspace,
            FLContextKey.CURRENT_JOB_ID: JOB_ID,
            ReservedKey.RUN_ABORT_SIGNAL: Signal(),
        }
        self._contexts = FLContextManager(self, name, JOB_ID, {}, stickers)

    def add(self, identity: str, component: Any) -> Any:
        """Takes a component, which from now on hears of the events, and returns it."""
        self._components[identity] = component
        return component

    def start(self) -> None:
        """Tells the components that the run starts; raises what one of them raises."""
        with self.new_context() as fl_ctx:
            self.fire_event(EventType.START_RUN, fl_ctx)
            for error in (fl_ctx.get_prop(FLContextKey.EXCEPTIONS) or {}).values():
                raise error

    def context(self, peer: str, **props: Any) -> FLContext:
        """A context with these private properties, as if because of a message of `peer`."""
        fl_ctx = self.new_context()
        for key, value in props.items():
            fl_ctx.set_prop(key, value, private=True, sticky=False)
        peer_ctx = FLContext()
        peer_ctx.set_prop(ReservedKey.IDENTITY_NAME, peer, private=False, sticky=False)
        peer_ctx.set_prop(ReservedKey.RUN_NUM, JOB_ID, private=False, sticky=False)
        fl_ctx.set_peer_context(peer_ctx)
        return fl_ctx

    # What components call

    def new_context(self) -> FLContext:
        """A context as a component's own thread gets it."""
        return self._contexts.new_context()

    def get_workspace(self) -> Workspace:
        """The folders of this side."""
        return self._workspace

    def get_component(self, component_id: str) -> Any:
        """The component of that id, or None."""
        return self._components.get(component_id)

    def get_all_components(self) -> Mapping[str, Any]:
        """All components by id."""
        return dict(self._components)

    def get_clients(self) -> list[Client]:
        """The sites of the run."""
        return [Client(f"site-{number}", f"token-{number}") for number in (1, 2)]

    def fire_event(self, event_type: str, fl_ctx: FLContext) -> None:
        """Tells every component of an event."""
        data = fl_ctx.get_prop(FLContextKey.EVENT_DATA)
        if event_type == EventType.FATAL_SYSTEM_ERROR:
            self._on_event({"type": "error", "data": {"message": str(data), "traceback": ""}})
        elif event_type == REPORT and isinstance(data, dict):
            self._on_event(data)
        fire_event_to_components(event_type, [c for c in self._components.values() if isinstance(c, FLComponent)], fl_ctx)

    def register_aux_message_handler(self, topic: str, message_handle_func: Any) -> None:
        """Nobody sends messages to a component in a rehearsal."""

    def send_aux_request(
        self, targets: Any, topic: str, request: Shareable, timeout: float, fl_ctx: FLContext, **_: Any
    ) -> dict[str, Shareable]:
        """Takes a message to the server; the executor's reports are handed on."""
        for event in json.loads(request.get("events", "[]")) if topic == REPORT else ():
            self._on_event(event)
        return {"server": make_reply(ReturnCode.OK)}

    def fire_and_forget_aux_request(self, *_: Any, **__: Any) -> dict[str, Shareable]:
        """Takes a message that nobody waits for, such as a federated event."""
        return {}


class ErrorLog(logging.Handler):
    """Keeps the last traceback that somebody logged as an error: some executors log it and return a mere code."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.message = ""
        self.traceback = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Called for every record."""
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + "".join(traceback.format_exception(*record.exc_info))
        if "Traceback (most recent call last)" in text:
            self.traceback = text[text.index("Traceback (most recent call last)") :]
            self.message = next((line for line in reversed(text.splitlines()) if line.strip()), "")
        elif not self.traceback:
            self.message = text


def build(config: Mapping[str, Any], **changes: Any) -> Any:
    """Makes the object that a config entry {"path", "args"} names; arguments of that form are made into objects first."""
    arguments = {**config.get("args", {}), **changes}
    for name, value in arguments.items():
        if isinstance(value, dict) and isinstance(value.get("path"), str):
            arguments[name] = build(value)
    return find(config["path"])(**arguments)


def find(path: str) -> Any:
    """The class of a dotted path."""
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)
