"""How a carrier and the server of its run talk, where they are on different machines."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydantic import BaseModel, ValidationError

from ...errors import NotFound, StoreError
from ...events import Event, SiteTelemetry
from ..store import ObjectInfo, Store, UploadForm
from .tail import parse_line

# As long as any S3 server takes a signature: a run that takes longer is told of at its end.
_LINK_SECONDS = 7 * 24 * 3600
_KEPT_REQUESTS = 100
_REPORT = re.compile(r"[0-9]{10}\.ndjson")
_REPORT_BYTES = 8 << 20
# How long a report that is missing between others is waited for, in seconds.
_GAP_PATIENCE = 30.0


class Telemetry(BaseModel):
    """The content of the server's telemetry.json."""

    beat: int = -1
    sites: dict[str, SiteTelemetry] = {}


class Channel(Protocol):
    """One run's way to its server and back.

    Attributes:
        telemetry: What the sites last said of themselves.
    """

    telemetry: Telemetry

    def read(self) -> list[Event]:
        """Returns what the server has reported since the last `read`, in order. Raises `ResonError` if it cannot be asked."""

    def forget(self) -> None:
        """Lets go of what was read: it is in the run's log. Raises `ResonError`."""

    def ask(self, request: Mapping[str, Any]) -> None:
        """Passes a request on. Raises `ResonError`."""

    def stop(self) -> None:
        """Asks for the end of the run in good order. Raises `ResonError`."""


@dataclass(frozen=True)
class Link:
    """What a server needs to report into the store, and to hear from there, without keys to it; a secret while it is good."""

    form: UploadForm
    requests_url: str = field(repr=False)


def make_link(store: Store, prefix: str) -> Link | None:
    """Returns the link of the run below `prefix`; None if no other machine could reach its store. Raises `StoreError`."""
    form = store.offer_uploads(_reports(prefix), _LINK_SECONDS)
    url = store.offer_download(_requests_key(prefix), _LINK_SECONDS)
    return Link(form, url) if form and url else None


class StoreChannel:
    """Through objects of the store, which the server reaches by a `Link`.

        files_out/events/server/0000000012.ndjson   events that the server reported, named by the number of the first, from 0
        files_out/events/server/telemetry.json      {"beat", "sites"}
        files_out/requests.json                     {"stop": bool, "requests": [...]}, which the server reads

    The server stores an object only after it heard that the one before is stored. If it did not hear so, it stores it again,
    perhaps with more lines: so an object is done with only when there is a later one.

    Args:
        store: The run's store.
        prefix: The run's key prefix.
    """

    def __init__(self, store: Store, prefix: str) -> None:
        self.telemetry = Telemetry()
        self._store = store
        self._prefix = prefix
        self._next: int | None = None
        self._tags: dict[str, str] = {}  # of what was read
        self._done: list[str] = []
        self._gap_since: float | None = None
        self._telemetry_tag: str | None = None
        self._asked: dict[str, Any] | None = None

    def read(self) -> list[Event]:
        """Returns what the server has reported since the last `read`, in order. Raises `StoreError`."""
        self._read_telemetry()
        found = {info.key: info for info in self._store.list(_reports(self._prefix)) if _is_report(info)}
        self._tags = {key: tag for key, tag in self._tags.items() if key in found}
        events: list[Event] = []
        for info in found.values():
            if self._tags.get(info.key) == info.etag:
                continue
            try:
                lines = self._lines_of(info)
            except StoreError:
                if not events:
                    raise
                break  # what was read must not be lost
            if lines is None:
                break
            events += map(parse_line, lines)
            self._tags[info.key] = info.etag
        self._done = [key for key in list(found)[:-1] if key in self._tags]
        return events

    def forget(self) -> None:
        """Deletes what was read, as far as the server is done with it."""
        while self._done:
            self._store.delete(self._done[0])
            self._tags.pop(self._done.pop(0), None)

    def ask(self, request: Mapping[str, Any]) -> None:
        """Leaves a request where the server looks. Raises `StoreError`."""
        self._leave(requests=[*self._left()["requests"], dict(request)][-_KEPT_REQUESTS:])

    def stop(self) -> None:
        """Leaves word where the server looks. Raises `StoreError`."""
        self._leave(stop=True)

    def _lines_of(self, info: ObjectInfo) -> list[bytes] | None:
        """The lines of a report that were not read yet; None while one before it is missing."""
        first = int(info.name.partition(".")[0])
        begin = first if self._next is None else self._next
        if first > begin:
            now = time.monotonic()
            self._gap_since = self._gap_since or now
            if now - self._gap_since < _GAP_PATIENCE:
                return None
            begin = first  # it will not come any more; at the run's end its events may be had otherwise
        lines = self._store.get(info.key).split(b"\n")[:-1]
        self._next, self._gap_since = max(begin, first + len(lines)), None
        return lines[begin - first :]

    def _leave(self, **changes: Any) -> None:
        asked = {**self._left(), **changes}
        self._store.put(_requests_key(self._prefix), json.dumps(asked).encode(), content_type="application/json")
        self._asked = asked

    def _left(self) -> dict[str, Any]:
        """What is asked for already, perhaps by a carrier that died."""
        if self._asked is None:
            try:
                self._asked = _Asked.model_validate_json(self._store.get(_requests_key(self._prefix))).model_dump()
            except (NotFound, ValidationError):
                self._asked = _Asked().model_dump()
        return self._asked

    def _read_telemetry(self) -> None:
        try:
            found = self._store.get_if_changed(f"{_reports(self._prefix)}telemetry.json", self._telemetry_tag)
        except NotFound:
            return
        if found is None:
            return
        self._telemetry_tag = found[1]
        with contextlib.suppress(ValidationError):  # then the last one that could be read stays
            self.telemetry = Telemetry.model_validate_json(found[0])


class _Asked(BaseModel):
    """The content of requests.json."""

    stop: bool = False
    requests: list[dict[str, Any]] = []


def _is_report(info: ObjectInfo) -> bool:
    """Whether an object is one that a server stores; others may put there what they like."""
    return bool(_REPORT.fullmatch(info.name)) and info.bytes <= _REPORT_BYTES


def _reports(prefix: str) -> str:
    return f"{prefix}/files_out/events/server/"


def _requests_key(prefix: str) -> str:
    return f"{prefix}/files_out/requests.json"
