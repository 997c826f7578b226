"""Runs the user's functions on one site and tells the server. Travels as `custom_client_executor.py`; NVFlare 2.7.2 to 2.9."""

from __future__ import annotations

import importlib
import inspect
import math
import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from nvflare.apis.dxo import DXO, DataKind, MetaKey, from_shareable
from nvflare.apis.event_type import EventType
from nvflare.apis.executor import Executor
from nvflare.apis.fl_constant import ReturnCode
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable, make_reply
from nvflare.apis.signal import Signal
from nvflare.app_common.app_constant import AppConstants

Weights = dict[str, torch.Tensor]


class GenericClientExecutor(Executor):
    """Does the tasks "train", which validates the incoming global model, trains it and returns the weights, and "validate".

    Every function gets a model built anew from its class, with the incoming weights: nothing outside the state_dict (hooks,
    frozen flags, a forgotten optimizer) passes from one round, or from validation, to the next.

    `model_class` is a name in `adapter_module` or a dotted path; an empty `validate_fn` means that there is none; `training` are
    the hyperparameters for `env`. The site's messenger and its agent, which ship with it, are looked up among its components.
    """

    says_phases = True  # in its reports; for an executor that does not, the agent does

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
        self._abort_signal = Signal()  # the running task's

    def handle_event(self, event_type: str, fl_ctx: FLContext) -> None:
        """Called by NVFlare for every event; when somebody aborts the running task, without the run, there is no other sign."""
        if event_type == EventType.ABORT_TASK:
            self._abort_signal.trigger(True)

    def execute(self, task_name: str, shareable: Shareable, fl_ctx: FLContext, abort_signal: Signal) -> Shareable:
        """Runs one task. Every failure is reported, logged and answered with EXECUTION_EXCEPTION."""
        self._abort_signal = abort_signal
        messenger = self._messenger = fl_ctx.get_engine().get_component("messenger")
        round_ = shareable.get_header(AppConstants.CURRENT_ROUND, 0)
        logger = messenger.make_logger(round_, abort_signal)
        try:
            logger.check_task_abort()
            if task_name not in (AppConstants.TASK_TRAIN, AppConstants.TASK_VALIDATION):
                raise ValueError(f"this executor trains and validates; the task {task_name!r} is neither")
            reply = (self._train if task_name == AppConstants.TASK_TRAIN else self._validate)(shareable, fl_ctx, logger)
            if reply.get_return_code() == ReturnCode.OK:
                messenger.report("site", round_, {"phase": "returned"})
        except logger.Aborted:
            if fl_ctx.get_run_abort_signal().triggered:  # else this task is skipped, and the agent says so
                messenger.report("site", round_, {"phase": "aborted"})
            reply = make_reply(ReturnCode.TASK_ABORTED)
        except BaseException as exc:  # an interrupt or a cancelled task of the user's code is his error, too
            failure = messenger.failure(exc)
            messenger.report("error", round_, failure)
            self.log_error(fl_ctx, failure["traceback"], fire_event=False)  # as an event it would reach the server a second time
            reply = make_reply(ReturnCode.EXECUTION_EXCEPTION)
        messenger.settle(reply)
        return reply

    def _train(self, shareable: Shareable, fl_ctx: FLContext, logger: Any) -> Shareable:
        env = self._env(shareable, fl_ctx)
        out_dir = out_folder(fl_ctx, env)
        where = f"{env['SITE_NAME']}, round {env['CURRENT_ROUND'] + 1}: "  # people count from 1
        incoming = from_shareable(shareable).data
        if self._validates(env, logger):
            self._call(self._validate_fn, "validate", incoming, env, out_dir, logger, where)
        result, template = self._call(self._train_fn, "train", incoming, env, out_dir, logger, where)
        where += self._title(self._train_fn)
        weights = outgoing_weights(weights_in(result, out_dir, where), template, where)
        meta = {MetaKey.NUM_STEPS_CURRENT_ROUND: samples_in(result, where)}
        return DXO(DataKind.WEIGHTS, data=weights, meta=meta).to_shareable()

    def _validate(self, shareable: Shareable, fl_ctx: FLContext, logger: Any) -> Shareable:
        """Of the final model, once all rounds are over."""
        env = self._env(shareable, fl_ctx)
        out_dir = out_folder(fl_ctx, env)
        where = f"{env['SITE_NAME']}, final validation: "
        result, _ = self._call(self._validate_fn, "validate", from_shareable(shareable).data, env, out_dir, logger, where)
        return DXO(DataKind.METRICS, data=numbers_in(result)).to_shareable()

    def _call(
        self, name: str, stage: str, incoming: Weights, env: dict[str, Any], out_dir: str, logger: Any, where: str
    ) -> tuple[dict[str, Any], Weights]:
        """Calls a user function and logs the numbers in its result; returns the result and the state_dict as meta tensors."""
        function = self._function(name)
        logger.enter(stage)
        self._messenger.flush()  # code that holds Python's lock for long lets nobody send it later
        module_name, _, class_name = self._model_class.rpartition(".")
        model = getattr(importlib.import_module(module_name), class_name)(**self._model_args)
        template = {key: value.to("meta") for key, value in model.state_dict().items()}
        weights = incoming_weights(incoming, template, where + "the global model")
        result = self._run(function, stage, model, weights, env, out_dir, logger)
        logger.check_task_abort()
        result = result or {}
        if not isinstance(result, dict):
            raise TypeError(f"{where}{self._title(name)} returned a {type(result).__name__}; it must return a dict")
        if metrics := numbers_in(result):
            logger.log_metric(metrics)
        return result, template

    def _function(self, name: str) -> Any:
        function = getattr(importlib.import_module(self._adapter_module), name, None)
        if function is None:
            raise AttributeError(f"{self._adapter_module}.py does not define the function {name}()")
        return function

    def _run(
        self, function: Any, stage: str, model: torch.nn.Module, weights: Weights, env: dict[str, Any], out_dir: str, logger: Any
    ) -> Any:
        if takes_payload(function):
            payload = {"dataset": {"data_root": env["DATA_ROOT"]}, "env": env, "initial_weights": weights}
            return call(function, payload, out_dir=out_dir, logger=logger)
        model.load_state_dict(weights)
        return function(model.to(env["DEVICE"]), env, out_dir, logger=logger)

    def _validates(self, env: dict[str, Any], logger: Any) -> bool:
        return bool(self._validate_fn)

    def _title(self, name: str) -> str:
        return f"{name}()"

    def _env(self, shareable: Shareable, fl_ctx: FLContext) -> dict[str, Any]:
        rounds = {
            "CURRENT_ROUND": shareable.get_header(AppConstants.CURRENT_ROUND, 0),
            "NUM_ROUNDS": shareable.get_header(AppConstants.NUM_ROUNDS, 0),
        }
        env: dict[str, Any] = fl_ctx.get_engine().get_component("agent").env(self._data_root, self._training, **rounds)
        return env


def out_folder(fl_ctx: FLContext, env: Mapping[str, Any]) -> str:
    """A folder in this site's run folder for what the user's functions write in this round, created."""
    run_dir = fl_ctx.get_engine().get_workspace().get_run_dir(fl_ctx.get_job_id())
    path = os.path.join(run_dir, "out", f"round_{env['CURRENT_ROUND']}")
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


def numbers_in(result: Mapping[str, Any]) -> dict[str, float]:
    """What of a function's result is a metric; plain floats: a tensor in the metrics of a reply ends NVFlare's server (2.9)."""
    numbers = {str(key): value for key, value in result.items() if is_number(value) and key not in ("samples", "num_samples")}
    return {key: float(value.item() if hasattr(value, "item") else value) for key, value in numbers.items()}


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
    half = (torch.bfloat16, torch.float16)
    arrays = {key: (tensor.float() if tensor.dtype in half else tensor).numpy() for key, tensor in tensors.items()}
    for key, array in arrays.items():
        if array.dtype in ("int64", "uint64") and array.size and not -(2**53) <= array.min() <= array.max() <= 2**53:
            raise ValueError(f"{where}: {key} has integers beyond 2**53, which no average keeps")
    return arrays


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
