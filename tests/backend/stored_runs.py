"""Runs that lie in a store as a submit leaves them, and a target that ends them at once."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reson_jupyter.backend.event_log import EventLogWriter
from reson_jupyter.backend.job import Job, JobParts, build_job
from reson_jupyter.backend.placement import Survey, place
from reson_jupyter.backend.record import RunLock, RunRecord, is_carried
from reson_jupyter.backend.run.handle import Run
from reson_jupyter.backend.sending import Shard
from reson_jupyter.backend.store import Store, open_store
from reson_jupyter.backend.submission import Submission, local_shards
from reson_jupyter.config import FederationConfig, ResonTechConfig, TrainingConfig
from reson_jupyter.data.shards import check_shards
from reson_jupyter.events import Event, EventType, RunState
from reson_jupyter.source_map import SourceMap, Span

MODEL = """import torch
from torch import nn


class Net(nn.Linear):
    def __init__(self, num_classes: int, width: int = 1):
        super().__init__(3, num_classes)

    def forward(self, images):
        return super().forward(images.mean(dim=(2, 3)))
"""


class Nowhere:
    """A target whose runs are aborted before they begin, so that nobody follows them when a test is over."""

    shards_in_job = False

    def __init__(self, store: Store) -> None:
        self._store = store
        self.started: list[RunRecord] = []
        self.settled: list[str] = []

    def survey(self, connection: ResonTechConfig) -> Survey:
        return Survey()

    def open_store(self, url: str, connection: ResonTechConfig) -> Store:
        return open_store(url, connection)

    def check(self, job: Job, store: Store, sites: Mapping[str, Shard | None], connection: ResonTechConfig) -> None:
        pass

    def adapt(self, job: Job, record: RunRecord, store: Store, sites: Mapping[str, Shard | None]) -> Job:
        return job

    def resume(self, record: RunRecord, connection: ResonTechConfig) -> bool:
        return False

    def start(self, record: RunRecord, lock: RunLock, connection: ResonTechConfig) -> None:
        log = EventLogWriter(self._store, record.prefix)
        log.append([Event(time=time.time(), type=EventType.STATE, data={"state": "aborted", "reason": ""})])
        self.started.append(record)

    def abort(self, record: RunRecord) -> None:
        raise AssertionError("nobody asked for this")

    def request(self, record: RunRecord, request: Mapping[str, Any]) -> None:
        raise AssertionError("nobody asked for this")

    def read_log(self, record: RunRecord, name: str, offset: int) -> bytes | None:
        return None

    def settle(self, record: RunRecord, store: Store) -> bool:
        self.settled.append(record.id)
        return True

    def is_carried(self, record: RunRecord) -> bool | None:
        return is_carried(record.folder)


def job_parts(**changes: Any) -> JobParts:
    """The parts of a job that trains images of three classes on two sites."""
    given = {
        "name": "digits",
        "model_path": "model_def.Net",
        "model_source": MODEL,
        "model_lines": SourceMap((Span(5, 6, "In[4]", 3),)),
        "local_modules": {"helpers/more.py": "ONE = 1\n"},
        "accepts_num_classes": True,
        "training": TrainingConfig(num_classes=3, img_size=12, dropout=0.5),
        "federation": FederationConfig(num_rounds=3, min_clients=2, site_timeout=30, round_timeout=600),
        "requirements": ("torch==2.0", "numpy>=1"),
    }
    return JobParts(**{**given, **changes})


def submitted(store: Store, target: Nowhere, shards: Path, **changes: Any) -> tuple[Run, Job]:
    """Submits a job to nowhere and waits until its files are in the store."""
    parts = job_parts(**changes)
    job = build_job(parts)
    record = RunRecord.new(parts.name, "local", store.url)
    data = local_shards(check_shards(shards, manifest_required=False).shards)
    run = Submission(job, place(Survey(), data), parts.federation, record, store, target, ResonTechConfig()).start(["a note"])
    until = time.monotonic() + 20
    while not run.state.done:
        assert time.monotonic() < until
        time.sleep(0.02)
    assert run.state is RunState.ABORTED, run.reason
    return run, job
