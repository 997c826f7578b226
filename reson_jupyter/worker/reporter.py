"""Writes what happens in a run to `events.ndjson` in the server's run folder, one JSON object a line.

This file travels to the server below the persistor's module, ours or a user's. So that neither disturbs the other, every name at
its top level but the class's starts with `_reson_`, and it uses no builtin that `from torch import *` replaces.
"""

import builtins as _reson_py
import hashlib as _reson_hashlib
import json as _reson_json
import os as _reson_os
import re as _reson_re
import threading as _reson_threading
import time as _reson_time
from typing import Any as _reson_Any

import numpy as _reson_numpy
from nvflare import __version__ as _reson_nvflare_version
from nvflare.apis.analytix import AnalyticsData as _reson_AnalyticsData
from nvflare.apis.dxo import MetaKey as _reson_MetaKey
from nvflare.apis.dxo import from_shareable as _reson_from_shareable
from nvflare.apis.event_type import EventType as _reson_EventType
from nvflare.apis.fl_constant import FLContextKey as _reson_FLContextKey
from nvflare.apis.fl_constant import ReservedKey as _reson_ReservedKey
from nvflare.apis.fl_constant import ReturnCode as _reson_ReturnCode
from nvflare.apis.shareable import make_reply as _reson_make_reply
from nvflare.app_common.app_constant import AppConstants as _reson_AppConstants
from nvflare.app_common.app_event_type import AppEventType as _reson_AppEventType
from nvflare.widgets.widget import Widget as _reson_Widget

from .site_events import _reson_MAX_TEXT, _reson_number, _reson_SITE_EVENTS

_reson_REPORT = "reson.report"  # topic of the executors' messages, and name of the persistor's local event
_reson_ROUNDS = "scatter_and_gather"  # id of the workflow that trains
_reson_BUSY = ("training", "validating", "skipping")  # phases of a site in a task
_reson_FAREWELL = 3.0  # seconds that the end of the run waits for sites in a task


