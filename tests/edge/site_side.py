"""What a site has beside a project: a client that takes callbacks, and the folder of a job's scripts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from reson_jupyter.edge.names import travel_files


class Stopped(Exception):
    """The task was aborted."""


class Client:
    """Takes callbacks as an EdgeClient does; its task is aborted as soon as `abort_when` says so."""

    def __init__(self) -> None:
        self.callbacks: dict[str, Callable[..., Any]] = {}
        self.package_path = "."
        self.abort_when: Callable[[], bool] = lambda: False

    def set_train_callback(self, callback: Callable[..., Any]) -> None:
        self.callbacks["train"] = callback

    def set_validate_callback(self, callback: Callable[..., Any]) -> None:
        self.callbacks["validate"] = callback

    def set_predict_callback(self, callback: Callable[..., Any]) -> None:
        self.callbacks["predict"] = callback

    def check_task_abort(self) -> None:
        if self.abort_when():
            raise Stopped


def write_scripts(folder: Path) -> Path:
    """Writes what every such job ships into <folder>/run/app/custom, as NVFlare lays it out; returns that."""
    scripts = folder / "run" / "app" / "custom"
    for name, data in travel_files().items():
        (scripts / name).parent.mkdir(parents=True, exist_ok=True)
        (scripts / name).write_bytes(data)
    return scripts
