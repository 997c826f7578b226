"""The server's end of the control path: what the runner asks for by files in the server's run folder.

STOP ends the run. `requests/*.json`, oldest first by name, are requests {"id", "op", "sites", ...}, which are passed on to the
sites (None: all). Every site concerned answers with an event of its own, or it is said here why it cannot.

The other way goes `telemetry.json`, {"beat": count, "sites": {site: its newest telemetry}}, every second: the server's sign of
life.

Where nobody reaches the folder, the same is had by NVFlare's app command "reson.control", whose data says what is wanted:

    {"op": "events", "from": number of a line}             {"lines": [...], "telemetry": {...}}, at most 1 MB of lines
    {"op": "request", "request": {...}}                    {}
    {"op": "stop"}                                         {}
    {"op": "log", "site": a site or "server", "offset": n} {"text": what its log has beyond n bytes, at most 256 KiB of it}

or {"error": why not}. Who may not give app commands, but see how a job stands, finds {"from": number of a line, "lines",
"telemetry"} among its statistics, as "reson"; the lines of the last seconds come again, so that an answer may be lost.

This file travels to the server below the persistor's module and the reporter. So that they do not disturb each other, every name
at its top level but the class's starts with `_reson_`, and it uses no builtin that `from torch import *` replaces.
"""

import contextlib as _reson_contextlib
import json as _reson_json
import os as _reson_os
import threading as _reson_threading
import time as _reson_time
from typing import Any as _reson_Any

from nvflare.apis.event_type import EventType as _reson_EventType
from nvflare.apis.fl_constant import FLContextKey as _reson_FLContextKey
from nvflare.apis.fl_constant import ReturnCode as _reson_ReturnCode
from nvflare.apis.shareable import Shareable as _reson_Shareable
from nvflare.widgets.info_collector import InfoCollector as _reson_InfoCollector
from nvflare.widgets.widget import Widget as _reson_Widget

from .common import _reson_log_beyond
from .lines import _reson_LineReader

