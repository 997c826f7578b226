"""What a run leaves in its work folder: found there, and put into the store."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ...errors import StoreError
from ...events import Event, EventType
from ..store import Store, check_key

Put = Callable[[str, Path], object]


class WorkFolder:
    """The folder below which a simulator run writes everything.

    Args:
        path: The folder; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.job = path / "job"
        self.data = path / "data"
        self.workspace = path / "workspace"
        self.out = path / "model_out"
        self.rounds = path / "rounds"
        self.log = path / "simulator.log"
        self.cwd = path / "empty"
        self.tmp = path / "tmp"

    @property
    def server(self) -> Path:
        """Where the server runs; the reporter's events.ndjson and telemetry.json appear here."""
        return self.run_of("server")

    def run_of(self, name: str) -> Path:
        """Where a site, or "server", runs."""
        return self.workspace / name / "simulate_job"

    def custom_of(self, site: str) -> Path:
        """Where a site has the scripts that shipped."""
        return self.run_of(site) / f"app_{site}" / "custom"

    def log_of(self, name: str) -> Path:
        """The log of a site, or of "server"."""
        return self.workspace / name / "log.txt"

    def logs(self) -> Mapping[str, Path]:
        """Returns the log files by the name they get in the store."""
        logs = {f"{path.parent.name}.txt": path for path in sorted(self.workspace.glob("*/log.txt"))}
        return {**logs, "simulator.txt": self.log} if self.log.exists() else logs

    def errors_of(self, name: str) -> str:
        """Returns what a site, or "server", wrote to its error log."""
        files = sorted((self.workspace / name).glob("**/error_log.txt"))
        return "\n".join(path.read_text(errors="replace").strip() for path in files)

    def models(self) -> list[Path]:
        """Returns the model files: what the persistor put into the output folder, else what it left with the server's app."""
        # A file that is named .tmp was being written when its server died.
        written = sorted(path for path in self.out.glob("**/*") if path.is_file() and path.suffix != ".tmp")
        return written or sorted((self.server / "app_server").glob("*.pt"))


def storable_models(work: WorkFolder, prefix: str) -> tuple[dict[str, Path], list[Event]]:
    """Returns the model files by their keys, and a warning for each whose name no store can hold."""
    models, warnings = {}, []
    for path in work.models():
        name = path.relative_to(work.out).as_posix() if path.is_relative_to(work.out) else path.name
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


def store_logs(work: WorkFolder, prefix: str, store: Store) -> None:
    """Stores the logs below the run's files_out/logs/; a log less is no reason to fail a run."""
    for name, path in work.logs().items():
        with contextlib.suppress(StoreError, OSError):
            store.put_file(f"{prefix}/files_out/logs/{name}", path, content_type="text/plain")


def sha256(path: Path) -> str:
    """Returns a file's digest."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
