"""Writes the folder of a job and runs it in the simulator, without the runner: what is seen is what the worker files do."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reson_jupyter.backend import job as backend_job
from reson_jupyter.backend.carrying.channel import Link
from reson_jupyter.backend.federated import federated, with_shard
from reson_jupyter.backend.job import Job, UserModule, build_job
from reson_jupyter.config import FederationConfig, TrainingConfig

SITES = ("site-1", "site-2")
TRAINING = {
    "num_classes": 0,
    "local_epochs": 1,
    "batch_size": 8,
    "learning_rate": 0.01,
    "img_size": 8,
    "manifest_file": "manifest.ndjson",
}


# The text of a model, to which a test adds its functions.
MODEL = """
import os
import time
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 2)

    def forward(self, x):
        return self.layer(x)
"""


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
    federated: bool = False
    link: Link | None = None
    shards: dict[str, dict[str, Any]] = field(default_factory=dict)  # by site; of a federated job
    requirements: tuple[str, ...] = ()
    wait: int = 10


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
            env |= {"PYTHONSAFEPATH": "1"} | ({} if parts.federated and not data else {"RESON_DATA_ROOT": str(data or folder)})
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

    def stop(self) -> Finished:
        """Ends a simulator that waits for ever, as the runner does."""
        self._process.send_signal(signal.SIGINT)
        return self.finish(10)

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


def build(parts: JobParts, name: str = "job") -> Job:
    """Builds the job, as the package does."""
    job = build_job(
        backend_job.JobParts(
            name=name,
            model_path=f"model_def.{parts.model_class}",
            model_source=parts.model,
            model_args=parts.model_args,
            train_fn="" if parts.train_fn == "rt_train_model" else parts.train_fn,
            validate_fn=parts.validate_fn,
            executor=UserModule(parts.executor, parts.executor_class) if parts.executor else None,
            persistor=UserModule(parts.persistor, parts.persistor_class) if parts.persistor else None,
            training=TrainingConfig(**(TRAINING | parts.training)),
            federation=FederationConfig(
                num_rounds=parts.num_rounds, min_clients=parts.min_clients, wait_time_after_min_received=parts.wait
            ),
            checkpoint=parts.checkpoint,
            requirements=parts.requirements,
        )
    )
    return federated(job, parts.link) if parts.federated else job


def write_job(folder: Path, parts: JobParts) -> Path:
    """Writes the job folder; returns it. Of a job with shards every site has an app of its own."""
    job = build(parts, folder.name)
    job.save(folder)
    server = folder / "app" / "config" / "config_fed_server.json"
    config = json.loads(server.read_text())
    config["server"]["task_request_interval"] = 0.05
    server.write_text(json.dumps(config))
    apps = {"app": ["server", *(site for site in SITES if site not in parts.shards)]}
    for site, shard in parts.shards.items():
        shutil.copytree(folder / "app", folder / site)
        client = folder / site / "config" / "config_fed_client.json"
        client.write_text(json.dumps(with_shard(json.loads(client.read_text()), shard)))
        apps[site] = [site]
    meta = folder / "meta.json"
    meta.write_text(json.dumps(json.loads(meta.read_text()) | ({"deploy_map": apps} if parts.shards else {})))
    return folder
