"""How a carrier and the server of its run talk, where they are on different machines."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import BaseModel, ValidationError

from ...errors import NotFound, StoreError
from ...events import Event, SiteTelemetry
from ..store import Store, UploadForm
from .tail import parse_line

# As long as any S3 server takes a signature: a run that takes longer is told of at its end.
_LINK_SECONDS = 7 * 24 * 3600
_KEPT_REQUESTS = 100
_REPORT = re.compile(r"(\d{10})\.ndjson")


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
    """What a server needs to report into the store, and to hear from there, without keys to it."""

    form: UploadForm
    requests_url: str


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

    Args:
        store: The run's store.
        prefix: The run's key prefix.
    """

    def __init__(self, store: Store, prefix: str) -> None:
        self.telemetry = Telemetry()
        self._store = store
        self._prefix = prefix
        self._next: int | None = None
        self._read: set[str] = set()
        self._tag: str | None = None
        self._asked: dict[str, Any] = {"stop": False, "requests": []}

    def read(self) -> list[Event]:
        """Returns what the server has reported since the last `read`, in order. Raises `StoreError`."""
        events: list[Event] = []
        for info in self._store.list(_reports(self._prefix)):
            if not (named := _REPORT.fullmatch(info.name)):
                continue
            first = int(named[1])
            begin = first if self._next is None else self._next
            if first > begin:
                break  # what is between is still on its way
            lines = self._store.get(info.key).splitlines()
            events += map(parse_line, lines[begin - first :])
            self._next = max(begin, first + len(lines))
            # A server that did not hear that it arrived sends it again, with more.
            self._read.add(info.key)
        self._read_telemetry()
        return events

    def forget(self) -> None:
        """Deletes what was read."""
        while self._read:
            self._store.delete(next(iter(self._read)))
            self._read.pop()

    def ask(self, request: Mapping[str, Any]) -> None:
        """Leaves a request where the server looks."""
        self._leave(requests=[*self._asked["requests"], dict(request)][-_KEPT_REQUESTS:])

    def stop(self) -> None:
        """Leaves word where the server looks."""
        self._leave(stop=True)

    def _leave(self, **changes: Any) -> None:
        asked = {**self._asked, **changes}
        self._store.put(_requests_key(self._prefix), json.dumps(asked).encode(), content_type="application/json")
        self._asked = asked

    def _read_telemetry(self) -> None:
        try:
            found = self._store.get_if_changed(f"{_reports(self._prefix)}telemetry.json", self._tag)
        except NotFound:
            return
        if found is None:
            return
        self._tag = found[1]
        try:
            self.telemetry = Telemetry.model_validate_json(found[0])
        except ValidationError as error:
            raise StoreError(f"the server's telemetry cannot be read: {error.errors()[0]['msg']}") from None


def _reports(prefix: str) -> str:
    return f"{prefix}/files_out/events/server/"


def _requests_key(prefix: str) -> str:
    return f"{prefix}/files_out/requests.json"
