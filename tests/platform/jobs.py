"""The platform's jobs: what may become one, and what it tells of them."""

from __future__ import annotations

import json
import secrets
import uuid
from dataclasses import dataclass, field
from typing import Any

from .answers import Refused, invalid
from .bodies import Task
from .bucket import Bucket

GPU_MODELS = ("rtx_5090", "rtx_5070", "rtx_4090", "rtx_4070", "rtx_3060")
_SCRIPTS = ("model_def.py", "custom_client_executor.py", "custom_persistor.py")
_CONFIGS = ("config_fed_client.json", "config_fed_server.json", "meta.json")
OVER = ("FINISHED", "FAILED", "CANCELLED")


@dataclass
class PlatformJob:
    """A job that was accepted. A test may set its state to any word."""

    task: Task
    workers: int
    num_rounds: int
    id: str = field(default_factory=lambda: f"cmp{secrets.token_hex(11)}")
    nvflare_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    state: str = "QUEUED"
    round: int | None = None
    error: str = ""

    @property
    def as_task(self) -> dict[str, Any]:
        """As the task endpoints tell it."""
        return {"id": self.id, "name": self.task.name, "status": self.state}

    @property
    def as_row(self) -> dict[str, Any]:
        """As the dashboard's list tells it."""
        return {"jobId": self.id, "jobName": self.task.name, "state": self.state}

    @property
    def as_page(self) -> dict[str, Any]:
        """As the dashboard's page of the job tells it."""
        connected = self.workers if self.state == "RUNNING" else 0
        page = {**self.as_row, "workers": {"total": self.workers, "connected": connected, "errors": 0, "disconnected": 0}}
        return {**page, "error": self.error} if self.error else page


def admit(task: Task, bucket: Bucket, online: dict[str, str]) -> PlatformJob:
    """Returns the job of a task. Raises `Refused` if its files are not as documented, or nobody could carry it out.

    Args:
        task: What was posted.
        bucket: Where its files lie.
        online: The workers that are there: {id: GPU model}.
    """
    prefix = f"{task.prefix}/"
    for folder, needed in (("scripts", _SCRIPTS), ("configs", _CONFIGS), ("requirements", ("requirements.txt",))):
        if missing := set(needed) - set(bucket.keys(f"{prefix}{folder}/")):
            raise invalid(f"{folder} lacks {', '.join(sorted(missing))}")
    if task.modelFolderPath is not None and not bucket.keys(f"{prefix}model/"):
        raise invalid("modelFolderPath names an empty folder")
    shards = bucket.sizes(f"{prefix}shards/")
    if not shards or any("/" in name or not name.endswith(".zip") or not size for name, size in shards.items()):
        raise invalid(f"shards must hold one zip for each worker, and nothing else: {sorted(shards)}")
    num_rounds = _check_configs(prefix, bucket, len(shards))
    if task.workerIds is not None:
        if unknown := set(task.workerIds) - set(online):
            raise invalid(f"workers are not online: {', '.join(sorted(unknown))}")
        if len(task.workerIds) != len(shards):
            raise invalid(f"there are {len(shards)} shards but {len(task.workerIds)} workers")
    elif unknown := set(task.gpuModels) - set(GPU_MODELS):
        raise invalid(f"gpuModels are not in the catalogue: {', '.join(sorted(unknown))}")
    return PlatformJob(task, len(shards), num_rounds)


def _check_configs(prefix: str, bucket: Bucket, shards: int) -> int:
    """Returns the number of rounds."""
    read = {name: json.loads(bucket.get(f"{prefix}configs/{name}")) for name in _CONFIGS}
    client, server, meta = (read[name] for name in _CONFIGS)
    try:
        assert client["format_version"] == server["format_version"] == 2
        assert client["executors"][0]["tasks"] == ["train", "validate", "submit_model"]
        assert client["executors"][0]["executor"]["path"].startswith("custom_client_executor.")
        persistor = next(one for one in server["components"] if one["id"] == "persistor")
        assert persistor["path"].startswith("custom_persistor.")
        assert meta["deploy_map"] == {"app": ["@ALL"]} and meta["resource_spec"] == {} and meta["name"]
        assert 1 <= meta["min_clients"] <= shards
        rounds = next(one["args"] for one in server["workflows"] if one["id"] == "scatter_and_gather")
        return int(rounds["num_rounds"])
    except (AssertionError, KeyError, IndexError, TypeError, StopIteration) as error:
        raise invalid(f"the configs cannot be used: {error!r}") from None


def find(jobs: dict[str, PlatformJob], job_id: str) -> PlatformJob:
    """Returns a job. Raises `Refused`."""
    if job_id not in jobs:
        raise Refused(404, "not_found", f"Job {job_id} not found")
    return jobs[job_id]
