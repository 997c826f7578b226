r"""What a run says: the one schema between worker, runner, store and widget.

A run is an append-only log of events, one JSON object a line:

    {"seq": 12, "time": 1790000000.12, "type": "metrics", "site": "site-1", "round": 0, "data": {...}}

`round` is 0-based. `seq` is the event's place in the run's log, from 0 without gaps; it is given by whoever appends to the log,
not by the worker. The worker files write the same objects as plain dicts (they travel, and import nothing of this package).

| type           | written by        | site  | round | data |
|----------------|-------------------|-------|-------|------|
| submitted      | submitter         |       |       | name, target, num_rounds, min_clients, digest, notes, sites, lines |
| state          | submitter, runner |       |       | state, reason (one sentence or "") |
| run_started    | reporter          |       |       | num_rounds, min_clients, nvflare (version) |
| round_started  | reporter          |       | yes   | |
| site           | executor          | yes   | maybe | phase: "training" \| "validating" \| "returned" \| "aborted" |
| metrics        | executor          | yes   | yes   | step (int \| null), values {name: float or null}, stage |
| attributes     | executor          | yes   | yes   | values {name: a JSON scalar} |
| log            | any               | maybe | maybe | level: "info" \| "warning" \| "error", message |
| error          | any               | maybe | maybe | message (one line), traceback ("" when there is none) |
| contribution   | reporter          | yes   | yes   | accepted (bool), samples (float) |
| aggregated     | reporter          |       | yes   | sites [site, ...] whose contributions are in the new model |
| model          | reporter          |       | maybe | digest (sha256 of the weights), finite; round null: the initial model |
| saved          | persistor         |       | maybe | file (name in the output folder), bytes, final (bool) |
| lost           | reporter          | yes   |       | batches (how many reports of this site never arrived) |
| run_ended      | reporter          |       |       | |
| result         | runner            |       |       | files {name: {"bytes", "sha256"}} in model_out/ |

`sites` of `submitted` is {site: {"shard", "sha256"}}; `lines` tells where the lines of the scripts stand in the notebook:
{"model_def.py": [[first line, how many, cell, line in it], ...], ...} (`SourceMap.to_json`).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class RunState(StrEnum):
    """Where a run stands. `done` states never change again."""

    PENDING = "pending"
    UPLOADING = "uploading"
    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    FINISHING = "finishing"
    FINISHED = "finished"
    DEGRADED = "degraded"
    FAILED = "failed"
    ABORTED = "aborted"
    LOST = "lost"

    @property
    def done(self) -> bool:
        """Whether the run is over."""
        return self in _DONE

    @property
    def sentence(self) -> str:
        """One sentence for people."""
        return _SENTENCES[self]


_DONE = frozenset({RunState.FINISHED, RunState.DEGRADED, RunState.FAILED, RunState.ABORTED, RunState.LOST})
_SENTENCES = {
    RunState.PENDING: "The job is built and waits to be uploaded.",
    RunState.UPLOADING: "The job's files are being uploaded.",
    RunState.QUEUED: "The files are stored; the target has not taken the job yet.",
    RunState.STARTING: "The server and the sites are starting.",
    RunState.RUNNING: "The sites are training.",
    RunState.FINISHING: "All rounds are done; the result is being stored.",
    RunState.FINISHED: "Every round had its contributions and the trained model is stored.",
    RunState.DEGRADED: "A trained model is stored, but something was missing on the way.",
    RunState.FAILED: "The run ended without a usable model.",
    RunState.ABORTED: "The run was stopped on request.",
    RunState.LOST: "The process that carried the run is gone; what it reported until then is kept.",
}


class EventType(StrEnum):
    """What an event tells; the table in this module's docstring gives the data of each."""

    SUBMITTED = "submitted"
    STATE = "state"
    RUN_STARTED = "run_started"
    ROUND_STARTED = "round_started"
    SITE = "site"
    METRICS = "metrics"
    ATTRIBUTES = "attributes"
    LOG = "log"
    ERROR = "error"
    CONTRIBUTION = "contribution"
    AGGREGATED = "aggregated"
    MODEL = "model"
    SAVED = "saved"
    LOST = "lost"
    RUN_ENDED = "run_ended"
    RESULT = "result"


class Event(BaseModel):
    """One line of a run's log."""

    model_config = ConfigDict(frozen=True)

    seq: int = Field(default=-1, description="Place in the run's log; -1 until it is appended.")
    time: float = Field(description="Seconds since the epoch, by the clock of whoever wrote it.")
    type: EventType
    site: str | None = None
    round: int | None = None
    data: dict[str, Any] = Field(default_factory=dict)
