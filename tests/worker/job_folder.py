"""Writes an NVFlare job folder from the worker files, and runs it as the local target does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reson_jupyter.worker import source

TRAINING = {
    "num_classes": 0,
    "local_epochs": 1,
    "batch_size": 8,
    "learning_rate": 0.01,
    "img_size": 8,
    "manifest_file": "manifest.ndjson",
}


@dataclass
class JobParts:
    """What goes into a job; an empty source means the worker's own."""

    model: str
    train_fn: str
    validate_fn: str = ""
    model_class: str = "Net"
    model_args: dict[str, Any] = field(default_factory=dict)
    executor: str = ""
    executor_class: str = "GenericClientExecutor"
    persistor: str = ""
    persistor_class: str = "CustomPersistor"
    checkpoint: Path | None = None
    training: dict[str, Any] = field(default_factory=dict)
    num_rounds: int = 2
    min_clients: int = 2


@dataclass
class Finished:
    """A run of the simulator that is over."""

    code: int
    seconds: float
    events: list[dict[str, Any]]
    out: Path
    output: str

    def of(self, *types: str) -> list[dict[str, Any]]:
        """The events of these types."""
        return [event for event in self.events if event["type"] in types]


class Simulation:
    """A run of NVFlare's simulator on a new job in `folder`.

    Args:
        folder: An empty folder, for everything.
        parts: The job.
        data: The folder that has one folder per site.
        stock: Use the `nvflare simulator` command with its own defaults, as somebody without this package would.
    """

    def __init__(self, folder: Path, parts: JobParts, data: Path | None = None, *, stock: bool = False) -> None:
        self._folder = folder
        job = write_job(folder / "job", parts)
        for name in ("cwd", "out"):
            (folder / name).mkdir()
        env = {name: value for name, value in os.environ.items() if not name.startswith(("RESON", "PYTHONPATH"))}
        env |= {"RESONTECH_OUT_DIR": str(folder / "out"), "OMP_NUM_THREADS": "1"}
        command = [str(Path(sys.executable).with_name("nvflare")), "simulator", str(job), "-w", str(folder / "ws"), "-n", "2"]
        if not stock:
            module = ["-P", "-m", "nvflare.private.fed.app.simulator.simulator"]
            command = [sys.executable, *module, str(job), "-w", str(folder / "ws"), "-n", "2", "-t", "2", "-l", "concise"]
            env |= {"PYTHONSAFEPATH": "1", "RESON_DATA_ROOT": str(data or folder)}
        self._began = time.monotonic()
        self._log = (folder / "output.txt").open("w")
        self._process = subprocess.Popen(
            command, cwd=folder / "cwd", env=env, start_new_session=True, stdout=self._log, stderr=subprocess.STDOUT
        )

    @property
    def server(self) -> Path:
        """The server's run folder."""
        return self._folder / "ws" / "server" / "simulate_job"

    def events(self) -> list[dict[str, Any]]:
        """What the reporter has written so far."""
        path = self.server / "events.ndjson"
        return (
            [json.loads(line) for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
            if path.exists()
            else []
        )

    def wait_for(self, type_: str, timeout: float = 60) -> dict[str, Any]:
        """The first event of this type, as soon as it is there."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            for event in self.events():
                if event["type"] == type_:
                    return event
            time.sleep(0.05)
        raise TimeoutError(
            f"no {type_} event in {timeout} s; the simulator said:\n{(self._folder / 'output.txt').read_text()[-5000:]}"
        )

    def finish(self, timeout: float = 150) -> Finished:
        """Waits for the end."""
        try:
            code = self._process.wait(timeout)
        finally:
            self._process.kill()
            self._log.close()
        seconds = time.monotonic() - self._began
        return Finished(code, seconds, self.events(), self._folder / "out", (self._folder / "output.txt").read_text())


def run(folder: Path, parts: JobParts, data: Path | None = None, *, stock: bool = False) -> Finished:
    """Runs a job in the simulator to its end."""
    return Simulation(folder, parts, data, stock=stock).finish()


def write_job(folder: Path, parts: JobParts) -> Path:
    """Writes the job folder; returns it."""
    custom, config = folder / "app" / "custom", folder / "app" / "config"
    custom.mkdir(parents=True)
    config.mkdir(parents=True)
    model = parts.model + ("\n\n" + source("adapter") if parts.train_fn == "rt_train_model" else "")
    (custom / "model_def.py").write_text(model)
    (custom / "custom_client_executor.py").write_text(parts.executor or source("executor"))
    (custom / "custom_persistor.py").write_text((parts.persistor or source("persistor")) + "\n\n" + source("reporter"))
    persistor_args: dict[str, Any] = {"model": {"path": f"model_def.{parts.model_class}", "args": parts.model_args}}
    if parts.checkpoint:
        (custom / parts.checkpoint.name).write_bytes(parts.checkpoint.read_bytes())
        persistor_args["source_ckpt_file_full_name"] = parts.checkpoint.name
    (config / "config_fed_client.json").write_text(json.dumps(client_config(parts), indent=2))
    (config / "config_fed_server.json").write_text(json.dumps(server_config(parts, persistor_args), indent=2))
    meta = {"name": folder.name, "resource_spec": {}, "deploy_map": {"app": ["@ALL"]}, "min_clients": parts.min_clients}
    (folder / "meta.json").write_text(json.dumps(meta))
    return folder


def client_config(parts: JobParts) -> dict[str, Any]:
    args = {
        "data_root": "/app/payload",
        "adapter_module": "model_def",
        "model_class": parts.model_class,
        "model_args": parts.model_args,
        "train_fn": parts.train_fn,
        "validate_fn": parts.validate_fn,
        **TRAINING,
        **parts.training,
    }
    relay = {
        "id": "error_relay",
        "path": "nvflare.app_common.widgets.convert_to_fed_event.ConvertToFedEvent",
        "args": {"events_to_convert": ["_error_log_available", "analytix_log_stats"]},
    }
    executor = {"path": f"custom_client_executor.{parts.executor_class}", "args": args}
    return {
        "format_version": 2,
        "submit_task_result_timeout": 300.0,
        "executors": [{"tasks": ["train", "validate", "submit_model"], "executor": executor}],
        "task_data_filters": [],
        "task_result_filters": [],
        "components": [relay],
    }


def server_config(parts: JobParts, persistor_args: dict[str, Any]) -> dict[str, Any]:
    common = "nvflare.app_common"
    aggregator = f"{common}.aggregators.intime_accumulate_model_aggregator.InTimeAccumulateWeightedAggregator"
    generator = f"{common}.shareablegenerators.full_model_shareable_generator.FullModelShareableGenerator"
    workflow = {
        "min_clients": parts.min_clients,
        "num_rounds": parts.num_rounds,
        "start_round": 0,
        "wait_time_after_min_received": 10,
        "train_task_name": "train",
        "train_timeout": 0,
        "aggregator_id": "aggregator",
        "persistor_id": "persistor",
        "shareable_generator_id": "shareable_generator",
    }
    return {
        "format_version": 2,
        "server": {"heart_beat_timeout": 600, "task_request_interval": 0.05},
        "task_data_filters": [],
        "task_result_filters": [],
        "components": [
            {"id": "persistor", "path": f"custom_persistor.{parts.persistor_class}", "args": persistor_args},
            {"id": "aggregator", "path": aggregator, "args": {"expected_data_kind": "WEIGHTS"}},
            {"id": "shareable_generator", "path": generator, "args": {}},
            {"id": "reporter", "path": "custom_persistor.ResonReporter", "args": {}},
        ],
        "workflows": [
            {"id": "scatter_and_gather", "path": f"{common}.workflows.scatter_and_gather.ScatterAndGather", "args": workflow}
        ],
    }
