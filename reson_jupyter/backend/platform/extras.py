"""What the platform may be able to do but documents nowhere: asked for once, and done without where it is not there.

The addresses are those that the documented ones suggest. An answer of 404, 405 or 501 means that this deployment has none; 403,
that it is for the platform's own pages only.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

from ...errors import PlatformError
from .client import Client
from .reading import first, text

T = TypeVar("T")

_NOT_THERE = (403, 404, 405, 501)
_LOG_NAME = re.compile(r"[\w.-]{1,100}")
_LIST_NAMES = ("models", "items", "data", "gpus")
_ID_NAMES = ("id", "model", "modelId", "gpuModel", "slug")


class Extras:
    """Undocumented endpoints. Every method raises `PlatformError` where the platform does not answer."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._missing: set[str] = set()

    def gpu_models(self) -> frozenset[str] | None:
        """Returns the ids of the GPU models that can be asked for; None if nobody can tell."""
        said = self._try("catalogue", lambda: self._client.get("/api/gpu-catalog"))
        rows: Any = said
        if isinstance(said, dict):
            rows = next((said[name] for name in _LIST_NAMES if name in said), None)
        ids = {_id_of(row) for row in rows} if isinstance(rows, list) else set()
        return frozenset(ids) if ids and "" not in ids else None

    def cancel(self, task_id: str) -> bool:
        """Asks for the end of a job; whether there is somebody to ask."""
        return self._try("cancel", lambda: (self._client.post(f"/api/tasks/{task_id}/cancel", {}, repeatable=True),)) is not None

    def logs(self, task_id: str) -> dict[str, str] | None:
        """Returns the logs of a job's server and sites, by name; None if they cannot be had here."""
        said = self._try("logs", lambda: self._client.get(f"/api/tasks/{task_id}/logs"))
        logs = said.get("logs") if isinstance(said, dict) else None
        if isinstance(logs, str):
            return {"server": text(logs)}
        if not isinstance(logs, dict):
            return None
        return {name: text(log) for name, log in logs.items() if _LOG_NAME.fullmatch(name)}  # they become names of files

    def _try(self, what: str, ask: Callable[[], T]) -> T | None:
        if what in self._missing:
            return None
        try:
            return ask()
        except PlatformError as error:
            if error.status not in _NOT_THERE:
                raise
            self._missing.add(what)
            return None


def _id_of(row: Any) -> str:
    """The id in a row of a catalogue whose schema nobody has published."""
    if isinstance(row, str):
        return row
    return text(first(row, *_ID_NAMES))
