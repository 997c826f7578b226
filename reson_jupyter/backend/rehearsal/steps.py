"""The steps of a rehearsal: what the server and a site do with a job in one round. Loaded by `process`, by its path."""

from __future__ import annotations

import importlib
import json
import os
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nvflare.apis.dxo import DXO, MetaKey, from_shareable
from nvflare.apis.event_type import EventType
from nvflare.apis.fl_constant import FLContextKey, ReservedKey, ReturnCode
from nvflare.apis.shareable import Shareable
from nvflare.apis.signal import Signal
from nvflare.app_common.abstract.model import ModelLearnable, ModelLearnableKey
from nvflare.app_common.app_constant import AppConstants
from nvflare.app_common.app_event_type import AppEventType

SITE = "site-1"
OWN_EXECUTOR = "custom_client_executor.GenericClientExecutor"
EDGE_EXECUTOR = "custom_client_executor.EdgeExecutor"  # ours, too: it trains by the callbacks that a startup registers
OWN_PERSISTOR = "custom_persistor.CustomPersistor"
_NEVER_OF_DATA = (SyntaxError, NameError, AttributeError, ImportError)
ROUND = f"{SITE}, round 1: "  # what the executor puts before its messages, and would only puzzle here


class Refused(Exception):
    """The job did something that a run does not survive. Its own message and traceback are all there is to know."""

    def __init__(self, message: str, traceback: str = "") -> None:
        super().__init__(message)
        self.traceback = traceback


