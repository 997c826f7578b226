"""The few messages of Scaleout's that users' code meets; there they are protobuf's, here plain classes with the same fields."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class LogLevel(IntEnum):
    """How serious a status is."""

    NONE = 0
    INFO = 1
    DEBUG = 2
    WARNING = 3
    ERROR = 4
    AUDIT = 5


class ModelStatus(IntEnum):
    """What became of a model that was sent."""

    UNKNOWN = 0
    IN_PROGRESS = 1
    OK = 2
    FAILED = 3


@dataclass
class FileChunk:
    """A piece of a model's file."""

    data: bytes = b""


@dataclass
class ModelResponse:
    """The answer to a model that was sent."""

    status: ModelStatus = ModelStatus.UNKNOWN
    message: str = ""


@dataclass
class TaskRequest:
    """What a callback was asked to do.

    Attributes:
        model_id: The global model that it is for.
        data: JSON: {"client_settings": ...} of a training, the parameters of a custom command.
        correlation_id: The request itself.
        timestamp: When it came, in ISO format.
        session_id: The job.
        round_id: The round, from "0"; "" for a command before the first.
        type: "Fedn_ModelUpdate", "Fedn_Validation", "Fedn_Prediction" or "Custom_" and the command's name.
        status: Not used here.
        client_id: The site.
    """

    model_id: str = ""
    data: str = ""
    correlation_id: str = ""
    timestamp: str = ""
    session_id: str = ""
    round_id: str = ""
    type: str = ""
    status: str = ""
    client_id: str = ""
