"""Requests on their way to a running run: a folder, a file for each, in the order in which they came."""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

REQUESTS_FOLDER = "requests"


class Mailbox:
    """A folder of requests: any process puts them there, one takes them out.

    Args:
        folder: Where they lie; it is made when it is needed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, request: Mapping[str, Any]) -> None:
        """Leaves a request, whole or not at all. Raises `OSError`."""
        self._folder.mkdir(parents=True, exist_ok=True)
        # All processes of a machine share this clock, and nobody can set it back.
        name = f"{time.monotonic_ns():020d}-{secrets.token_hex(4)}"
        part = self._folder / f"{name}.part"
        part.write_text(json.dumps(request))
        os.replace(part, self._folder / f"{name}.json")

    def take(self) -> list[dict[str, Any]]:
        """Returns the requests that came, the oldest first, and removes them; what cannot be read is dropped."""
        found = []
        for path in sorted(self._folder.glob("*.json")):
            try:
                request = json.loads(path.read_bytes())
            except (OSError, ValueError):
                request = None
            path.unlink(missing_ok=True)
            if isinstance(request, dict):
                found.append(request)
        return found
