"""Tells how a site is doing, whatever its executor does, and carries out what the notebook asks of it meanwhile.

This file travels to the sites below the executor's module, ours or a user's, and the messenger. So that they do not disturb each
other, every name at its top level but the class's starts with `_reson_`, and it uses no builtin that `from torch import *`
replaces.
"""

import contextlib as _reson_contextlib
import importlib as _reson_importlib
import inspect as _reson_inspect
import json as _reson_json
import logging as _reson_logging
import os as _reson_os
import sys as _reson_sys
import threading as _reson_threading
from typing import Any as _reson_Any

import torch as _reson_torch
from nvflare.apis.event_type import EventType as _reson_EventType
from nvflare.apis.fl_constant import FLContextKey as _reson_FLContextKey
from nvflare.apis.fl_constant import ReturnCode as _reson_ReturnCode
from nvflare.apis.shareable import make_reply as _reson_make_reply
from nvflare.app_common.app_constant import AppConstants as _reson_AppConstants
from nvflare.widgets.widget import Widget as _reson_Widget

from .common import _reson_log_beyond
from .process import _reson_register_stack_file, _reson_Usage

_reson_CONTROL = "reson.control"  # topic of the server's messages to the sites
_reson_LOG = "reson.log"  # topic of those that ask for the log
_reson_DATA_FILE = "data_root"  # in the run's state folder: where the data is that was prepared
_reson_BEAT = 2.0  # seconds between two signs of life
_reson_STACK_FILE = "stack.txt"  # in the run folder: what SIGUSR1 makes the process write
_reson_MAX_VALUE = 1_000_000  # characters of a command's result
_reson_LEVELS = ("debug", "info", "warning", "error")
_reson_PHASES = {_reson_AppConstants.TASK_TRAIN: "training", _reson_AppConstants.TASK_VALIDATION: "validating"}
_reson_OWN_FILE = (lambda: None).__code__.co_filename  # as frames name it
_reson_OF_THE_EXECUTOR = ("data_root", "adapter_module", "model_class", "model_args", "train_fn", "validate_fn")


