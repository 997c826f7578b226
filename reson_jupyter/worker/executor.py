"""Runs the user's functions on one site and tells the server. Travels as `custom_client_executor.py`; NVFlare 2.7.2 to 2.9."""

from __future__ import annotations

import importlib
import inspect
import json
import math
import os
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partialmethod
from typing import Any

import numpy as np
import torch
from nvflare.apis.dxo import DXO, DataKind, MetaKey, from_shareable
from nvflare.apis.executor import Executor
from nvflare.apis.fl_constant import ReturnCode
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable, make_reply
from nvflare.apis.signal import Signal
from nvflare.app_common.app_constant import AppConstants

REPORT = "reson.report"  # topic of our messages to the server's reporter
FLUSH_INTERVAL = 0.2  # seconds between two of them
SEND_TIMEOUT = 5.0  # seconds
MAX_TEXT = 20_000  # characters of one message or traceback

Weights = dict[str, torch.Tensor]


class TaskAborted(BaseException):
    """The run was stopped. Not an Exception, so that a training loop's `except Exception` does not swallow it."""


class EventSender:
    """Collects events and sends them in batches {"site", "sender", "batch", "events"}, in order, each until it is acknowledged.

    NVFlare's federated events get lost when a run aborts, arrive out of order, and add 3 s to the end of every run.
    Batches count from 0 per sender. Every process is one: with few threads the simulator starts a new process for each task.
    """

    def __init__(self, site: str, send: Callable[[dict[str, Any]], bool]) -> None:
        self.sender = f"{os.getpid()}-{time.time_ns()}"
        self.batches = 0
        self._site = site
        self._send = send
        self._events: deque[dict[str, Any]] = deque()
        self._unsent: deque[dict[str, Any]] = deque()
        self._sending = threading.Lock()

    def add(self, kind: str, round_: int, data: dict[str, Any]) -> None:
        """Collects one event. Safe on any thread; costs about a microsecond."""
        self._events.append({"time": time.time(), "type": kind, "site": self._site, "round": round_, "data": data})

    def flush(self) -> bool:
        """Sends what is collected; returns whether everything has arrived."""
        with self._sending:
            events = [self._events.popleft() for _ in range(len(self._events))]
            if events:
                self._unsent.append({"site": self._site, "sender": self.sender, "batch": self.batches, "events": events})
                self.batches += 1
            while self._unsent and self._send(self._unsent[0]):
                self._unsent.popleft()
            return not self._unsent

    @contextmanager
    def flushing(self) -> Iterator[None]:
        """Sends in the background as long as the context lasts, and the rest at its end."""
        done = threading.Event()

        def loop() -> None:
            while not done.wait(FLUSH_INTERVAL):
                self.flush()

        thread = threading.Thread(target=loop, name="reson-flush", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
            _ = self.flush() or self.flush() or self.flush()  # a server may be slow, but not gone for long


class TaskLogger:
    """What user code gets as `logger`: logger("text"), logger({"type": "warning", "msg": "text"}), and these methods."""

    def __init__(self, sender: EventSender, round_: int, abort_signal: Signal, warned: set[str]) -> None:
        self._sender = sender
        self._round = round_
        self._abort_signal = abort_signal
        self._warned = warned  # metrics with a warning, in this and all earlier tasks
        self._stage = "train"

    def __call__(self, message: Any) -> None:
        """Logs a text, or a dict with `msg` and optionally `type`: info, warning or error."""
        level = "info"
        if isinstance(message, Mapping):
            level = {"w": "warning", "e": "error"}.get(str(message.get("type"))[:1], "info")
            message = message.get("msg", "")
        self._log(level, message)

    def _log(self, level: str, message: Any, *args: Any) -> None:
        """Logs a message; `args` go into it with %."""
        text = str(message) % args if args else str(message)
        self._sender.add("log", self._round, {"level": level, "message": text[:MAX_TEXT]})

    info = partialmethod(_log, "info")
    warning = partialmethod(_log, "warning")
    error = partialmethod(_log, "error")

    def log_metric(self, metrics: Any, value: Any = None, step: int | None = None) -> None:
        """Logs one number, or several in a dict {name: value}; raises TaskAborted if the run was stopped."""
        self.check_task_abort()
        values: dict[str, float | None] = {}
        for name, item in (metrics if isinstance(metrics, Mapping) else {metrics: value}).items():
            number = float(item)
            values[str(name)] = number if math.isfinite(number) else None
            if not math.isfinite(number) and name not in self._warned:
                self._warned.add(name)
                self.warning(f"the metric {name!r} is {number}")
        step = None if step is None else int(step)
        self._sender.add("metrics", self._round, {"step": step, "values": values, "stage": self._stage})

    def log_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Logs facts that are not curves, such as {"optimizer": "adam"}."""
        self._sender.add("attributes", self._round, {"values": json.loads(json.dumps(dict(attributes), default=str))})

    def check_task_abort(self) -> None:
        """Raises TaskAborted if the run was stopped; call it in every step of a long loop."""
        if self._abort_signal.triggered:
            raise TaskAborted

    def enter(self, stage: str) -> None:
        """Says that the site now does "train" or "validate"."""
        self._stage = stage
        self._sender.add("site", self._round, {"phase": "training" if stage == "train" else "validating"})


class GenericClientExecutor(Executor):
    """Does the task "train": validates the incoming global model, trains it and returns the weights.

    Every function gets a model built anew from its class, with the incoming weights: nothing outside the state_dict (hooks,
    frozen flags, a forgotten optimizer) passes from one round, or from validation, to the next.

    `model_class` is a name in `adapter_module` or a dotted path; an empty `validate_fn` means that there is none; `training` are
    the hyperparameters for `env`. The environment variable RESON_DATA_ROOT, where it is set, replaces `data_root`.
    """

    def __init__(
        self,
        data_root: str = "/app/payload",
        adapter_module: str = "model_def",
        model_class: str = "Net",
        model_args: dict[str, Any] | None = None,
        train_fn: str = "fl_train",
        validate_fn: str = "",
        **training: Any,
    ) -> None:
        super().__init__()
        self._data_root = data_root
        self._adapter_module = adapter_module
        self._model_class = model_class if "." in model_class else f"{adapter_module}.{model_class}"
        self._model_args = model_args or {}
        self._train_fn = train_fn
        self._validate_fn = validate_fn
        self._training = training
        self._sender: EventSender | None = None
        self._warned: set[str] = set()

    def execute(self, task_name: str, shareable: Shareable, fl_ctx: FLContext, abort_signal: Signal) -> Shareable:
        """Runs one task. Every failure is reported, logged and answered with EXECUTION_EXCEPTION."""
        self._engine = fl_ctx.get_engine()
        sender = self._sender = self._sender or EventSender(fl_ctx.get_identity_name(), self._send)
        round_ = shareable.get_header(AppConstants.CURRENT_ROUND, 0)
        logger = TaskLogger(sender, round_, abort_signal, self._warned)
        with sender.flushing():
            try:
                logger.check_task_abort()
                if task_name != AppConstants.TASK_TRAIN:
                    raise ValueError(f"this executor does the task {AppConstants.TASK_TRAIN!r}, not {task_name!r}")
                reply = self._train(shareable, fl_ctx, logger)
                sender.add("site", round_, {"phase": "returned"})
            except TaskAborted:
                sender.add("site", round_, {"phase": "aborted"})
                reply = make_reply(ReturnCode.TASK_ABORTED)
            except (Exception, SystemExit) as exc:
                text = traceback.format_exc()
                message = f"{type(exc).__name__}: {exc}".splitlines()[0]
                sender.add("error", round_, {"message": message[:1000], "traceback": text[-MAX_TEXT:]})
                self.log_error(fl_ctx, text, fire_event=False)  # as an event it would reach the server a second time
                reply = make_reply(ReturnCode.EXECUTION_EXCEPTION)
        reply.set_header(REPORT, {"sender": sender.sender, "batches": sender.batches})
        return reply

    def _send(self, batch: dict[str, Any]) -> bool:
        # A context of its own: the flusher is not the thread that the task's context belongs to.
        with self._engine.new_context() as own_ctx:
            replies = self._engine.send_aux_request(None, REPORT, Shareable(batch), SEND_TIMEOUT, own_ctx, optional=True)
        codes = (ReturnCode.OK, ReturnCode.TOPIC_UNKNOWN)  # unknown: nobody listens
        return any(reply.get_return_code() in codes for reply in replies.values())

    def _train(self, shareable: Shareable, fl_ctx: FLContext, logger: TaskLogger) -> Shareable:
        env = self._env(shareable, fl_ctx)
        out_dir = run_folder(fl_ctx, "out", f"round_{env['CURRENT_ROUND']}")
        incoming = from_shareable(shareable).data
        where = f"{env['SITE_NAME']}, round {env['CURRENT_ROUND'] + 1}: "  # people count from 1
        if self._validate_fn:
            self._call(self._validate_fn, "validate", incoming, env, out_dir, logger, where)
        result, template = self._call(self._train_fn, "train", incoming, env, out_dir, logger, where)
        where += f"{self._train_fn}()"
        weights = outgoing_weights(weights_in(result, out_dir, where), template, where)
        meta = {MetaKey.NUM_STEPS_CURRENT_ROUND: samples_in(result, where)}
        return DXO(DataKind.WEIGHTS, data=weights, meta=meta).to_shareable()

    def _call(
        self, name: str, stage: str, incoming: Weights, env: dict[str, Any], out_dir: str, logger: TaskLogger, where: str
    ) -> tuple[dict[str, Any], Weights]:
        """Calls a user function and logs the numbers in its result; returns the result and the state_dict as meta tensors."""
        function = getattr(importlib.import_module(self._adapter_module), name, None)
        if function is None:
            raise AttributeError(f"{self._adapter_module}.py does not define the function {name}()")
        logger.enter(stage)
        module_name, _, class_name = self._model_class.rpartition(".")
        model = getattr(importlib.import_module(module_name), class_name)(**self._model_args)
        template = {key: value.to("meta") for key, value in model.state_dict().items()}
        weights = incoming_weights(incoming, template, where + "the global model")
        if takes_payload(function):
            payload = {"dataset": {"data_root": env["DATA_ROOT"]}, "env": env, "initial_weights": weights}
            result = call(function, payload, out_dir=out_dir, logger=logger)
        else:
            model.load_state_dict(weights)
            result = function(model.to(env["DEVICE"]), env, out_dir, logger=logger)
        logger.check_task_abort()
        result = result or {}
        if not isinstance(result, dict):
            raise TypeError(f"{where}{name}() returned a {type(result).__name__}; it must return a dict")
        metrics = {key: value for key, value in result.items() if is_number(value) and key not in ("samples", "num_samples")}
        if metrics:
            logger.log_metric(metrics)
        return result, template

    def _env(self, shareable: Shareable, fl_ctx: FLContext) -> dict[str, Any]:
        site = fl_ctx.get_identity_name()
        root = os.environ.get("RESON_DATA_ROOT") or self._data_root
        own = os.path.join(root, site)
        return self._training | {
            "SITE_NAME": site,
            "JOB_ID": fl_ctx.get_job_id(),
            "CURRENT_ROUND": shareable.get_header(AppConstants.CURRENT_ROUND, 0),
            "NUM_ROUNDS": shareable.get_header(AppConstants.NUM_ROUNDS, 0),
            "DATA_ROOT": own if os.path.isdir(own) else root,
            "STATE_DIR": run_folder(fl_ctx, "state"),
            "DEVICE": "cuda" if torch.cuda.is_available() else "cpu",
            "EPOCHS": self._training.get("local_epochs"),
            "BATCH_SIZE": self._training.get("batch_size"),
            "LR": self._training.get("learning_rate"),
        }


def run_folder(fl_ctx: FLContext, *names: str) -> str:
    """A folder in this site's run folder, created."""
    path = os.path.join(fl_ctx.get_engine().get_workspace().get_run_dir(fl_ctx.get_job_id()), *names)
    os.makedirs(path, exist_ok=True)
    return path


def takes_payload(function: Callable[..., Any]) -> bool:
    """Whether the function is f(payload[, out_dir, logger]) and not f(model, env, out_dir, logger)."""
    signature = inspect.signature(function)
    try:
        signature.bind("model", "env", "out_dir", logger=None)
    except TypeError:
        return True
    return next(iter(signature.parameters)) == "payload"


def call(function: Callable[..., Any], *args: Any, **offered: Any) -> Any:
    """Calls `function` with those of the offered keyword arguments that it takes."""
    parameters = inspect.signature(function).parameters
    takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    return function(*args, **{name: value for name, value in offered.items() if takes_all or name in parameters})


def is_number(value: Any) -> bool:
    """Whether a value is one real number: int, float, numpy or torch scalar; True and False are not."""
    if isinstance(value, (torch.Tensor, np.ndarray, np.generic)) and value.ndim == 0:
        value = value.item()
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def incoming_weights(weights: Mapping[str, Any], template: Weights, where: str) -> Weights:
    """The weights as CPU tensors of the model's own dtypes; averaged integer buffers are rounded."""
    tensors = checked(weights, template, where)
    for key, like in template.items():
        if tensors[key].is_floating_point() and not (like.is_floating_point() or like.is_complex()):
            tensors[key] = tensors[key].round()
        tensors[key] = tensors[key].to(like.dtype, copy=True)
    return tensors


def outgoing_weights(weights: Mapping[str, Any], template: Weights, where: str) -> dict[str, np.ndarray]:
    """The weights as finite arrays; 16-bit floats as float32, as a weighted sum of them overflows and numpy has no bfloat16."""
    tensors = checked(weights, template, f"{where}: the returned weights")
    for key, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise ValueError(f"{where}: the weights of {key} are not finite (NaN or infinite); the training diverged")
        if tensor.dtype == torch.int64 and (tensor.abs() > 2**53).any():
            raise ValueError(f"{where}: {key} has integers beyond 2**53, which no average keeps")
    half = (torch.bfloat16, torch.float16)
    return {key: (tensor.float() if tensor.dtype in half else tensor).numpy() for key, tensor in tensors.items()}


def checked(weights: Mapping[str, Any], template: Weights, where: str) -> Weights:
    """The weights as CPU tensors; ValueError unless their keys and shapes are those of the template."""
    missing, extra = sorted(template.keys() - weights.keys()), sorted(weights.keys() - template.keys())
    if missing or extra:
        raise ValueError(f"{where}: keys do not fit the model: missing {missing[:5]}, unexpected {extra[:5]}")
    # numpy arrays are copied: those that NVFlare received are read-only.
    values = {key: weights[key] if isinstance(weights[key], torch.Tensor) else np.array(weights[key]) for key in template}
    tensors = {key: torch.as_tensor(value).detach().cpu() for key, value in values.items()}
    for key, tensor in tensors.items():
        if tensor.shape != template[key].shape:
            raise ValueError(f"{where}: {key} has the shape {list(tensor.shape)}, the model's has {list(template[key].shape)}")
    return tensors


def weights_in(result: Mapping[str, Any], folder: str, where: str) -> Mapping[str, Any]:
    """The weights that a train function returned, or wrote to state_dict.pt in its out_dir."""
    weights = result.get("weights", result.get("state_dict"))
    if weights is None and os.path.isfile(path := os.path.join(folder, "state_dict.pt")):
        weights = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(weights, Mapping) or not weights:
        raise ValueError(f"{where} returned no weights; return {{'weights': model.state_dict(), 'samples': ...}}")
    return weights


def samples_in(result: Mapping[str, Any], where: str) -> float:
    """How many samples the site trained on: its weight in the average."""
    samples = result.get("samples", result.get("num_samples"))
    if not is_number(samples) or not 0 < float(samples) < math.inf:
        raise ValueError(f"{where} returned samples={samples!r}; it must be the number of training samples, above 0")
    return float(samples)
