"""Prints what the classes that a Scaleout user meets can do. Run under Scaleout's own packages, and with our names for them."""

import inspect
import json

from scaleout import EdgeClient, ScaleoutModel
from scaleout.client.edge_client import ConnectToApiResult
from scaleout.client.grpc_handler import GrpcConnectionOptions
from scaleout.client.logging_context import LoggingContext
from scaleoututil.grpc.scaleout_pb2 import LogLevel
from scaleoututil.helpers import helpers
from scaleoututil.helpers.plugins import binaryhelper, numpyhelper

CLASSES = {
    "EdgeClient": EdgeClient,
    "ScaleoutModel": ScaleoutModel,
    "GrpcConnectionOptions": GrpcConnectionOptions,
    "LoggingContext": LoggingContext,
    "numpyhelper": numpyhelper.Helper,
    "binaryhelper": binaryhelper.Helper,
    "helpers": helpers,
}


def parameters(member):
    """Names in their order, each with whether it may be left out; None for what is not called."""
    if not callable(member):
        return None
    return {name: each.default is not each.empty for name, each in inspect.signature(member).parameters.items()}


def members(owner):
    """The public members that are Scaleout's, and how the owner itself is called."""
    names = [name for name in dir(owner) if not name.startswith("_") and name.islower() and name not in ("json", "importlib")]
    return {**{name: parameters(getattr(owner, name)) for name in names}, "()": parameters(owner)}


found = {name: members(owner) for name, owner in CLASSES.items()}
found["ConnectToApiResult"] = {name: value.value for name, value in ConnectToApiResult.__members__.items()}
found["LogLevel"] = {name: int(getattr(LogLevel, name)) for name in ("NONE", "INFO", "DEBUG", "WARNING", "ERROR", "AUDIT")}
print(json.dumps(found))