class ResonAgent(_reson_Widget):
    """A site's end of the control path.

    Args:
        data_root: Where the site's data lies, unless it was prepared elsewhere, or RESON_DATA_ROOT says another place.
        adapter_module: The module with the functions that can be called.
        commands: Functions of it, by the names that they are called by; any other goes by its own.
    """

    def __init__(self, data_root: str, adapter_module: str, commands: dict[str, str]) -> None:
        super().__init__()
        self.data_root = data_root
        self.adapter_module = adapter_module
        self._commands = commands
        self._engine: _reson_Any = None
        self._messenger: _reson_Any = None
        self._base_env: dict[str, _reson_Any] = {}  # as far as it is the same in all rounds
        self._prepared_root = ""
        self._rounds: dict[str, _reson_Any] = {}
        self._run_abort: _reson_Any = None
        self._task: _reson_Any = None  # the running one: (name, round, thread)
        self._skipping = False
        self._code = ""  # of the executor's answer
        self._speaks: _reson_Any = True  # of the phases, for an executor that does not itself
        self._beats = 0
        self._seen: dict[str, _reson_Any] = {"memory": 0, "cpu": 0.0, "place": None}
        self._usage = _reson_Usage()
        self._telling = _reson_threading.Lock()
        self._lock = _reson_threading.Lock()
        self._ended = _reson_threading.Event()
        self._handlers = {
            _reson_EventType.START_RUN: self._on_start,
            _reson_EventType.BEFORE_TASK_EXECUTION: self._on_task,
            _reson_EventType.AFTER_TASK_EXECUTION: self._on_executed,
            _reson_EventType.BEFORE_SEND_TASK_RESULT: self._on_result,
            _reson_EventType.ABOUT_TO_END_RUN: self._on_end,
            _reson_EventType.SWAP_OUT: self._on_end,
        }
        self._operations = {"command": self._command, "skip": self._skip, "log_level": self._set_level}

    def handle_event(self, event_type: str, fl_ctx: _reson_Any) -> None:
        """Called by NVFlare for every event of the site."""
        if event_type in self._handlers:
            self._handlers[event_type](fl_ctx)

    def env(self, data_root: str, training: dict[str, _reson_Any], **rounds: _reson_Any) -> dict[str, _reson_Any]:
        """What user functions get as `env`; `training` are the hyperparameters, `rounds` what changes with the round."""
        root = _reson_os.environ.get("RESON_DATA_ROOT") or data_root
        return {
            **training,
            **self._base_env,
            **rounds,
            "DATA_ROOT": self._prepared_root or _reson_own_folder(root, self._base_env["SITE_NAME"]),
            "DEVICE": "cuda" if _reson_torch.cuda.is_available() else "cpu",
            "EPOCHS": training.get("local_epochs"),
            "BATCH_SIZE": training.get("batch_size"),
            "LR": training.get("learning_rate"),
        }

    @property
    def is_prepared(self) -> "bool":
        """Whether it is known where this site's data was prepared."""
        return self._prepared_root != ""

    def use_data(self, root: str) -> None:
        """Takes the folder where this site's data was prepared, for this process and those that come after it in the run."""
        self._prepared_root = root
        with open(_reson_os.path.join(self._base_env["STATE_DIR"], _reson_DATA_FILE), "w", encoding="utf-8") as file:
            file.write(root)
        _reson_os.environ["RESON_DATA_ROOT"] = root  # for an executor of the user's own

    # The site's life

    def _on_start(self, fl_ctx: _reson_Any) -> None:
        self._engine = fl_ctx.get_engine()
        self._messenger = self._engine.get_component("messenger")
        self._run_abort = fl_ctx.get_run_abort_signal()
        run_dir = self._engine.get_workspace().get_run_dir(fl_ctx.get_job_id())
        state = _reson_os.path.join(run_dir, "state")
        _reson_os.makedirs(state, exist_ok=True)
        self._base_env = {"SITE_NAME": fl_ctx.get_identity_name(), "JOB_ID": fl_ctx.get_job_id(), "STATE_DIR": state}
        with (
            _reson_contextlib.suppress(FileNotFoundError),
            open(_reson_os.path.join(state, _reson_DATA_FILE), encoding="utf-8") as file,
        ):
            self.use_data(file.read())
        self._config = _reson_os.path.join(fl_ctx.get_prop(_reson_FLContextKey.APP_ROOT), "config", "config_fed_client.json")
        module, _, name = self._executor()["path"].rpartition(".")
        self._speaks = not getattr(getattr(_reson_importlib.import_module(module), name), "says_phases", False)
        # A descriptor, which stays open until the process ends: without a handler the signal would end the process.
        path, flags = _reson_os.path.join(run_dir, _reson_STACK_FILE), _reson_os.O_WRONLY | _reson_os.O_CREAT | _reson_os.O_APPEND
        self._stack_file = _reson_os.open(path, flags, 0o600)
        _reson_register_stack_file(self._stack_file)
        self._engine.register_aux_message_handler(topic=_reson_CONTROL, message_handle_func=self._on_request)
        self._engine.register_aux_message_handler(topic=_reson_LOG, message_handle_func=self._on_log)
        _reson_threading.Thread(target=self._beat, name="reson-agent", daemon=True).start()

    def _on_task(self, fl_ctx: _reson_Any) -> None:
        data = fl_ctx.get_prop(_reson_FLContextKey.TASK_DATA)
        round_ = data.get_header(_reson_AppConstants.CURRENT_ROUND)
        name = fl_ctx.get_prop(_reson_FLContextKey.TASK_NAME)
        with self._lock:
            self._skipping = False
            self._code = ""
            self._task = (name, round_, _reson_threading.get_ident())
        self._rounds = {"CURRENT_ROUND": round_, "NUM_ROUNDS": data.get_header(_reson_AppConstants.NUM_ROUNDS)}
        _reson_register_stack_file(self._stack_file)  # the user's code of the task before may have taken the signal
        if self._speaks and name in _reson_PHASES:
            self._messenger.report("site", round_, {"phase": _reson_PHASES[name]})
        self._tell()
        self._messenger.flush()  # code that holds Python's lock for long lets nobody send it later

    def _on_executed(self, fl_ctx: _reson_Any) -> None:
        self._code = fl_ctx.get_prop(_reson_FLContextKey.TASK_RESULT).get_return_code()

    def _on_result(self, fl_ctx: _reson_Any) -> None:
        with self._lock:
            task, self._task = self._task, None
            skipping, code = self._skipping, self._code
        if not code:  # the executor did not answer: it was stopped, or raised something
            stopped = skipping or self._run_abort.triggered
            code = _reson_ReturnCode.TASK_ABORTED if stopped else _reson_ReturnCode.EXECUTION_EXCEPTION
        aborted, phase = code == _reson_ReturnCode.TASK_ABORTED, ""
        if aborted and skipping and not self._run_abort.triggered:
            phase = "skipped"
        elif aborted and self._speaks:
            phase = "aborted"
        elif code == _reson_ReturnCode.OK and (self._speaks or skipping):  # "skipping" was said too late
            phase = "returned"
        if phase and task and task[0] in _reson_PHASES:
            self._messenger.report("site", task[1], {"phase": phase})
            self._messenger.flush()

    def _on_end(self, fl_ctx: _reson_Any) -> None:
        self._ended.set()

    # Telemetry

    def _beat(self) -> None:
        self._tell()
        while not self._ended.wait(_reson_BEAT):
            self._tell()

    def _tell(self) -> None:
        with self._telling:
            task = self._task
            try:
                memory, cpu = self._usage.measure()
                self._seen = {"memory": memory, "cpu": cpu, "place": self._place(task[2]) if task else None}
            except Exception:  # such as too many open files; a site that stops telling would be taken for dead
                pass
            data = {
                "beat": self._beats,
                "pid": _reson_os.getpid(),
                "task": task[0] if task and task[0] in _reson_PHASES else "",
                **self._seen,
            }
            self._messenger.report("telemetry", task[1] if task else None, data)
            self._beats += 1

    def _place(self, thread: _reson_Any) -> _reson_Any:
        """File, line and function of the innermost shipped code that the thread runs; ours only if there is nothing else."""
        if thread == _reson_threading.get_ident():
            return None  # the task is about to begin, and what runs is this very question
        folder = _reson_os.path.dirname(_reson_OWN_FILE) + _reson_os.sep
        frame, ours = _reson_sys._current_frames().get(thread), None
        while frame is not None:
            code = frame.f_code
            if code.co_filename.startswith(folder):
                place = (_reson_os.path.relpath(code.co_filename, folder), frame.f_lineno, code.co_name)
                if not _reson_is_ours(code) and not code.co_filename.startswith(folder + "reson_edge" + _reson_os.sep):
                    return place
                ours = ours or place
            frame = frame.f_back
        return ours

    # What the notebook asks for

    def _on_request(self, topic: str, request: _reson_Any, fl_ctx: _reson_Any) -> _reson_Any:
        """Says at once that the request has come; the answer is reported when there is one."""
        asked = _reson_json.loads(request["request"])
        _reson_threading.Thread(target=self._carry_out, args=(asked,), name=f"reson-{asked['op']}", daemon=True).start()
        return _reson_make_reply(_reson_ReturnCode.OK)

    def _on_log(self, topic: str, request: _reson_Any, fl_ctx: _reson_Any) -> _reson_Any:
        """Answers with what the site's log has beyond so many bytes."""
        reply = _reson_make_reply(_reson_ReturnCode.OK)
        try:
            reply["text"] = _reson_log_beyond(request["offset"])
        except (OSError, ValueError) as exc:
            reply["error"] = f"the log cannot be read: {exc}"
        return reply

    def _carry_out(self, request: dict[str, _reson_Any]) -> None:
        try:
            self._answer(request["id"], value=self._operations[request["op"]](request))
        except _reson_Refused as exc:
            self._answer(request["id"], error=str(exc))
        except BaseException as exc:  # the user's function may raise anything
            failure = self._messenger.failure(exc)
            self._answer(request["id"], error=failure["message"], traceback=failure["traceback"])

    def _answer(self, request: str, value: _reson_Any = None, error: str = "", traceback: str = "") -> None:
        data = {"request": request, "ok": not error, "value": value, "error": error[:1000], "traceback": traceback}
        self._messenger.report("answer", None, data)

    def _skip(self, request: dict[str, _reson_Any]) -> _reson_Any:
        with self._lock:
            if self._task is None or self._task[0] not in _reson_PHASES:
                raise _reson_Refused("the site is in no task now, so there is nothing to skip")
            self._skipping = True
            # Said before it is done: until then the notebook would count on this site's contribution when it skips another.
            self._messenger.report("site", self._task[1], {"phase": "skipping"})
        self._messenger.flush()
        with self._engine.new_context() as fl_ctx:
            self._engine.fire_event(_reson_EventType.ABORT_TASK, fl_ctx)
        return None

    def _set_level(self, request: dict[str, _reson_Any]) -> _reson_Any:
        level = request["level"]
        if level not in _reson_LEVELS:
            raise _reson_Refused(f"{level!r} is no level; there are {', '.join(_reson_LEVELS)}")
        _reson_logging.getLogger().setLevel(level.upper())
        # At debug NVFlare writes hundreds of lines a second, among which the user's own would not be found.
        _reson_logging.getLogger("nvflare").setLevel(_reson_logging.INFO if level == "debug" else _reson_logging.NOTSET)
        return level

    def _command(self, request: dict[str, _reson_Any]) -> _reson_Any:
        name = request["command"]
        module = _reson_importlib.import_module(self.adapter_module)
        offered = {
            "env": self.env(self.data_root, self.training, **self._rounds),
            "logger": self._messenger.make_logger(self._rounds.get("CURRENT_ROUND"), self._run_abort),
        }
        if hasattr(module, "reson_commands"):  # user code that registers its commands itself
            functions = {key: getattr(module, function) for key, function in self._commands.items()}
            functions |= module.reson_commands(**offered)
            # Scaleout has a command's name with a prefix as well.
            function, there = functions.get(name, functions.get(name.removeprefix("Custom_"))), sorted(functions)
            if name == "predict" and function is None:
                raise _reson_Refused("there is no predict callback; startup(client) must call client.set_predict_callback(...)")
        else:
            function = getattr(module, self._commands.get(name, name), None)
            there = sorted({*self._commands, *_reson_functions(module)})
        if not callable(function):
            raise _reson_Refused(f"there is no command {name!r}; there are: {', '.join(there) or 'none'}")
        parameters = _reson_inspect.signature(function).parameters
        takes_all = [True for parameter in parameters.values() if parameter.kind is parameter.VAR_KEYWORD]
        value = function(request["params"], **{key: item for key, item in offered.items() if takes_all or key in parameters})
        try:
            text = _reson_json.dumps(value, allow_nan=False, default=_reson_plain)
        except (TypeError, ValueError, RecursionError) as exc:
            raise _reson_Refused(f"{name}() returned what is no JSON: {exc}") from None
        if len(text) > _reson_MAX_VALUE:
            raise _reson_Refused(f"{name}() returned {len(text):,} characters of JSON; at most {_reson_MAX_VALUE:,} are sent")
        return _reson_json.loads(text)

    @property
    def training(self) -> dict[str, _reson_Any]:
        """The hyperparameters: the executor's arguments, ours or a user's, that are no wiring."""
        return {key: value for key, value in self._executor()["args"].items() if key not in _reson_OF_THE_EXECUTOR}

    def _executor(self) -> dict[str, _reson_Any]:
        """The entry of the executor that trains in the site's configuration."""
        with open(self._config, encoding="utf-8") as file:
            entries = _reson_json.load(file)["executors"]
        entry: dict[str, _reson_Any] = next(
            entry["executor"] for entry in entries if _reson_AppConstants.TASK_TRAIN in entry["tasks"]
        )
        return entry


class _reson_Refused(Exception):
    """A request that cannot be carried out; its words are all there is to say."""


def _reson_own_folder(root: str, site: str) -> str:
    """The folder of a site's data, where several sites of a machine have theirs below one root."""
    own = _reson_os.path.join(root, site)
    return own if _reson_os.path.isdir(own) else root


def _reson_is_ours(code: _reson_Any) -> _reson_Any:
    """Whether a function of the shipped files is no user's but the executor's, the agent's or the default training's."""
    if code.co_filename == _reson_OWN_FILE and "GenericClientExecutor" in globals():
        return True
    return getattr(code, "co_qualname", code.co_name).startswith(("_reson_", "Reson", "_rt_", "rt_train", "rt_validate"))


def _reson_functions(module: _reson_Any) -> list[str]:
    names = [name for name, value in vars(module).items() if _reson_inspect.isfunction(value)]
    return [name for name in names if vars(module)[name].__module__ == module.__name__ and not name.startswith("_")]


def _reson_plain(value: _reson_Any) -> _reson_Any:
    """Numbers and arrays of numpy and torch as Python's own."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a {type(value).__name__} is none")
