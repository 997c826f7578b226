"""What a run leaves in its work folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


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