class Steps:
    """One rehearsal.

    Args:
        engine: The module `engine`.
        folder: The rehearsal's folder; the job lies in `job` below it.
        say: Sends one message to the kernel: {"begin": step}, {"end": step, "seconds", "detail"}, {"note"},
            {"caution": {"of", and those of a failure}}, {"facts"}.
    """

    def __init__(self, engine: Any, folder: Path, say: Callable[[dict[str, Any]], None]) -> None:
        self._tools = engine
        self._say = say
        self._lock = threading.RLock()
        self._current: tuple[str, float] | None = None
        self._errors: list[dict[str, str]] = []
        self._metrics: dict[str, float | None] = {}
        self.log = engine.ErrorLog()
        self._app = folder / "job" / "app"
        self._out = Path(os.environ["RESONTECH_OUT_DIR"])
        config = self._app / "config"
        self._client = json.loads((config / "config_fed_client.json").read_text())
        self._server_config = json.loads((config / "config_fed_server.json").read_text())
        self._executor_config = self._client["executors"][0]["executor"]
        self._arguments: dict[str, Any] = self._executor_config["args"]
        self._edge = self._executor_config["path"] == EDGE_EXECUTOR
        self._validates = self._executor_config["path"] == OWN_EXECUTOR and bool(self._arguments["validate_fn"])
        self._rounds: int = self._server_config["workflows"][0]["args"]["num_rounds"]
        self._server = engine.Engine("server", folder / "run" / "server", self._app, self._on_event)
        self._site = engine.Engine(SITE, folder / "run" / SITE, self._app, self._on_event)

    @property
    def current(self) -> str:
        """The step that was begun last."""
        return self._current[0] if self._current else ""

    def carry_out(self, train: bool) -> None:
        """Does all steps, or those up to the training; raises what goes wrong."""
        self._step("import", self._import)
        self._step("construct", self._construct)
        self._step("load weights", self._load_weights)
        if self._edge:
            self._step("startup", self._start_up if train else self._start_up_elsewhere)
        if train:
            self._train()
            self._step("return value", self._check_reply)
            self._step("aggregate", self._aggregate)
            self._step("save", self._save)
            self._step("reload", self._reload)

    def _import(self) -> str:
        for name in ("model_def", "custom_client_executor", "custom_persistor"):
            importlib.import_module(name)
        return ""

    def _construct(self) -> str:
        name = self._arguments["model_class"]
        model_class = self._tools.find(name if "." in name else f"{self._arguments['adapter_module']}.{name}")
        self._model = model_class(**self._arguments["model_args"])
        parameters = list(self._model.parameters())
        if not parameters:
            raise Refused(f"the model {model_class.__name__} has no parameters, so there is nothing to train")
        if any(isinstance(parameter, torch.nn.parameter.UninitializedParameter) for parameter in parameters):
            raise Refused(
                f"the model {model_class.__name__} has lazy layers, whose weights have no shape before the first batch; "
                "give their sizes, or run one batch of zeros in the constructor"
            )
        if not any(parameter.requires_grad for parameter in parameters):
            self._say({"note": f"every parameter of {model_class.__name__} is frozen (requires_grad is False)"})
        self._facts(parameters=sum(parameter.numel() for parameter in parameters))
        parts = [*self._server_config["components"], *self._server_config["workflows"][1:]]
        components = {part["id"]: part for part in parts if part["id"] not in ("reporter", "control")}  # who would only listen
        for identity, part in components.items():
            self._server.add(identity, self._tools.build(part))
        for part in self._client.get("components", ()):
            self._site.add(part["id"], self._tools.build(part))
        epochs = {"local_epochs": 1} if "local_epochs" in self._arguments else {}
        self._executor = self._site.add("executor", self._tools.build(self._executor_config, **epochs))
        self._persistor = self._server.get_component("persistor")
        for side in (self._server, self._site):
            side.start()
            self._raise_reported()
        return ""

    def _load_weights(self) -> str:
        with self._context(0) as fl_ctx:
            learnable = self._persistor.load(fl_ctx)
        self._raise_reported()
        if not isinstance(learnable, ModelLearnable):
            raise Refused(f"the persistor's load_model returned a {type(learnable).__name__}, not a ModelLearnable")
        if learnable.is_empty():
            raise Refused("the persistor's load_model returned a model without weights")
        self._learnable = learnable
        self._initial = {key: _array(value) for key, value in learnable[ModelLearnableKey.WEIGHTS].items()}
        self._facts(bytes_down=_size(self._initial))
        args = next(part["args"] for part in self._server_config["components"] if part["id"] == "persistor")
        checkpoint = args.get("source_ckpt_file_full_name")
        return f"from {checkpoint}" if checkpoint else ""

    def _start_up(self) -> str:
        """The site's callbacks are registered, as its first task does it."""
        with self._site.context("server") as fl_ctx:
            env = self._executor._env(Shareable(), fl_ctx)
            logger = self._site.get_component("messenger").make_logger(0, Signal())
            self._validates = self._executor._validates(env, logger)
        return ""

    def _start_up_elsewhere(self) -> str:
        """As it is done at a site whose data is not here, so that only what no data could mend is an error."""
        try:
            return self._start_up()
        except _NEVER_OF_DATA:
            raise
        except (Exception, SystemExit) as error:
            self._say({"caution": {"of": "startup", **self.failure(error)["failure"]}})
            return "unfinished"

    def _train(self) -> None:
        """One task of the site; an executor of ours validates first, if it can, and says when it begins to train."""
        self._begin("validate" if self._validates else "train")
        with self._context(0) as fl_ctx:
            task = self._server.get_component("shareable_generator").learnable_to_shareable(self._learnable, fl_ctx)
        task["DXO"]["data"] = {key: _received(value) for key, value in from_shareable(task).data.items()}
        task.set_header(AppConstants.CURRENT_ROUND, 0)
        task.set_header(AppConstants.NUM_ROUNDS, self._rounds)
        task.set_peer_props({ReservedKey.IDENTITY_NAME: "server", ReservedKey.RUN_NUM: self._tools.JOB_ID})
        props = {FLContextKey.TASK_NAME: AppConstants.TASK_TRAIN, FLContextKey.TASK_DATA: task}
        with self._site.context("server", **props) as fl_ctx:
            self._site.fire_event(EventType.BEFORE_TASK_EXECUTION, fl_ctx)
            reply = self._executor.execute(AppConstants.TASK_TRAIN, task, fl_ctx, Signal())
            if not isinstance(reply, Shareable):
                raise Refused(f"the executor's execute returned a {type(reply).__name__}, not a Shareable")
            fl_ctx.set_prop(FLContextKey.TASK_RESULT, reply, private=True, sticky=False)
            self._site.fire_event(EventType.AFTER_TASK_EXECUTION, fl_ctx)
        if reply.get_return_code() != ReturnCode.OK:
            self._raise_answer(reply.get_return_code())
        self._reply = reply
        self._end("")

    def _raise_answer(self, code: str) -> None:
        """The executor failed: raises the error that it reported, else the one that it logged."""
        self._raise_reported()
        raise Refused(f"the executor answered {code}" + (f": {self.log.message}" if self.log.message else ""), self.log.traceback)

    def _check_reply(self) -> str:
        try:
            dxo = from_shareable(self._reply)
        except ValueError as error:
            raise Refused(f"the executor's reply is no DXO: {error}") from None
        aggregator = next(part for part in self._server_config["components"] if part["id"] == "aggregator")
        expected = aggregator["args"]["expected_data_kind"]
        if dxo.data_kind != expected:
            kind = getattr(dxo.data_kind, "value", dxo.data_kind)
            raise Refused(f"the executor returned {kind}; the aggregator takes {expected}")
        weights = self._check_weights(dxo)
        samples = dxo.get_meta_prop(MetaKey.NUM_STEPS_CURRENT_ROUND)
        if samples is None:
            self._say({"note": "the executor gives no NUM_STEPS_CURRENT_ROUND, so every site counts alike in the average"})
        elif not 0 < float(samples) < float("inf"):
            raise Refused(f"the executor returned {samples!r} as its number of samples; it must be above 0")
        if all(np.array_equal(value, self._initial[key]) for key, value in weights.items()):
            self._say({"caution": {"of": "callback" if self._edge else "training"}})
        self._facts(bytes_up=_size(weights), samples=None if samples is None else float(samples), metrics=self._metrics)
        return "" if samples is None else f"{float(samples):g} sample{'' if samples == 1 else 's'}"

    def _check_weights(self, dxo: DXO) -> dict[str, np.ndarray[Any, Any]]:
        missing, extra = sorted(self._initial.keys() - dxo.data.keys()), sorted(dxo.data.keys() - self._initial.keys())
        if missing or extra:
            raise Refused(f"the returned weights are not the model's: missing {missing[:5]}, unexpected {extra[:5]}")
        weights = {key: _array(value) for key, value in dxo.data.items()}
        for key, value in weights.items():
            sent = self._initial[key]
            if value.dtype.kind not in "biufc":
                raise Refused(f"the returned weights of {key} are no numbers but {value.dtype}")
            if value.shape != sent.shape:
                raise Refused(f"the returned weights of {key} have the shape {list(value.shape)}, the model's {list(sent.shape)}")
            if not np.isfinite(value).all():
                raise Refused(f"the returned weights of {key} are not finite (NaN or infinite)")
        wider = [key for key, value in weights.items() if value.dtype.itemsize > self._initial[key].dtype.itemsize]
        if wider:
            self._say(
                {"note": f"{wider[0]} comes back as {weights[wider[0]].dtype}, went out as {self._initial[wider[0]].dtype}"}
            )
        return weights

    def _aggregate(self) -> str:
        """The server averages this contribution with another that is its equal."""
        aggregator = self._server.get_component("aggregator")
        self._reply.add_cookie(AppConstants.CONTRIBUTION_ROUND, 0)
        with self._context(0) as fl_ctx:
            self._server.fire_event(AppEventType.ROUND_STARTED, fl_ctx)
            for site in (SITE, "site-2"):
                self._reply.set_peer_props({ReservedKey.IDENTITY_NAME: site, ReservedKey.RUN_NUM: self._tools.JOB_ID})
                if not aggregator.accept(self._reply, fl_ctx):
                    raise Refused(f"the aggregator does not take what the executor returned: {self.log.message}")
            generator = self._server.get_component("shareable_generator")
            self._learnable = generator.shareable_to_learnable(aggregator.aggregate(fl_ctx), fl_ctx)
        for key, value in self._learnable[ModelLearnableKey.WEIGHTS].items():
            if not np.isfinite(_array(value)).all():
                raise Refused(f"the average of {key} is not finite: its numbers are too large for {_array(value).dtype}")
        return ""

    def _save(self) -> str:
        with self._context(self._rounds - 1) as fl_ctx:
            self._persistor.save(self._learnable, fl_ctx)
            self._raise_reported()
            self._server.fire_event(EventType.END_RUN, fl_ctx)
        left = [path for path in self._out.glob("**/*") if path.is_file() and path.suffix != ".tmp"]
        self._saved = sorted(left) or sorted(self._app.glob("*.pt"))
        if not self._saved:
            raise Refused("the persistor saved no file; it must write one into the folder os.environ['RESONTECH_OUT_DIR']")
        return ", ".join(f"{path.name}, {path.stat().st_size / 1e6:.1f} MB" for path in self._saved[:3])

    def _reload(self) -> str:
        """As `run.model()` reads the file; a persistor of the user's own may write what only its author can read."""
        ours = any(part["path"] == OWN_PERSISTOR for part in self._server_config["components"])
        files = [path for path in self._saved if path.suffix in (".pt", ".pth")]
        try:
            path = next((path for path in files if path.name == "GLOBAL_MODEL.pt"), files[0])
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
            weights = checkpoint.get("model", checkpoint)
        except Exception as error:
            if ours:
                raise
            self._say(
                {"note": f"run.model() will not read what the persistor saves ({type(error).__name__}); run.download() will"}
            )
            return "left out"
        self._model.load_state_dict(weights, strict=True)
        return ""

    # Bookkeeping

    def _context(self, round_: int) -> Any:
        """A context of the server in this round."""
        props = {
            AppConstants.START_ROUND: 0,
            AppConstants.NUM_ROUNDS: self._rounds,
            AppConstants.CURRENT_ROUND: round_,
            AppConstants.GLOBAL_MODEL: getattr(self, "_learnable", None),
        }
        return self._server.context(SITE, **props)

    def _step(self, name: str, function: Callable[[], str]) -> None:
        self._begin(name)
        self._end(function())

    def _begin(self, name: str, at: float | None = None) -> None:
        with self._lock:
            self._current = (name, at or time.time())
            self._say({"begin": name})

    def _end(self, detail: str, at: float | None = None) -> None:
        with self._lock:
            if self._current:
                name, began = self._current
                self._say({"end": name, "seconds": max(0.0, (at or time.time()) - began), "detail": detail})

    def _facts(self, **facts: Any) -> None:
        self._say({"facts": facts})

    def _on_event(self, event: Mapping[str, Any]) -> None:
        data = event["data"]
        if event["type"] == "error":
            self._errors.append(dict(data))
        elif event["type"] == "metrics":
            self._metrics |= data["values"]
        elif event["type"] == "site" and data["phase"] == "training" and self.current == "validate":
            self._end("", event["time"])
            self._begin("train", event["time"])

    def _raise_reported(self) -> None:
        """Raises the first error that a component reported, if any did."""
        if self._errors:
            error = self._errors[0]
            message, text = error["message"].replace(ROUND, ""), error["traceback"].replace(ROUND, "")
            trained = "the train callback" if self._edge else f"{self._arguments.get('train_fn')}()"
            if any(f"{trained}{then}" in message for then in (" returned", ":")) and "model_def.py" not in text:
                self._begin("return value")  # what the user's function returned is wrong, not what it did
            raise Refused(message, text)

    def failure(self, error: BaseException) -> dict[str, Any]:
        """The message that tells of what went wrong; this package's own frames are no part of the traceback."""
        if isinstance(error, Refused):
            message, text = str(error), error.traceback
        else:
            message, frames = f"{type(error).__name__}: {error}", error.__traceback__
            while frames and Path(frames.tb_frame.f_code.co_filename).parent == Path(__file__).parent:
                frames = frames.tb_next
            text = "".join(traceback.format_exception(type(error), error, frames))
        first = next((line for line in message.splitlines() if line.strip()), type(error).__name__)
        return {"failure": {"step": self.current, "message": first, "traceback": text}}


def _array(value: Any) -> np.ndarray[Any, Any]:
    return value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)


def _received(value: Any) -> Any:
    """As it comes out of a message: a copy that cannot be written to."""
    if isinstance(value, np.ndarray):
        value = value.copy()
        value.flags.writeable = False
    return value


def _size(weights: Mapping[str, np.ndarray[Any, Any]]) -> int:
    return sum(value.nbytes for value in weights.values())
