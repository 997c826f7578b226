"""The objects of a run's log: their keys, and how they are written and read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationError

from ...errors import NotFound, StoreError
from ...events import Event, EventType, RunState, SiteTelemetry
from ..store.base import Store

DAMAGED = "The run's log is damaged; start a new run."
NDJSON = "application/x-ndjson"

_Counts = list[Annotated[int, Field(ge=0)]]


class Latest(BaseModel):
    """The content of latest.json."""

    state: RunState = RunState.PENDING
    seq: int = Field(default=0, ge=0, description="Number of events so far.")
    segments: int = Field(default=0, ge=0)
    rounds: int = Field(default=0, ge=0, description="How many rounds are over.")
    packs: _Counts = Field(default_factory=list, description="How many packs there are: of segments, of such packs.")
    swept: _Counts = Field(default_factory=list, description="Of how many packs, by level too, the parts are deleted.")
    time: float = Field(default=0.0, description="When it was written, seconds since the epoch.")
    sites: dict[str, SiteTelemetry] = Field(default_factory=dict, description="Each site's newest sign of life.")
    tail: list[dict[str, Any]] = Field(default_factory=list)


def latest_key(prefix: str) -> str:
    """Returns the key of the run's latest.json."""
    return f"{prefix.rstrip('/')}/files_out/latest.json"


def segment_key(prefix: str, number: int) -> str:
    """Returns the key of segment `number`, from 0. Segment 0 is there for as long as the run is."""
    return f"{prefix.rstrip('/')}/files_out/events/{number:08d}.ndjson"


def pack_key(prefix: str, level: int, number: int) -> str:
    """Returns the key of pack `number` of a level; level 0 are the segments themselves."""
    if level == 0:
        return segment_key(prefix, number)
    return f"{prefix.rstrip('/')}/files_out/events/pack-{level}-{number:08d}.ndjson"


def peek(store: Store, prefix: str) -> Latest | None:
    """Returns what the run's latest.json says now, None if there is none. Raises `StoreError`."""
    found = read_latest(store, prefix)
    return parse_latest(found[0]) if found else None


def read_latest(store: Store, prefix: str, etag: str | None = None) -> tuple[bytes, str] | None:
    """Returns latest.json and its tag; None if there is none, or the tag still is `etag`. Raises `StoreError`."""
    try:
        return store.get_if_changed(latest_key(prefix), etag)
    except NotFound:
        return None


def parse_latest(data: bytes) -> Latest:
    """Returns what a latest.json says. Raises `StoreError`."""
    try:
        return Latest.model_validate(json.loads(data))
    except (ValueError, RecursionError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise StoreError(
            f"The run's latest.json cannot be read: {reason}.",
            "It is damaged, or a newer version of reson_jupyter wrote it; update and attach again.",
        ) from None


def parse_lines(data: bytes, key: str) -> Iterator[Event]:
    """Yields the events of a segment or a pack, which lies under `key`. Raises `StoreError`."""
    try:
        events = [json.loads(line) for line in data.splitlines()]
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{key} has a line that is not JSON: {error}.", DAMAGED) from None
    for event in events:
        yield parse_event(event, key)


def parse_event(event: Any, key: str) -> Event:
    """Returns one event of the object under `key`. Raises `StoreError`."""
    try:
        return Event.model_validate(event)
    except ValidationError as error:
        if all(problem["loc"] == ("type",) for problem in error.errors()):
            return _of_unknown_type(event)
        raise StoreError(f"{key} has a line that is no event: {error.errors()[0]['msg']}.", DAMAGED) from None


def _of_unknown_type(event: dict[str, Any]) -> Event:
    """A newer version's event keeps its place in the log and is shown as a log line, so that no reader has to know it."""
    note = {"level": "info", "message": f"An event of the type {event.get('type')!r}, which this version does not know."}
    return Event.model_validate({**event, "type": EventType.LOG, "data": {**event.get("data", {}), **note}})


def event_line(event: Event) -> str:
    """Returns an event as one line of JSON."""
    # Without nulls a metrics event is a fifth smaller, and polls are paid per byte.
    return json_line({name: value for name, value in event.model_dump().items() if value is not None})


def json_line(value: dict[str, Any]) -> str:
    """Returns compact JSON in one line, of Unicode that every store takes."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    # File names in tracebacks may hold bytes that are no UTF-8; they arrive as "?" rather than stop the log.
    return text.encode(errors="replace").decode()
