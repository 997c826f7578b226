"""Run the scenarios with an EdgeClient each, in the same form: {name: {"metrics": [[values, step]], "seen": [...], "sent": ...}}.

What is "sent" is the model that the server would get as numbers, or None. Those of Scaleout are texts, which run under its
packages with the scenarios above them; only what would talk to a server is replaced.
"""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np

from reson_jupyter.edge.travel.client import EdgeClient
from reson_jupyter.edge.travel.context import LoggingContext
from reson_jupyter.edge.travel.helpers import get_helper
from reson_jupyter.edge.travel.model import ScaleoutModel
from reson_jupyter.edge.travel.site import Site

_COMMON = """
import contextlib, json, sys, threading
from types import SimpleNamespace
import numpy as np
import scaleoututil.grpc.scaleout_pb2 as pb
from scaleout.client.edge_client import EdgeClient
from scaleout.client.grpc_handler import GrpcHandler
from scaleout.client.logging_context import LoggingContext
from scaleout.client.task_receiver import Task
from scaleoututil.helpers.helpers import get_helper
from scaleoututil.utils.model import ScaleoutModel

helper = get_helper("numpyhelper")
HANDLER = SimpleNamespace(client_id="c")

def metric(record, **args):
    message = GrpcHandler.create_metric_message(HANDLER, **args)  # its protobuf says what is a number
    record["metrics"].append([{item.key: item.value for item in message.metrics}, message.step.value])

def numbers(model, read):
    return [[float(value) for value in array] for array in read(model)]

def all_of_them(drive, run, tasks):
    with contextlib.redirect_stdout(sys.stderr):
        found = {name: drive(function) for name, function in {**SCENARIOS, **EXAMPLES}.items()}
        found["failing"] = {name: outcome(run, task, data) for name, (task, data) in tasks.items()}
    print(json.dumps(found))

def outcome(run, task, data):
    def fails(*args):
        called.append(list(args) if task.startswith("Custom") else [])
        raise ValueError("no data")

    called = []
    done = run(fails, pb.TaskRequest(model_id="m", data=json.dumps(data), correlation_id="i", type=task))
    return [called, done.status.name, done.response]
"""

_FIRST = """
def drive(function):
    record = {"metrics": [], "seen": [], "sent": None}
    client = EdgeClient()
    client.client_id = "c"
    read = lambda model: model.get_model_params(helper)
    make = lambda params: ScaleoutModel.from_model_params(params, helper)
    client.grpc_handler = SimpleNamespace(
        get_model_from_combiner=lambda model_id: make([np.array([1, 2], "float32")]),
        create_metric_message=lambda **args: args,
        send_model_metric=lambda args: metric(record, **args) or True,
        send_attributes=lambda message: True,
        send_status=lambda *args: None,
        send_model_to_combiner=lambda model: setattr(client, "uploaded", numbers(model, read)),
        send_model_update=lambda **args: record.update(sent=client.uploaded),
    )
    tools = SimpleNamespace(make=make, read=read, LoggingContext=LoggingContext, see=record["seen"].append,
                            abort=client.task_receiver.abort_current_task)
    client.set_train_callback(lambda model, settings: function(client, model, settings, tools))
    request = pb.TaskRequest(model_id="m", data=json.dumps({}), correlation_id="i", session_id="s", round_id="r",
                             type="Fedn_ModelUpdate")
    task = client.task_receiver._current_task = Task(request)
    client.task_receiver._run_task(task)
    return record

def run(fails, request):
    client = EdgeClient(validate_callback=fails)
    client.client_id = "c"
    client.grpc_handler = SimpleNamespace(
        get_model_from_combiner=lambda model_id: ScaleoutModel(), send_status=lambda *args: None
    )
    client.set_custom_callback("f", fails)
    task = client.task_receiver._current_task = Task(request)
    client.task_receiver._run_task(task)
    return task

all_of_them(drive, run, {"validate": ("Fedn_Validation", {}), "custom": ("Custom_f", {"a": 1})})
"""

