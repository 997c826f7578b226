"""A job is rehearsed: the very files that would be uploaded are run in a clean process, for one round on a few samples."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ...cautions import Caution
from ...errors import TargetError
from ...scratch import scratch_folder
from ..failure.explain import explain
from ..job import Job, write_nvflare_folder
from .helper import Helper, environment, spare
from .outcome import Facts, Rehearsal, Step, StepFailure
from .sample import make_up, samples_for, unpack_sample

__all__ = ["Facts", "Rehearsal", "Step", "StepFailure", "rehearse", "warm"]

LIMIT = 60.0
_MAY_TAKE_LONG = ("startup", "validate", "train")
_CAUTIONS = {
    "training": "training left the weights unchanged: is the learning rate 0, or does the optimizer have others?",
    "callback": "the train callback returned the model as it came; "
    "what it gives ScaleoutModel.from_model_params must be the trained parameters",
    "startup": "startup() was tried with an empty data folder, as the sites' data is not here, and did not come to its end",
}
_CALL = re.compile(r'^  File ".+", line \d+ in .+$', re.MULTILINE)  # of faulthandler


def warm() -> None:
    """Has a process stand ready for the next rehearsal; returns at once."""
    spare.warm()


def rehearse(
    job: Job,
    shard: Path | None = None,
    *,
    without_shard: bool = False,
    limit: float = LIMIT,
    on_step: Callable[[str], None] | None = None,
) -> Rehearsal:
    """Rehearses a job: import, construct, load weights, validate, train, return value, aggregate, save, reload.

    Without a shard, the default image classification trains on made-up images, and training of the user's own is left out unless
    its sites have none either and are this machine. Callbacks are registered in a step "startup", also where none is tried.

    Args:
        job: The job.
        shard: A shard of the run, checked; the training is tried on its first samples.
        without_shard: Whether training of the user's own finds here what it finds in the run, though there is no shard.
        limit: Seconds after which it is ended.
        on_step: Called with the name of every step that begins.

    Raises:
        ShardError: the shard is damaged.
        TargetError: no process could be started.
    """
    began = time.monotonic()
    with scratch_folder("reson-rehearsal-") as folder:
        record = _Record(on_step)
        train = _lay_out(job, shard, folder, record.notes, without_shard)
        places = {"RESON_DATA_ROOT": folder / "data", "RESONTECH_OUT_DIR": folder / "out", "TMPDIR": folder / "tmp"}
        if project := os.environ.get("RESON_PROJECT") or job.project:  # as the sites of this machine have it
            places["RESON_PROJECT"] = Path(project)
        variables = environment() | {name: str(place) for name, place in places.items()}
        task = {"folder": str(folder), "train": train, "environment": variables}
        # A spare may have been killed, for its memory, since anybody looked.
        output = _listen(spare.take(), task, limit, record)
        if not record.begun:
            output = _listen(Helper(), task, limit, record)
        if not record.begun:
            raise TargetError(
                f"the rehearsal's process did not start: {output.strip()[-500:] or 'it said nothing'}",
                "Submit with --no-check (check=False) to go without a rehearsal.",
            )
    return record.rehearsal(job, output.replace(str(folder), ""), time.monotonic() - began)


def _listen(helper: Helper, task: dict[str, Any], limit: float, record: _Record) -> str:
    """Has a process do the task and takes note of what it says; returns what was printed there."""
    try:
        for message in helper.talk(task, limit):
            record.take(message)
        if record.going_on and not record.failure:
            record.died(helper.exit_code(), helper.output)
    except TimeoutError:
        record.late(limit)
    finally:
        helper.end()
        with contextlib.suppress(TargetError):  # the next rehearsal will say it
            spare.warm()
    return helper.output


class _Record:
    """What a process has said so far."""

    def __init__(self, on_step: Callable[[str], None] | None) -> None:
        self.notes: list[str] = []
        self._cautions: list[dict[str, str]] = []
        self.steps: list[Step] = []
        self.failure: StepFailure | None = None
        self.unfinished = self.going_on = ""
        self._facts: dict[str, Any] = {}
        self._on_step = on_step

    def take(self, message: dict[str, Any]) -> None:
        """Takes note of one message; see `steps`."""
        if "begin" in message:
            self.going_on = message["begin"]
            if self._on_step:
                self._on_step(self.going_on)
        elif "end" in message:
            self.steps.append(Step(message["end"], message["seconds"], message["detail"]))
            self.going_on = ""
        elif "note" in message:
            self.notes.append(message["note"])
        elif "caution" in message:
            self._cautions.append(message["caution"])
        elif "facts" in message:
            self._facts |= message["facts"]
        elif "failure" in message:
            self.failure = StepFailure(**message["failure"])

    @property
    def begun(self) -> bool:
        """Whether any step was."""
        return bool(self.steps or self.going_on)

    def died(self, code: int | None, output: str) -> None:
        """The process ended in the middle of a step; a crash has printed where."""
        how = f"was ended by signal {-code}" if code and code < 0 else f"ended itself with the exit code {code}"
        message = f"the process {how}"
        # The newest call is printed first, threads one after the other; only one of them crashed.
        _, _, crash = output.rpartition("Current thread ")
        calls = [call for call in _CALL.findall(crash.split("\n\n")[0]) if str(Path(__file__).parent) not in call]
        calls = [", in ".join(call.rsplit(" in ", 1)) for call in calls]  # as a traceback writes it
        text = "\n".join(["Traceback (most recent call last):", *reversed(calls), message]) if calls else ""
        self.failure = StepFailure(self.going_on, message, text)

    def late(self, limit: float) -> None:
        """The time is up."""
        message = f"it was not done after {limit:g} s"
        if self.going_on in _MAY_TAKE_LONG:
            self.unfinished = self.going_on
            self.notes.append(f"{self.going_on}: {message}, which a real run may well take; the steps after it were left out")
        elif self.going_on:
            self.failure = StepFailure(self.going_on, message, "")

    def rehearsal(self, job: Job, output: str, seconds: float) -> Rehearsal:
        """All of it."""
        notes, facts = (*self.notes, *(_caution(job, told) for told in self._cautions)), Facts(**self._facts)
        return Rehearsal(job, tuple(self.steps), self.failure, self.unfinished, notes, facts, output, seconds)


def _caution(job: Job, told: Mapping[str, str]) -> Caution:
    """What deserves attention; of an error, with its place in the user's code."""
    text = _CAUTIONS[told["of"]]
    return Caution(f"{text}: {explain(told['message'], told['traceback'], job.sources).sentence}" if "message" in told else text)


def _lay_out(job: Job, shard: Path | None, folder: Path, notes: list[str], without_shard: bool) -> bool:
    """Writes the job and its data; returns whether there is anything to train on."""
    write_nvflare_folder(job.files, folder / "job")
    if job.checkpoint:
        (folder / "job" / "app" / "custom" / job.checkpoint.name).symlink_to(job.checkpoint.resolve())
    data = folder / "data" / "site-1"
    for place in (data, folder / "out", folder / "tmp", folder / "empty"):
        place.mkdir(parents=True)
    arguments = job.config("config_fed_client.json")["executors"][0]["executor"]["args"]
    own_training = arguments["train_fn"] != "rt_train_model"
    if shard is not None:
        count, hosts = samples_for(arguments, own_training), arguments.get("image_hosts", ())
        if unpack_sample(shard, arguments["manifest_file"], count, data, hosts):
            return True
        notes.append(f"training was not rehearsed: what {shard.name} holds besides its samples is too large to unpack for it")
    elif not own_training:
        make_up(arguments, data)
        return True
    elif without_shard:
        return True
    else:
        notes.append("training was not rehearsed: no shard was named")
    return False
