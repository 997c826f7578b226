"""What the runner does on the control path, for tests of the worker files: files in the server's run folder."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

_numbers = count(1)


def put(run_dir: Path, op: str, sites: list[str] | None = None, **rest: Any) -> str:
    """Puts a request into the run folder; returns its id."""
    number = next(_numbers)
    folder = run_dir / "requests"
    folder.mkdir(exist_ok=True)
    path = folder / f"{number:06d}.tmp"
    path.write_text(json.dumps({"id": f"id-{number}", "op": op, "sites": sites, **rest}))
    path.rename(path.with_suffix(".json"))
    return f"id-{number}"


def answers(events: Callable[[], list[dict[str, Any]]], request: str, sites: int = 1, timeout: float = 60) -> dict[str, Any]:
    """What each site answered, {site: data}, as soon as so many have."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        found = {event["site"]: event["data"] for event in events() if event["data"].get("request") == request}
        if len(found) >= sites:
            return found
        time.sleep(0.05)
    raise TimeoutError(f"no {sites} answers in {timeout} s")