class ResonReporter(_reson_Widget):
    """Listens to the run's own events, to the sites' reports and to the persistor, and writes them down.

    `heard` tells when each site reported last, by the monotonic clock, `spoke` when it last had something to say, and `telemetry`
    its newest sign of life.
    """

    def __init__(self) -> None:
        super().__init__()
        self.heard: dict[str, _reson_Any] = {}
        self.spoke: dict[str, _reson_Any] = {}
        self.telemetry: dict[str, _reson_Any] = {}
        self._log: _reson_Any = None
        self._lock = _reson_threading.Condition()
        self._round: _reson_Any = None
        self._accepted: list[str] = []
        self._busy: set[str] = set()  # sites in a task
        self._failed = False
        self._told: set[_reson_Any] = set()  # (site, round) with an error
        self._received: dict[_reson_Any, _reson_Any] = {}  # (site, sender): batches
        self._sent: dict[_reson_Any, _reson_Any] = {}  # the same, by the sender's own count
        self._asked: set[_reson_Any] = set()  # (request, site) without an answer
        self._handlers = {
            _reson_EventType.START_RUN: self._on_start,
            _reson_EventType.BEFORE_PROCESS_SUBMISSION: self._on_reply,
            _reson_EventType.FATAL_SYSTEM_ERROR: self._on_fatal,
            _reson_EventType.ERROR_LOG_AVAILABLE: self._on_server_log,
            _reson_EventType.END_RUN: self._on_end,
            _reson_AppEventType.INITIAL_MODEL_LOADED: self._on_model,
            _reson_AppEventType.ROUND_STARTED: self._on_round,
            _reson_AppEventType.AFTER_CONTRIBUTION_ACCEPT: self._on_contribution,
            _reson_AppEventType.AFTER_AGGREGATION: self._on_aggregated,
            _reson_AppEventType.AFTER_SHAREABLE_TO_LEARNABLE: self._on_model,
            _reson_REPORT: self._on_persistor,
            "fed.analytix_log_stats": self._on_scalars,
            "fed._error_log_available": self._on_site_log,
        }

    def handle_event(self, event_type: str, fl_ctx: _reson_Any) -> None:
        """Called by NVFlare for every event of the run, on several threads."""
        handler = self._handlers.get(event_type)
        with self._lock:
            if handler is not None and (self._log is not None or event_type == _reson_EventType.START_RUN):
                handler(fl_ctx)

    def expect(self, request: str, sites: list[str]) -> None:
        """Sees to it that each of the sites answers the request; at the latest the end of the run is its answer."""
        with self._lock:
            self._asked.update((request, site) for site in sites)

    def refuse(self, request: str, site: str, reason: str) -> None:
        """Answers a request for a site that will not."""
        with self._lock:
            data = {"request": request, "ok": False, "value": None, "error": f"{site} {reason}", "traceback": ""}
            self._answer(site, data, None)

    def retry(self) -> None:
        """Tries again to write what a full disk did not take."""
        with self._lock:
            if self._log is not None:
                self._log.flush()

    def _answer(self, site: str, data: dict[str, _reson_Any], time: _reson_Any) -> None:
        # A site that takes a request too late may answer after it was said that it does not; the first answer counts.
        if (data["request"], site) in self._asked:
            self._asked.remove((data["request"], site))
            self._write("answer", data, site, time=time)

    def _write(
        self, kind: str, data: dict[str, _reson_Any], site: _reson_Any = None, round_: _reson_Any = None, time: _reson_Any = None
    ) -> None:
        if self._log is not None:
            event = {"time": time or _reson_time.time(), "type": kind, "site": site, "round": round_, "data": data}
            self._log.write(_reson_clean(_reson_json.dumps(event, allow_nan=False)))

    # The run itself

    def _on_start(self, fl_ctx: _reson_Any) -> None:
        engine = fl_ctx.get_engine()
        run_dir = engine.get_workspace().get_run_dir(fl_ctx.get_job_id())
        self._log = _reson_Lines(_reson_os.path.join(run_dir, "events.ndjson"))
        path = _reson_os.path.join(fl_ctx.get_prop(_reson_FLContextKey.APP_ROOT), "config", "config_fed_server.json")
        with open(path, encoding="utf-8") as file:
            workflows = _reson_json.load(file)["workflows"]
        plan = next(workflow["args"] for workflow in workflows if workflow["id"] == _reson_ROUNDS)
        data = {"num_rounds": plan["num_rounds"], "min_clients": plan["min_clients"], "nvflare": _reson_nvflare_version}
        self._write("run_started", data)
        engine.register_aux_message_handler(topic=_reson_REPORT, message_handle_func=self._on_report)

    def _on_round(self, fl_ctx: _reson_Any) -> None:
        self._round = fl_ctx.get_prop(_reson_AppConstants.CURRENT_ROUND)
        self._accepted = []
        self._write("round_started", {}, round_=self._round)

    def _on_contribution(self, fl_ctx: _reson_Any) -> None:
        accepted = fl_ctx.get_prop(_reson_AppConstants.AGGREGATION_ACCEPTED) is True
        site, samples = fl_ctx.get_peer_context().get_identity_name(), 0.0
        if accepted:
            self._accepted.append(site)
            dxo = _reson_from_shareable(fl_ctx.get_prop(_reson_AppConstants.TRAINING_RESULT))
            samples = _reson_number(dxo.get_meta_prop(_reson_MetaKey.NUM_STEPS_CURRENT_ROUND) or 1)  # 1: as the aggregator counts
        self._write("contribution", {"accepted": accepted, "samples": samples}, site, self._round)

    def _on_aggregated(self, fl_ctx: _reson_Any) -> None:
        self._write("aggregated", {"sites": self._accepted}, round_=self._round)

    def _on_model(self, fl_ctx: _reson_Any) -> None:
        weights = fl_ctx.get_prop(_reson_AppConstants.GLOBAL_MODEL)["weights"]
        self._write("model", _reson_fingerprint(weights), round_=self._round)

    def _on_fatal(self, fl_ctx: _reson_Any) -> None:
        if not self._failed:  # those after the first are its consequences
            self._failed = True
            reason = str(fl_ctx.get_prop(_reson_FLContextKey.EVENT_DATA))[:1000]
            if self._round in [number for _, number in self._told]:  # the site's error, which was told, is the cause
                self._write("log", {"level": "error", "message": reason}, round_=self._round)
            else:
                self._write("error", {"message": reason, "traceback": ""}, round_=self._round)

    def _on_end(self, fl_ctx: _reson_Any) -> None:
        # When a run is stopped, the server is here before the sites know of it.
        self._lock.wait_for(lambda: not self._busy, timeout=_reson_FAREWELL)
        for key, sent in self._sent.items():
            if sent > self._received.get(key, 0):
                self._write("lost", {"batches": sent - self._received.get(key, 0)}, key[0])
        for request, site in sorted(self._asked):
            self.refuse(request, site, "had not answered when the run ended")
        self._write("run_ended", {})
        self._log.close()
        self._log = None

    # What others tell

    def _on_persistor(self, fl_ctx: _reson_Any) -> None:
        event = fl_ctx.get_prop(_reson_FLContextKey.EVENT_DATA)
        self._failed = self._failed or event["type"] == "error"
        self._write(event["type"], event["data"], round_=event["round"])

    def _on_report(self, topic: str, request: _reson_Any, fl_ctx: _reson_Any) -> _reson_Any:
        """Takes one batch of a site; senders repeat a batch whose acknowledgement they missed."""
        key = (_reson_peer(request), request["sender"])
        try:
            events = list(_reson_json.loads(_reson_clean(request["events"])))
        except Exception:
            events = [None]  # which makes no sense, and is told
        with self._lock:
            self.heard[key[0]] = _reson_time.monotonic()
            if request["batch"] >= self._received.get(key, 0):
                for event in events:
                    self._write_site_event(key[0], event)
                self._received[key] = request["batch"] + 1
                self._lock.notify_all()
        return _reson_make_reply(_reson_ReturnCode.OK)

    def _write_site_event(self, site: str, event: dict[str, _reson_Any]) -> None:
        try:
            self._take(site, event)
        except Exception as exc:  # a site may send anything; what only the server may say ends here, too
            text = f"{site} sent an event that makes no sense: {type(exc).__name__}"
            self._write("log", {"level": "warning", "message": text}, round_=self._round)

    def _take(self, site: str, event: dict[str, _reson_Any]) -> None:
        kind, time = event["type"], _reson_number(event["time"])
        round_ = None if event["round"] is None else _reson_py.int(event["round"])
        data = _reson_SITE_EVENTS[kind](event["data"])
        if kind == "telemetry":
            self.telemetry[site] = {"time": time, "round": round_, **data}
        elif kind == "answer":
            self._answer(site, data, time)
        else:
            self.spoke[site] = _reson_time.monotonic()
            if kind == "error":
                self._told.add((site, round_))
            if kind in ("error", "site"):
                (self._busy.add if data.get("phase") in _reson_BUSY else self._busy.discard)(site)
            self._write(kind, data, site, round_, time)

    def _on_reply(self, fl_ctx: _reson_Any) -> None:
        """Sees every reply to a task before the workflow does."""
        result = fl_ctx.get_prop(_reson_FLContextKey.TASK_RESULT)
        site = fl_ctx.get_peer_context().get_identity_name()
        self._busy.discard(site)
        report = result.get_header(_reson_REPORT)
        if report:
            self._sent[(site, report["sender"])] = report["batches"]
        code = result.get_return_code()
        round_ = result.get_cookie(_reson_AppConstants.CONTRIBUTION_ROUND, self._round)
        expected = [_reson_ReturnCode.OK, _reson_ReturnCode.TASK_ABORTED]
        if fl_ctx.get_prop(_reson_FLContextKey.TASK_NAME) == _reson_AppConstants.TASK_VALIDATION:
            expected.append(_reson_ReturnCode.TASK_UNSUPPORTED)  # it has nothing to validate with
        if code not in expected and (site, round_) not in self._told:
            self._write_error(site, f"{site} answered {code}; its own log says why", "", round_)

    def _on_site_log(self, fl_ctx: _reson_Any) -> None:
        shareable = fl_ctx.get_prop(_reson_FLContextKey.EVENT_DATA)
        text = _reson_log_text(shareable)
        lines = text.strip().splitlines() or [""]
        raised = "Traceback (most recent call last)" in text
        self._write_error(_reson_peer(shareable), lines[-1 if raised else 0], text if raised else "", self._round)

    def _write_error(self, site: str, message: str, traceback: str, round_: _reson_Any) -> None:
        self._told.add((site, round_))
        self._write("error", {"message": message[:1000], "traceback": traceback}, site, round_)

    def _on_server_log(self, fl_ctx: _reson_Any) -> None:
        text = _reson_log_text(fl_ctx.get_prop(_reson_FLContextKey.EVENT_DATA))
        self._write("log", {"level": "error", "message": text}, round_=self._round)

    def _on_scalars(self, fl_ctx: _reson_Any) -> None:
        shareable = fl_ctx.get_prop(_reson_FLContextKey.EVENT_DATA)
        record = _reson_AnalyticsData.from_dxo(_reson_from_shareable(shareable))
        values = record.value if isinstance(record.value, dict) else {record.tag: record.value}
        if record.data_type.name in ("SCALAR", "SCALARS", "METRIC", "METRICS"):
            data = {"step": record.step, "values": values, "stage": "train"}
            self._write("metrics", _reson_SITE_EVENTS["metrics"](data), _reson_peer(shareable), self._round)


