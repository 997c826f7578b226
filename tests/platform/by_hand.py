"""A client that only does what a test says: the least that the platform takes, and what may be wrong with it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from reson_jupyter.backend.job import Job

from .app import Platform

FOLDERS = {
    "shardsDirPath": "shards",
    "trainingScriptsFolderPath": "scripts",
    "trainingConfigFolderPath": "configs",
    "trainingRequirementsFolderPath": "requirements",
}
BOUNDS = {"autoSelectWorkers": True, "gpuModels": ["rtx_4090"], "maxPricePerGpuHourCents": 300}


@dataclass
class ByHand:
    """Asks the platform.

    Attributes:
        platform: Whom it asks.
        slug: The name of the job's folder.
    """

    platform: Platform
    slug: str = "by-hand"

    def ask(self, method: str, path: str, body: Any = None, **more: Any) -> requests.Response:
        """Makes a request with the account's key."""
        headers = {"Authorization": f"Bearer {self.platform.account.key}"} | more.pop("headers", {})
        return requests.request(method, f"{self.platform.base_url}{path}", json=body, headers=headers, timeout=30, **more)

    def put(self, key: str, data: bytes) -> None:
        """Puts an object into the bucket."""
        self.platform.bucket.put(key, data)

    def put_job(self, job: Job, shards: list[Path]) -> None:
        """Puts a job into the bucket."""
        for key, data in job.files.items():
            self.put(f"jobs/{self.slug}/{key}", data)
        for shard in shards:
            self.put(f"jobs/{self.slug}/shards/{shard.name}", shard.read_bytes())

    def task(self, **changes: Any) -> dict[str, Any]:
        """Returns a body for POST /api/tasks; a change to None leaves a field out."""
        paths = {field: f"/jobs/{self.slug}/{folder}" for field, folder in FOLDERS.items()}
        body = {"name": "By hand", **paths, **BOUNDS, **changes}
        return {field: value for field, value in body.items() if value is not None}
