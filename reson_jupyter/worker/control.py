"""The server's end of the control path: what the runner asks for by files in the server's run folder.

STOP ends the run. `requests/*.json`, oldest first by name, are requests {"id", "op", "sites", ...}, which are passed on to the
sites (None: all). Every site concerned answers with an event of its own, or it is said here why it cannot.

The other way goes `telemetry.json`, {"beat": count, "sites": {site: its newest telemetry}}, every second: the server's sign of
life.

This file travels to the server below the persistor's module and the reporter. So that they do not disturb each other, every name
at its top level but the class's starts with `_reson_`, and it uses no builtin that `from torch import *` replaces.
"""

import json as _reson_json
import os as _reson_os
import threading as _reson_threading
import time as _reson_time
from typing import Any as _reson_Any

from nvflare.apis.event_type import EventType as _reson_EventType
from nvflare.apis.fl_constant import FLContextKey as _reson_FLContextKey
from nvflare.apis.fl_constant import ReturnCode as _reson_ReturnCode
from nvflare.apis.shareable import Shareable as _reson_Shareable
from nvflare.widgets.widget import Widget as _reson_Widget

_reson_CONTROL = "reson.control"  # topic of the messages to the sites' agents
_reson_POLL = 0.25  # seconds between two looks for what the runner asks
_reson_SERVER_BEAT = 1.0  # seconds between two signs of life
_reson_ACKNOWLEDGE = 5.0  # seconds that a site may take to take a request
_reson_UNREACHED = {
    _reson_ReturnCode.COMMUNICATION_ERROR: "it has no process now",
    _reson_ReturnCode.TIMEOUT: f"no sign of it within {_reson_ACKNOWLEDGE:g} s",
    _reson_ReturnCode.TOPIC_UNKNOWN: "it has not started yet",
}


class ResonControl(_reson_Widget):
    """Watches the run folder from the start of the run to its end."""

    def __init__(self) -> None:
        super().__init__()
        self._ended = _reson_threading.Event()
        self._engine: _reson_Any = None
        self._reporter: _reson_Any = None
        self._run_dir = ""

    def handle_event(self, event_type: str, fl_ctx: _reson_Any) -> None:
        """Called by NVFlare for every event of the run."""
        if event_type == _reson_EventType.START_RUN:
            self._engine = fl_ctx.get_engine()
            self._reporter = self._engine.get_component("reporter")
            self._run_dir = self._engine.get_workspace().get_run_dir(fl_ctx.get_job_id())
            abort_signal = fl_ctx.get_run_abort_signal()
            _reson_threading.Thread(target=self._watch, args=(abort_signal,), name="reson-control", daemon=True).start()
        elif event_type == _reson_EventType.END_RUN:
            self._ended.set()

    def _watch(self, abort_signal: _reson_Any) -> None:
        stopped, beat, due = False, 0, _reson_time.monotonic()
        while not self._ended.wait(_reson_POLL):
            if not stopped and _reson_os.path.exists(_reson_os.path.join(self._run_dir, "STOP")):
                stopped = True
                self._stop(abort_signal)
            for request in _reson_take(_reson_os.path.join(self._run_dir, "requests")):
                # On a thread of its own: a site that does not answer must not hold this one up.
                _reson_threading.Thread(target=self._pass_on, args=(request,), name="reson-request", daemon=True).start()
            if _reson_time.monotonic() >= due:
                beat, due = beat + 1, _reson_time.monotonic() + _reson_SERVER_BEAT
                self._reporter.retry()
                content = {"beat": beat, "sites": dict(self._reporter.telemetry)}
                _reson_replace(_reson_os.path.join(self._run_dir, "telemetry.json"), _reson_json.dumps(content))

    def _stop(self, abort_signal: _reson_Any) -> None:
        with self._engine.new_context() as fl_ctx:
            event = {"type": "log", "round": None, "data": {"level": "info", "message": "The run was asked to stop."}}
            self.fire_event_with_data("reson.report", fl_ctx, _reson_FLContextKey.EVENT_DATA, event)
        abort_signal.trigger(True)

    def _pass_on(self, request: dict[str, _reson_Any]) -> None:
        known = [client.name for client in self._engine.get_clients()]
        sites = known if request["sites"] is None else request["sites"]
        self._reporter.expect(request["id"], sites)
        replies = self._send(request, [site for site in sites if site in known])
        for site in sites:
            code = replies[site].get_return_code() if site in replies else _reson_ReturnCode.COMMUNICATION_ERROR
            if code != _reson_ReturnCode.OK:
                why = _reson_UNREACHED.get(code) if site in known else "there is no such site"
                self._reporter.refuse(request["id"], site, f"was not reached: {why}" if why else f"answered {code}")

    def _send(self, request: dict[str, _reson_Any], sites: list[str]) -> dict[str, _reson_Any]:
        """Asks the sites and returns what each acknowledged; as text, since NVFlare's encoding fails on some params."""
        message = _reson_Shareable({"request": _reson_json.dumps(request)})
        with self._engine.new_context() as fl_ctx:
            replies: dict[str, _reson_Any] = self._engine.send_aux_request(
                sites, _reson_CONTROL, message, _reson_ACKNOWLEDGE, fl_ctx, optional=True
            )
        return replies


def _reson_take(folder: str) -> list[dict[str, _reson_Any]]:
    """The requests in the folder, which are gone from it then."""
    requests = []
    for name in sorted(_reson_os.listdir(folder)) if _reson_os.path.isdir(folder) else []:
        if name.endswith(".json"):
            path = _reson_os.path.join(folder, name)
            try:
                with open(path, encoding="utf-8") as file:
                    requests.append(_reson_json.load(file))
            except (ValueError, RecursionError):
                pass  # no request; whoever wrote it gets no answer
            _reson_os.remove(path)
    return requests


def _reson_replace(path: str, text: str) -> None:
    """Writes a file whole; not at all where the disk is full."""
    try:
        with open(f"{path}.tmp", "w", encoding="utf-8") as file:
            file.write(text)
        _reson_os.replace(f"{path}.tmp", path)
    except OSError:
        pass
