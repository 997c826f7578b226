r"""What a run says: the one schema between worker, runner, store and widget.

A run is an append-only log of events, one JSON object a line:

    {"seq": 12, "time": 1790000000.12, "type": "metrics", "site": "site-1", "round": 0, "data": {...}}

`round` is 0-based. `seq` is the event's place in the run's log, from 0 without gaps; it is given by whoever appends to the log,
not by the worker. The worker files write the same objects as plain dicts (they travel, and import nothing of this package).

| type           | written by        | site  | round | data |
|----------------|-------------------|-------|-------|------|
| submitted      | submitter         |       |       | what was submitted; see below |
| state          | submitter, runner |       |       | state, reason (one sentence or "") |
| stopping       | runner            |       |       | grace: seconds that the sites get to end by themselves |
| run_started    | reporter          |       |       | num_rounds, min_clients, nvflare (version) |
| round_started  | reporter          |       | yes   | |
| prepared       | preparation       | yes   |       | what the site has; see below |
| site           | executor, agent   | yes   | maybe | phase; see below |
| stalled        | runner            | yes   | maybe | seconds without progress (0: it goes on), traceback (of where it stands) |
| metrics        | executor          | yes   | yes   | step (int \| null), values {name: float or null}, stage |
| attributes     | executor          | yes   | yes   | values {name: a JSON scalar} |
| log            | any               | maybe | maybe | level ("info", "warning", "error"), message, note (see below) |
| error          | any               | maybe | maybe | message (one line), traceback ("" when there is none) |
| contribution   | reporter          | yes   | yes   | accepted (bool), samples (float) |
| aggregated     | reporter          |       | yes   | sites [site, ...] whose contributions are in the new model |
| model          | reporter          |       | maybe | digest (sha256 of the weights), finite; round null: the initial model |
| saved          | persistor         |       | maybe | file (name in the output folder), bytes, final (bool) |
| lost           | reporter          | yes   |       | batches (how many reports of this site never arrived) |
| validated      | reporter          |       | yes   | sites [site, ...] that validated the final model; see below |
| answer         | agent, any        | yes   |       | request (its id), ok, value (JSON), error (one line or ""), traceback |
| errors_reset   | runner            |       |       | |
| run_ended      | reporter          |       |       | |
| result         | runner            |       |       | files {name: {"bytes", "sha256"}} in model_out/ |

Where sites are other machines, each says before the first round what it has: python, torch, nvflare (versions), packages {name:
version, "" if it is not there}, device ("cpu" or the GPU's name), disk (free bytes), data (where its data comes from: a path, or
"shard"; "" if there is none), samples and classes (int | null), problems (a sentence each; with one the site cannot train) and
notes (a sentence each).

`validated` belongs to the round after the last. Where sites have nothing to validate with, it has excused [site, ...], too.

A site's phase is "preparing", "training", "validating", "returned", "aborted", "skipping" (it is asked to and its function has
not ended yet) or "skipped".

Besides the log, which keeps everything, the newest sign of life of each site stands in latest.json (`SiteTelemetry`).

`submitted` has name, target, place (where the target runs it, for people, or ""), num_rounds, min_clients, site_timeout,
round_timeout, notes; sites {site: {"shard", "sha256"}} ("" for a site that has its data itself);
digest (of all files of the job) and digests {"code", "config"}; versions {"python", "torch", ...} of the submitting kernel; and
lines, which tells where the lines of the scripts stand in the notebook: {"model_def.py": [[first line, how many, cell, line in
it], ...], ...} (`SourceMap.to_json`). `warnings` are those of the notes that deserve attention. A log line that is a note of the
run has note true, or "sending" if it says what is sent. An answer is written by whoever could not pass the request on, if not by
the agent.
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

    def before(self, reason: str) -> str:
        """The sentence that stands before the reason for the state; "" where the reason says it itself."""
        return "" if reason and self in (RunState.ABORTED, RunState.LOST) else self.sentence


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
    RunState.FAILED: "The run ended without a usable final model.",
    RunState.ABORTED: "The run was stopped on request.",
    RunState.LOST: "The process that carried the run is gone; what it reported until then is kept.",
}


class EventType(StrEnum):
    """What an event tells; the table in this module's docstring gives the data of each."""

    SUBMITTED = "submitted"
    STATE = "state"
    STOPPING = "stopping"
    RUN_STARTED = "run_started"
    PREPARED = "prepared"
    ROUND_STARTED = "round_started"
    SITE = "site"
    STALLED = "stalled"
    METRICS = "metrics"
    ATTRIBUTES = "attributes"
    LOG = "log"
    ERROR = "error"
    CONTRIBUTION = "contribution"
    AGGREGATED = "aggregated"
    MODEL = "model"
    SAVED = "saved"
    LOST = "lost"
    VALIDATED = "validated"
    ANSWER = "answer"
    ERRORS_RESET = "errors_reset"
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


class SiteTelemetry(BaseModel):
    """What a site's agent last said of itself; every few seconds, whatever the user's function does.

    `beat` counts up with every sign of life, so that its age can be told without comparing clocks.
    """

    model_config = ConfigDict(frozen=True)

    time: float = Field(allow_inf_nan=False, description="When it was said, seconds since the epoch by the site's clock.")
    beat: int = Field(ge=0, lt=1 << 63)
    pid: int = Field(ge=0, lt=1 << 63)
    memory: int = Field(ge=0, lt=1 << 63, description="Bytes in main memory, of the site's process and those it started.")
    cpu: float = Field(ge=0, allow_inf_nan=False, description="Percent of one core, since the telemetry before.")
    task: str = Field("", description='"train" or "validate" while the site works on one, else "".')
    round: int | None = None
    place: tuple[str, int, str] | None = Field(None, description="File, line and function of the shipped code that runs now.")