_reson_CONTROL = "reson.control"  # topic of the messages to the sites' agents, and of the app command
_reson_LOG = "reson.log"  # topic of the messages that ask for a site's log
_reson_POLL = 0.25  # seconds between two looks for what the runner asks
_reson_SERVER_BEAT = 1.0  # seconds between two signs of life
_reson_ACKNOWLEDGE = 5.0  # seconds that a site may take to take a request
_reson_LOG_PATIENCE = 3.0  # seconds for its log; NVFlare gives an app command 5
_reson_ANSWER_BYTES = 1 << 20  # of lines
_reson_AGAIN = 10.0  # seconds of them that the statistics repeat
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
        self._lines: _reson_Any = None
        self._taken: set[str] = set()  # ids of requests
        self._shown = [(0.0, 0)]  # when the statistics were asked for, and the number of the first line that was not among them
        self._operations = {"events": self._events, "request": self._request, "stop": self._ask_to_stop, "log": self._log}

    def handle_event(self, event_type: str, fl_ctx: _reson_Any) -> None:
        """Called by NVFlare for every event of the run."""
        if event_type == _reson_EventType.START_RUN:
            self._engine = fl_ctx.get_engine()
            self._reporter = self._engine.get_component("reporter")
            self._run_dir = self._engine.get_workspace().get_run_dir(fl_ctx.get_job_id())
            self._lines = _reson_LineReader(_reson_os.path.join(self._run_dir, "events.ndjson"))
            if hasattr(self._engine, "register_app_command"):
                self._engine.register_app_command(_reson_CONTROL, self._on_command)
            abort_signal = fl_ctx.get_run_abort_signal()
            _reson_threading.Thread(target=self._watch, args=(abort_signal,), name="reson-control", daemon=True).start()
        elif event_type == _reson_InfoCollector.EVENT_TYPE_GET_STATS:
            collector = fl_ctx.get_prop(_reson_InfoCollector.CTX_KEY_STATS_COLLECTOR)
            collector.set_info("reson", self._statistics())
        elif event_type == _reson_EventType.END_RUN:
            self._ended.set()

    def leave(self, request: dict[str, _reson_Any]) -> None:
        """Takes a request that came by another way, once: whoever did not hear that it arrived sends it again.

        Raises:
            OSError: it cannot be kept.
            ValueError: it is none.
        """
        identity = request.get("id") if isinstance(request, dict) else None
        if not identity or not isinstance(identity, str) or "op" not in request or "sites" not in request:
            raise ValueError("it is no request with id, op and sites")
        if identity not in self._taken:
            folder = _reson_os.path.join(self._run_dir, "requests")
            _reson_os.makedirs(folder, exist_ok=True)
            # In the order in which they came: the folder is read by the names.
            path = _reson_os.path.join(folder, f"{_reson_time.monotonic_ns():020d}.json")
            with open(f"{path}.part", "w", encoding="utf-8") as file:
                _reson_json.dump(request, file)
            _reson_os.replace(f"{path}.part", path)
            self._taken.add(identity)

    def ask_to_stop(self) -> None:
        """Has the run end in good order. Raises OSError."""
        with open(_reson_os.path.join(self._run_dir, "STOP"), "w"):
            pass

    def _on_command(self, topic: str, data: _reson_Any, fl_ctx: _reson_Any) -> dict[str, _reson_Any]:
        """Called by NVFlare for an app command."""
        operation = self._operations.get(str(data.get("op"))) if isinstance(data, dict) else None
        if operation is None:
            return {"error": f"there is no such operation; there are {', '.join(self._operations)}"}
        try:
            return operation(data)
        except (OSError, ValueError, KeyError, TypeError) as exc:
            return {"error": f"{type(exc).__name__}: {exc}"}

    def _events(self, data: dict[str, _reson_Any]) -> dict[str, _reson_Any]:
        telemetry: dict[str, _reson_Any] = {}
        with _reson_contextlib.suppress(OSError), open(_reson_os.path.join(self._run_dir, "telemetry.json")) as file:
            telemetry = _reson_json.load(file)
        lines = self._lines.read(data["from"], _reson_ANSWER_BYTES).decode().splitlines()
        return {"lines": lines, "telemetry": telemetry}

    def _statistics(self) -> dict[str, _reson_Any]:
        now = _reson_time.monotonic()
        while len(self._shown) > 1 and self._shown[1][0] < now - _reson_AGAIN:
            del self._shown[0]
        first = self._shown[0][1]
        said = self._events({"from": first})
        self._shown.append((now, first + len(said["lines"])))
        return {"from": first, **said}

    def _request(self, data: dict[str, _reson_Any]) -> dict[str, _reson_Any]:
        self.leave(data["request"])
        return {}

    def _ask_to_stop(self, data: dict[str, _reson_Any]) -> dict[str, _reson_Any]:
        self.ask_to_stop()
        return {}

    def _log(self, data: dict[str, _reson_Any]) -> dict[str, _reson_Any]:
        site, offset = data["site"], data["offset"]
        if site == "server":
            return {"text": _reson_log_beyond(offset)}
        if site not in [client.name for client in self._engine.get_clients()]:
            return {"error": f"there is no site {site!r} in this run"}
        with self._engine.new_context() as fl_ctx:
            replies = self._engine.send_aux_request(
                [site], _reson_LOG, _reson_Shareable({"offset": offset}), _reson_LOG_PATIENCE, fl_ctx, optional=True
            )
        reply = replies.get(site)
        code = reply.get_return_code() if reply else _reson_ReturnCode.COMMUNICATION_ERROR
        if code != _reson_ReturnCode.OK:
            return {"error": f"{site} does not show its log: {_reson_UNREACHED.get(code, code)}"}
        return {key: reply[key] for key in ("text", "error") if key in reply}

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