class _reson_Lines:
    """A file of lines. What a full disk does not take is kept and tried again, so that nothing is lost or out of order."""

    def __init__(self, path: str) -> None:
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115 - until the end of the run
        self._left = b""

    def write(self, line: str) -> None:
        """Appends a line."""
        self._left += line.encode() + b"\n"
        self.flush()

    def flush(self) -> None:
        """Writes what is left."""
        try:
            while self._left:
                self._left = self._left[self._file.write(self._left) :]
        except OSError:
            pass

    def close(self) -> None:
        """After it nothing is written."""
        self.flush()
        self._file.close()


def _reson_fingerprint(weights: dict[str, _reson_Any]) -> dict[str, _reson_Any]:
    """Digest of the weights' values, and whether all are finite.

    Integers count as float64 and 16-bit floats as float32, which is what averaging makes of them, so that the digest changes with
    the values only.
    """
    digest, finite = _reson_hashlib.sha256(), True
    for key in sorted(weights):
        value = _reson_numpy.ascontiguousarray(weights[key])
        if value.dtype.kind not in "fc":
            value = value.astype("float64")
        elif value.dtype.itemsize < 4:
            value = value.astype("float32")
        finite = finite and _reson_py.bool(_reson_numpy.isfinite(value).all())
        digest.update(f"{key} {value.shape} {value.dtype}".encode())
        digest.update(value.data)
    return {"digest": digest.hexdigest(), "finite": finite}


def _reson_peer(shareable: _reson_Any) -> _reson_Any:
    return shareable.get_peer_prop(_reson_ReservedKey.IDENTITY_NAME, None)


def _reson_log_text(shareable: _reson_Any) -> str:
    """The text of NVFlare's log event, without the [identity=...] that it puts before it."""
    text = str(_reson_AnalyticsData.from_dxo(_reson_from_shareable(shareable)).value)
    return _reson_re.sub(r"^\[identity=[^\]]*\]: ", "", text)[-_reson_MAX_TEXT:]


def _reson_clean(text: str) -> str:
    """JSON in ASCII, with a "?" for each half of a character, which those who read the log would refuse."""
    if "\\ud" not in text.lower():
        return text
    whole = _reson_json.dumps(_reson_json.loads(text), ensure_ascii=False).encode("utf-8", "replace")
    return _reson_json.dumps(_reson_json.loads(whole))
