"""Runs with metrics and a stored job, as `reson.compare` reads them, made without running them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reson_jupyter.backend.history.origin import digests
from reson_jupyter.backend.job import build_job
from reson_jupyter.backend.run.handle import Run
from reson_jupyter.config import FederationConfig, TrainingConfig
from reson_jupyter.events import Event
from tests.backend.staged import Staged, state
from tests.backend.stored_runs import job_parts
from tests.backend.test_verdict import event, good_run

SITES = ("site-1", "site-2")


def run_with(
    folder: Path, name: str = "digits", metrics: dict[str, list[float]] | None = None, end: str = "finished", **made: Any
) -> Run:
    """A run of three rounds whose sites report the same values, a metric's list having one for each round."""
    training = TrainingConfig(num_classes=3, img_size=12, **made.pop("training", {}))
    federation = FederationConfig(num_rounds=3, min_clients=2)
    job = build_job(job_parts(name=name, training=training, federation=federation, **made.pop("job", {})))
    log = good_run(rounds=3, sites=SITES)
    log[0].data.update({"name": name, "digests": digests(job), "versions": {"torch": "2.9.0"}, **made})
    staged = Staged(folder, [*_with_metrics(log, metrics or {}), *([state(end)] if end else [])])
    for key, data in job.files.items():
        staged.store.put(f"{staged.record.prefix}/{key}", data)
    return staged.run()


def _with_metrics(log: list[Event], metrics: dict[str, list[float]]) -> list[Event]:
    told = []
    for entry in log:
        if entry.type == "aggregated" and entry.round is not None:
            values = {name: line[entry.round] for name, line in metrics.items() if entry.round < len(line)}
            told += [event("metrics", site, entry.round, values=values, stage="train") for site in SITES]
        told.append(entry)
    return told