_SECOND = """
from scaleout.client.grpc_edge_client_runtime import GrpcEdgeClientRuntime

class Runtime(GrpcEdgeClientRuntime):
    def get_model_from_combiner(self, model_id):
        return ScaleoutModel.from_training_model([np.array([1, 2], "float32")], helper)

    def send_metric(self, **args):
        metric(self.record, **args)
        return True

    def send_attributes(self, attributes, priority=None):
        return True

    def send_model_to_combiner(self, model):
        self.uploaded = numbers(model, lambda model: model.get_training_model(helper))

    def send_status(self, *args, **rest):
        pass

    def enqueue(self, message):
        self.record["sent"] = self.uploaded

def drive(function):
    runtime = Runtime()
    record = runtime.record = {"metrics": [], "seen": [], "sent": None}
    runtime.queue = runtime
    client = EdgeClient(runtime=runtime)
    client.client_id = "c"
    tools = SimpleNamespace(make=lambda params: ScaleoutModel.from_training_model(params, helper),
                            read=lambda model: model.get_training_model(helper), LoggingContext=LoggingContext,
                            see=record["seen"].append, abort=runtime.task_receiver.abort_all_current_tasks)
    client.set_train_callback(lambda model, settings: function(client, model, settings, tools))
    request = pb.TaskRequest(model_id="m", data=json.dumps({}), correlation_id="i", session_id="s", round_id="r",
                             type="Scaleout_ModelUpdate")
    task = Task(request)
    runtime.task_receiver._current_tasks.append(task)
    runtime.task_receiver._run_task(task)
    return record

def run(fails, request):
    runtime = Runtime()
    client = EdgeClient(validate_callback=fails, runtime=runtime)
    client.client_id = "c"
    client.set_custom_callback("f", fails)
    task = Task(request)
    runtime.task_receiver._current_tasks.append(task)
    runtime.task_receiver._run_task(task)
    return task

all_of_them(drive, run, {"validate": ("Scaleout_Validation", {}), "custom": ("Custom_f", {"parameters": {"a": 1}})})
"""
_SCENARIOS = Path(__file__).with_name("client_scenarios.py").read_text()
SCRIPTS = {"1.0": _SCENARIOS + _COMMON + _FIRST, "1.1": _SCENARIOS + _COMMON + _SECOND}


class Logger:
    """What the executor's logger is to a site: it notes, and can be told that the task is aborted."""

    class Aborted(BaseException):
        """The task was stopped."""

    def __init__(self) -> None:
        self.aborted = False
        self.metrics: list[list[Any]] = []
        self.attributes: dict[str, Any] = {}
        self.lines: list[str] = []

    def check_task_abort(self) -> None:
        if self.aborted:
            raise self.Aborted

    def abort(self) -> None:
        self.aborted = True

    def put_metric(self, metrics: Any, value: Any = None, step: Any = None) -> None:
        self.metrics.append([metrics, step])

    def log_attributes(self, attributes: dict[str, Any]) -> None:
        self.attributes |= attributes

    def debug(self, text: str) -> None:
        self.lines.append(f"debug: {text}")

    def info(self, text: str) -> None:
        self.lines.append(f"info: {text}")

    def warning(self, text: str) -> None:
        self.lines.append(f"warning: {text}")

    def error(self, text: str) -> None:
        self.lines.append(f"error: {text}")


ENV = {"SITE_NAME": "site-1", "JOB_ID": "job", "DATA_ROOT": "/data", "CURRENT_ROUND": 0, "NUM_ROUNDS": 2}


def ours(function: Any) -> dict[str, Any]:
    """Runs a scenario with our client."""
    logger, seen, sent = Logger(), list[Any](), None
    helper = get_helper("numpyhelper")
    tools = SimpleNamespace(
        make=lambda params: ScaleoutModel.from_model_params(params, helper),
        read=lambda model: model.get_model_params(helper),
        LoggingContext=LoggingContext,
        see=seen.append,
        abort=logger.abort,
    )

    def startup(client: Any) -> None:
        client.set_train_callback(lambda model, settings: function(client, model, settings, tools))

    try:
        with mock.patch.dict(os.environ):  # the site writes into it
            result = Site(lambda: startup, "numpyhelper").train({"0": np.array([1, 2], "float32")}, ENV, logger)
        sent = [[float(value) for value in result["weights"]["0"]]]
    except (Exception, Logger.Aborted):
        pass
    return {"metrics": logger.metrics, "seen": seen, "sent": sent}


NUMPY = get_helper("numpyhelper")
WEIGHTS = {"0": np.array([1.0, 2.0], "float32"), "1": np.array([[3]], "int64")}
EXAMPLES = {"training_metadata": {"num_examples": 4}}


def site_with(train: Any = None, validate: Any = None, predict: Any = None, **commands: Any) -> Site:
    """A site whose startup registers these."""

    def startup(client: EdgeClient) -> None:
        client.set_train_callback(train)
        client.set_validate_callback(validate)
        client.set_predict_callback(predict)
        for name, callback in commands.items():
            client.set_custom_callback(name, callback)

    return Site(lambda: startup, "numpyhelper")


def unchanged(model: ScaleoutModel, settings: dict[str, Any]) -> Any:
    """A train callback that trains nothing."""
    return model, EXAMPLES
