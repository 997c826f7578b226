"""Takes what a site says to the server: its executor, its agent and the user's code.

This file travels to the sites below the executor's module, ours or a user's. So that neither disturbs the other, every name at
its top level but the class's starts with `_reson_`, and it uses no builtin that `from torch import *` replaces.
"""

import builtins as _reson_py
import json as _reson_json
import logging as _reson_logging
import math as _reson_math
import os as _reson_os
import sys as _reson_sys
import threading as _reson_threading
import time as _reson_time
import traceback as _reson_traceback
from collections import deque as _reson_deque
from collections.abc import Mapping as _reson_Mapping
from functools import partialmethod as _reson_partialmethod
from typing import Any as _reson_Any

from nvflare.apis.event_type import EventType as _reson_EventType
from nvflare.apis.fl_constant import ReturnCode as _reson_ReturnCode
from nvflare.apis.shareable import Shareable as _reson_Shareable
from nvflare.widgets.widget import Widget as _reson_Widget

_reson_REPORT = "reson.report"  # topic of the messages to the server's reporter
_reson_FLUSH_INTERVAL = 0.2  # seconds between two of them
_reson_SEND_TIMEOUT = 5.0  # seconds
_reson_MAX_TEXT = 20_000  # characters of one message or traceback


class ResonMessenger(_reson_Widget):
    """Collects events and sends them in batches {"sender", "batch", "events"}, in order, each until it is acknowledged.

    The events go as one text of JSON: NVFlare's own encoding fails on some texts and large numbers, and a batch that cannot be
    sent would hold up all that come after it.
    NVFlare's federated events get lost when a run aborts, arrive out of order (2.9), and add 3 s to the end of every run.
    Batches count from 0 per sender. Every process is one: with few threads the simulator starts a new process for each task.

    What the site's code prints goes to its log file as well.
    """

    def __init__(self) -> None:
        super().__init__()
        self.sender = f"{_reson_os.getpid()}-{_reson_time.time_ns()}"
        self.batches = 0
        self._engine: _reson_Any = None
        self._site = ""
        self._events: _reson_deque[dict[str, _reson_Any]] = _reson_deque()
        self._unsent: _reson_deque[dict[str, _reson_Any]] = _reson_deque()
        self._sending = _reson_threading.Lock()
        self._ended = _reson_threading.Event()
        self._warned: set[str] = set()
        self._stdout: _reson_Any = None

    def handle_event(self, event_type: str, fl_ctx: _reson_Any) -> None:
        """Called by NVFlare for every event of the site."""
        if event_type == _reson_EventType.START_RUN:
            self._engine, self._site = fl_ctx.get_engine(), fl_ctx.get_identity_name()
            self._stdout, _reson_sys.stdout = _reson_sys.stdout, _reson_Printed(_reson_sys.stdout)
            _reson_threading.Thread(target=self._keep_sending, name="reson-messenger", daemon=True).start()
        elif event_type in (_reson_EventType.END_RUN, _reson_EventType.SWAP_OUT) and self._stdout is not None:
            self._ended.set()
            self.flush()
            _reson_sys.stdout, self._stdout = self._stdout, None

    def report(self, kind: str, round_: _reson_Any, data: dict[str, _reson_Any]) -> None:
        """Takes one event. Safe on any thread; costs about a microsecond."""
        self._events.append({"time": _reson_time.time(), "type": kind, "round": round_, "data": data})

    def make_logger(self, round_: _reson_Any, abort_signal: _reson_Any) -> _reson_Any:
        """A logger for the user's code in this round."""
        return _reson_Logger(self, round_, abort_signal, self._warned)

    def failure(self, exc: BaseException) -> dict[str, _reson_Any]:
        """An exception as {"message": one line, "traceback"}; user code may have raised anything."""
        try:
            text = str(exc)
        except BaseException:
            text = ""
        line = f"{type(exc).__name__}: {text}".removesuffix(": ").splitlines()[0]
        traceback = "".join(_reson_traceback.format_exception(exc))
        return {"message": line[:1000], "traceback": traceback[-_reson_MAX_TEXT:]}

    def settle(self, reply: _reson_Any) -> None:
        """Sends all that a task said, and notes in its reply how many batches that were."""
        _ = self.flush() or self.flush() or self.flush()  # a server may be slow, but not gone for long
        reply.set_header(_reson_REPORT, {"sender": self.sender, "batches": self.batches})

    def flush(self) -> _reson_Any:
        """Sends what is there; returns whether everything has arrived."""
        with self._sending:
            events = [_reson_encode(self._events.popleft()) for _ in _reson_py.range(len(self._events))]
            if events:
                self._unsent.append({"sender": self.sender, "batch": self.batches, "events": f"[{','.join(events)}]"})
                self.batches += 1
            while self._unsent and self._send(self._unsent[0]):
                self._unsent.popleft()
            return not self._unsent

    def _keep_sending(self) -> None:
        while not self._ended.wait(_reson_FLUSH_INTERVAL):
            self.flush()

    def _send(self, batch: dict[str, _reson_Any]) -> _reson_Any:
        try:
            # A context of its own: the sending thread is not the one that a task's context belongs to.
            with self._engine.new_context() as fl_ctx:
                replies = self._engine.send_aux_request(
                    None, _reson_REPORT, _reson_Shareable(batch), _reson_SEND_TIMEOUT, fl_ctx, optional=True
                )
        except Exception:  # NVFlare is not up yet, or shutting down
            return False
        codes = (_reson_ReturnCode.OK, _reson_ReturnCode.TOPIC_UNKNOWN)  # unknown: nobody listens
        return len([reply for reply in replies.values() if reply.get_return_code() in codes]) > 0


class _reson_Aborted(BaseException):
    """The task was stopped. Not an Exception, so that a training loop's `except Exception` does not swallow it."""


