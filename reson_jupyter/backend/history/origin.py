"""What made a run: digests and versions when it is submitted, and its job as it lies in its store."""

from __future__ import annotations

import contextlib
import json
import platform
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from ...config import FederationConfig, ModelConfig, TrainingConfig
from ...errors import NotFound, RunError, RunNotFound, StoreError
from ...source_map import SourceMap
from .. import nvflare_config
from ..event_log import segment_key
from ..job import CONFIGS, PACKAGES, PROJECT, SCRIPTS, Job
from ..record import RunRecord, check_id
from ..store import Store

_FOLDERS = ("scripts", "configs", "requirements")
_WHOLE = {f"scripts/{name}" for name in SCRIPTS} | {f"configs/{name}" for name in (*CONFIGS, "meta.json")}
_PACKAGES = ("reson_jupyter", "torch", "nvflare")
_REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class RunConfig:
    """The configs that a run was submitted with, with what its shards gave them."""

    training: TrainingConfig
    federation: FederationConfig
    model: ModelConfig


@dataclass(frozen=True)
class Origin:
    """A run as it was submitted.

    Attributes:
        record: Where the run is.
        job: Its files as they were shipped; its checkpoint stays in the store.
        submitted: The data of its first event.
    """

    record: RunRecord
    job: Job
    submitted: Mapping[str, Any]

    @property
    def config(self) -> RunConfig:
        """The configs that it was submitted with. Raises `ConfigError` if this version cannot read them."""
        training, model = nvflare_config.read_client(self.job.config("config_fed_client.json"))
        fields = nvflare_config.read_server(self.job.config("config_fed_server.json"))
        fields |= {name: self.submitted[name] for name in ("site_timeout", "round_timeout") if name in self.submitted}
        if (job_name := self.job.config("meta.json")["name"]) != self.record.name:
            fields["job_name"] = job_name
        return RunConfig(training, FederationConfig(**fields), model)

    @property
    def sources(self) -> dict[str, str]:
        """The user's code as it was shipped, by file name, without this package's own files and what is no text."""
        scripts = {key.removeprefix("scripts/"): text for key, text in self.job.files.items() if key.startswith("scripts/")}
        own = {name for name, lines in self.job.sources.items() if lines.spans and name in scripts} | (scripts.keys() - SCRIPTS)
        own = {name for name in own if name.split("/")[0] not in PACKAGES and b"\0" not in scripts[name]}
        return {name: text.decode(errors="replace") for name, text in sorted(scripts.items()) if name in own}


def read_origin(store: Store, run_id: str) -> Origin:
    """Reads from a run's store, and nothing else, what made it.

    Raises:
        RunNotFound: the store has no log of such a run.
        StoreError: the store cannot be reached.
        RunError: its job was never stored whole.
    """
    record, data = read_submitted(store, run_id)
    prefix = f"{record.prefix}/"
    keys = [info.key for folder in _FOLDERS for info in store.list(f"{prefix}{folder}/")]
    # Beside the scripts there may be the weights that the run began with.
    projects = f"{prefix}scripts/{PROJECT}/"
    keys = [key for key in keys if not key.startswith(f"{prefix}scripts/") or key.endswith(".py") or key.startswith(projects)]
    files = {key.removeprefix(prefix): store.get(key) for key in keys}
    if not files.keys() >= _WHOLE:
        raise RunError(f"the files of run {run_id} are not all in its store", "Its upload was stopped; submit it again.")
    sources = {name: SourceMap.from_json(rows) for name, rows in data.get("lines", {}).items()}
    return Origin(record, Job(record.name, files, sources=sources), data)


def read_submitted(store: Store, run_id: str) -> tuple[RunRecord, dict[str, Any]]:
    """Returns the record and the data of the first event of a run, from nothing but its store.

    Raises:
        RunNotFound: the store has no log of such a run.
        StoreError: the store cannot be reached, or the log cannot be read.
    """
    check_id(run_id)
    key = segment_key(f"jobs/{run_id}", 0)
    try:
        first = json.loads(store.get(key).split(b"\n", 1)[0])
        data = first["data"]
        record = RunRecord(id=run_id, name=data["name"], target=data["target"], store=store.url, created=first["time"])
    except NotFound:
        raise RunNotFound(f"the store {store.url} has no log of a run {run_id!r}", "Is it the run's store?") from None
    except (ValueError, KeyError, TypeError):
        raise StoreError(f"{key} does not begin as a run's log does.", "It is damaged, or of a newer version: update.") from None
    return record, data


def digests(job: Job) -> dict[str, str]:
    """Returns the SHA-256 of a job's code and of its configs; the data's are those of the shards."""
    return {name: _part(job, folder).digest for name, folder in (("code", "scripts/"), ("config", "configs/"))}


def versions(job: Job) -> dict[str, str]:
    """Returns the versions, as this process has them, of Python, of what runs every job, and of what this job requires."""
    lines = job.files["requirements/requirements.txt"].decode().splitlines()
    required = [found[0] for line in lines if (found := _REQUIREMENT.match(line))]
    return {"python": platform.python_version(), **_installed([*_PACKAGES, *required])}


def _part(job: Job, folder: str) -> Job:
    return Job(job.name, {key: data for key, data in job.files.items() if key.startswith(folder)})


def _installed(packages: Iterable[str]) -> dict[str, str]:
    found = {}
    for package in packages:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found
