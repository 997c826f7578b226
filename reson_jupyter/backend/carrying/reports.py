"""What a run's server and its sites may report, and how it must look: they are other people's machines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, JsonValue

from ...events import Event, EventType
from ..site_state import SiteEnvironment

# A command's answer may have a million characters, and everything else is far smaller.
_MAX_BYTES = 2 << 20
_MAX_TIME = 1e11  # which calendars still have
_MAX_ROUND = 1_000_000
_MAX_NAME = 255

# Python's integers have no end, but no float, file or other language takes one that is longer.
_Int = Annotated[int, Field(ge=-(2**63), lt=2**63)]
_Count = Annotated[int, Field(ge=0, lt=2**63)]


def _short(value: float) -> float:
    # For a long one, arithmetic with floats raises.
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError("the integer is too long")
    return value


_Number = Annotated[FiniteFloat, BeforeValidator(_short)]


class _Data(BaseModel):
    """Data of an event; what a newer version says besides is JSON, too."""

    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)

    __pydantic_extra__: dict[str, JsonValue]


class _RunStarted(_Data):
    num_rounds: _Count
    min_clients: _Count
    nvflare: str


class _Prepared(SiteEnvironment):
    model_config = ConfigDict(extra="allow", allow_inf_nan=False)

    __pydantic_extra__: dict[str, JsonValue]

    disk: _Int | None = None
    samples: _Int | None = None
    classes: _Int | None = None


class _Site(_Data):
    phase: str


class _Metrics(_Data):
    step: _Int | None = None
    values: dict[str, _Number | None]
    stage: str = "train"


class _Attributes(_Data):
    values: dict[str, bool | int | FiniteFloat | str | None]


class _Log(_Data):
    level: str
    message: str
    note: bool = False


class _Error(_Data):
    message: str
    traceback: str = ""


class _Contribution(_Data):
    accepted: bool
    samples: _Number


class _Sites(_Data):
    sites: list[str]


class _Model(_Data):
    digest: str
    finite: bool


class _Saved(_Data):
    file: str
    bytes: _Count
    final: bool


class _Lost(_Data):
    batches: _Count


class _Answer(_Data):
    request: str
    ok: bool
    value: JsonValue = None
    error: str = ""
    traceback: str = ""


@dataclass(frozen=True)
class _Kind:
    """How the events of a type look: their data, and what else they need."""

    data: type[BaseModel] = _Data
    site: bool = False
    round: bool = False


_KINDS = {
    EventType.RUN_STARTED: _Kind(_RunStarted),
    EventType.PREPARED: _Kind(_Prepared, site=True),
    EventType.ROUND_STARTED: _Kind(round=True),
    EventType.SITE: _Kind(_Site, site=True),
    EventType.METRICS: _Kind(_Metrics, site=True),
    EventType.ATTRIBUTES: _Kind(_Attributes, site=True),
    EventType.LOG: _Kind(_Log),
    EventType.ERROR: _Kind(_Error),
    EventType.CONTRIBUTION: _Kind(_Contribution, site=True, round=True),
    EventType.AGGREGATED: _Kind(_Sites, round=True),
    EventType.MODEL: _Kind(_Model),
    EventType.SAVED: _Kind(_Saved),
    EventType.LOST: _Kind(_Lost, site=True),
    EventType.VALIDATED: _Kind(_Sites, round=True),
    EventType.ANSWER: _Kind(_Answer, site=True),
    EventType.RUN_ENDED: _Kind(),
}


def read_report(line: bytes) -> Event:
    """Returns a line that a server reported as an event; one that is not the server's to say becomes a warning that tells so.

    Raises:
        ValueError: the line is no event, or one that lacks what its type needs.
    """
    if len(line) > _MAX_BYTES:
        raise ValueError("too long")
    event = Event.model_validate_json(line)
    if not 0 <= event.time < _MAX_TIME:  # nor is a NaN
        raise ValueError("no time")
    kind = _KINDS.get(event.type)
    if kind is None:
        whose = "the submitter" if event.type is EventType.SUBMITTED else "whoever carries the run"
        return warning(f'the server reported "{event.type.value}", which only {whose} may say', event.time)
    if (kind.site and not event.site) or len(event.site or "") > _MAX_NAME:
        raise ValueError("no site")
    if (kind.round and event.round is None) or not 0 <= (event.round or 0) <= _MAX_ROUND:
        raise ValueError("no round")
    kind.data.model_validate(event.data)
    return event


def warning(message: str, time: float) -> Event:
    """Returns a warning for the run's log."""
    return Event(time=time, type=EventType.LOG, data={"level": "warning", "message": message})
