"""What a run leaves behind, put into the store: its models and its logs."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ...errors import StoreError
from ...events import Event, EventType
from ..store import Store, check_key

Put = Callable[[str, Path], object]


def storable_models(files: Iterable[Path], out: Path, prefix: str) -> tuple[dict[str, Path], list[Event]]:
    """Returns model files by their keys, and a warning for each whose name no store can hold.

    Args:
        files: The files.
        out: The folder that those below it are named by; others go by their own name.
        prefix: The run's key prefix.
    """
    models, warnings = {}, []
    for path in files:
        name = path.relative_to(out).as_posix() if path.is_relative_to(out) else path.name
        try:
            models[check_key(f"{_folder(prefix)}{name}")] = path
        except StoreError as error:
            said = {"level": "warning", "message": f"the model file {name!a} was not stored: {error.message}"}
            warnings.append(Event(time=time.time(), type=EventType.LOG, data=said))
    return models, warnings


def store_models(models: Mapping[str, Path], prefix: str, put: Put) -> dict[str, dict[str, Any]]:
    """Stores model files below the run's model_out/ and returns what the event `result` says of them."""
    result = {}
    for key, path in models.items():
        put(key, path)
        result[key.removeprefix(_folder(prefix))] = {"bytes": path.stat().st_size, "sha256": sha256(path)}
    return result


def _folder(prefix: str) -> str:
    return f"{prefix}/model_out/"


def store_logs(logs: Mapping[str, Path], prefix: str, store: Store) -> None:
    """Stores logs, by their names, below the run's files_out/logs/; a log less is no reason to fail a run."""
    for name, path in logs.items():
        with contextlib.suppress(StoreError, OSError):
            store.put_file(f"{prefix}/files_out/logs/{name}", path, content_type="text/plain")


def sha256(path: Path) -> str:
    """Returns a file's digest."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