class _reson_Logger:
    """What user code gets as `logger`: logger("text"), logger({"type": "warning", "msg": "text"}), and these methods."""

    Aborted = _reson_Aborted

    def __init__(self, messenger: _reson_Any, round_: _reson_Any, abort_signal: _reson_Any, warned: set[str]) -> None:
        self._messenger = messenger
        self._round = round_
        self._abort_signal = abort_signal
        self._warned = warned  # metrics, steps and attributes with a warning, in this and all earlier tasks
        self._stage = "train"

    def __call__(self, message: _reson_Any) -> None:
        """Logs a text, or a dict with `msg` and optionally `type`: debug, info, warning or error."""
        level = "info"
        if isinstance(message, _reson_Mapping):
            level = {"d": "debug", "w": "warning", "e": "error"}.get(str(message.get("type"))[:1], "info")
            message = message.get("msg", "")
        self._log(level, message)

    def _log(self, level: str, message: _reson_Any, *args: _reson_Any) -> None:
        """Logs a message; `args` go into it with %. Those of debug are sent only while the site's level is debug."""
        text = (str(message) % args if args else str(message))[:_reson_MAX_TEXT]
        number = _reson_logging.getLevelName(level.upper())
        if level != "debug" or _reson_logging.getLogger().isEnabledFor(number):
            self._messenger.report("log", self._round, {"level": level, "message": text})
            _reson_write_log(number, text)

    debug = _reson_partialmethod(_log, "debug")
    info = _reson_partialmethod(_log, "info")
    warning = _reson_partialmethod(_log, "warning")
    error = _reson_partialmethod(_log, "error")

    def log_metric(self, metrics: _reson_Any, value: _reson_Any = None, step: _reson_Any = None) -> None:
        """Logs one number, or several in a dict {name: value}; stops a task that was aborted."""
        self.check_task_abort()
        self.put_metric(metrics, value, step)

    def put_metric(self, metrics: _reson_Any, value: _reson_Any = None, step: _reson_Any = None) -> None:
        """As `log_metric`, but a task that was aborted goes on."""
        values: dict[str, _reson_Any] = {}
        for name, item in (metrics if isinstance(metrics, _reson_Mapping) else {metrics: value}).items():
            # torch warns of a tensor with a gradient that becomes a float by itself.
            number = _reson_py.float(item.item() if hasattr(item, "item") else item)
            values[str(name)] = number if _reson_math.isfinite(number) else None
            if not _reson_math.isfinite(number):
                self._warn_once(f"the metric {name!r} is {number}")
        step = None if step is None else _reson_py.int(step)
        if step is not None and not _reson_fits(step):
            self._warn_once("a step is beyond 2**63, so it is left out")
            step = None
        self._messenger.report("metrics", self._round, {"step": step, "values": values, "stage": self._stage})

    def log_attributes(self, attributes: _reson_Any) -> None:
        """Logs facts that are not curves, such as {"optimizer": "adam"}."""
        values = dict(attributes)
        for name, value in values.items():
            if isinstance(value, _reson_py.int) and not _reson_fits(value):
                self._warn_once(f"the attribute {name!r} is beyond 2**63, so it is logged as text")
                values[name] = str(value) if value.bit_length() <= 1000 else hex(value)  # str refuses the largest
        values = _reson_json.loads(_reson_json.dumps(values, default=str))
        self._messenger.report("attributes", self._round, {"values": values})

    def _warn_once(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            self.warning(text)

    def check_task_abort(self) -> None:
        """Stops the function, by an exception, if its task was aborted; call it in every step of a long loop."""
        if self._abort_signal.triggered:
            raise _reson_Aborted

    def enter(self, stage: str) -> None:
        """Says that the site now does "train" or "validate"."""
        self._stage = stage
        self._messenger.report("site", self._round, {"phase": "training" if stage == "train" else "validating"})


def _reson_fits(number: "int") -> _reson_Any:
    """Whether an integer is one of 64 bits, as stores of numbers and other languages have them."""
    return -(2**63) <= number < 2**63


def _reson_encode(event: dict[str, _reson_Any]) -> str:
    """An event as JSON in ASCII; what is none is told instead, for it would cost the others of its batch."""
    try:
        return _reson_json.dumps(event)
    except Exception as exc:
        text = f"what was reported as {event['type']} is no JSON: {type(exc).__name__}"
        return _reson_json.dumps({**event, "type": "log", "data": {"level": "warning", "message": text}})


class _reson_Printed:
    """The process's stdout, whose lines go to the files of its log as well."""

    def __init__(self, stdout: _reson_Any) -> None:
        self._stdout = stdout
        self._line = _reson_threading.local()  # threads print at once

    def write(self, text: str) -> _reson_Any:
        """As a file's."""
        *lines, rest = (getattr(self._line, "begun", "") + str(text)).split("\n")
        self._line.begun = rest[-_reson_MAX_TEXT:]
        for line in lines:
            _reson_write_log(_reson_logging.INFO, line.rpartition("\r")[2][:_reson_MAX_TEXT])
        return self._stdout.write(text)

    def __getattr__(self, name: str) -> _reson_Any:
        return getattr(self._stdout, name)


def _reson_write_log(level: "int", text: str) -> None:
    """Writes to the site's log files only: what is printed stands on the console already."""
    root = _reson_logging.getLogger()
    if not text.strip() or not root.isEnabledFor(level):
        return
    record = root.makeRecord("user", level, "", 0, text, (), None)
    for handler in root.handlers:
        # Those for errors only are NVFlare's; what stands there is taken for the cause of a failure.
        if isinstance(handler, _reson_logging.FileHandler) and handler.level < _reson_logging.ERROR:
            handler.handle(record)
