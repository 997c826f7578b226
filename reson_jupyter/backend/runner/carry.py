"""The process that carries out one local run and outlives the kernel: `python -m reson_jupyter.backend.runner.carry RUN_FOLDER`.

It takes the job from the store, runs it, appends everything the run says to the run's log in the store, judges how it ended, and
stores the result. It ends with the run.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...config import ResonTechConfig
from ...errors import ResonError
from ...events import Event, EventType, RunState
from ..carrying.hope import is_hopeless
from ..carrying.journal import Journal
from ..carrying.mailbox import REQUESTS_FOLDER, Mailbox
from ..carrying.patience import put_patiently
from ..carrying.requests import Requests
from ..carrying.storing import storable_models, store_logs, store_models
from ..carrying.tail import EventFile
from ..carrying.verdict import Verdict, verdict
from ..interruptible import done_unless
from ..job import write_nvflare_folder
from ..progress import AT_A_TASK
from ..record import RunRecord, kept_project
from ..store import Store, open_store
from ..targets.detached import is_unwanted
from ..targets.local import WORK_FILE, LocalTarget
from .fetch import fetch_files, fetch_shards
from .remains import WorkFolder
from .rounds import RoundKeeper
from .simulator import Simulator, make_work_folder
from .watchdog import Watchdog, cause

_POLL = 0.1
# How long NVFlare gets to end by itself: after a stop was asked for, after its server ended, after too few sites were left.
_STOP_GRACE = 10.0
_END_GRACE = 3.0
_HOPELESS_GRACE = 4.0
# How long a store may be away before something is given up.
_STORE_PATIENCE = 300.0
_ABORTED_PATIENCE = 5.0  # for a run that nobody wants any more


class Runner:
    """Carries out one run from the stored job to the stored result."""

    def __init__(self, record: RunRecord, store: Store, work: WorkFolder) -> None:
        self._record = record
        self._folder = record.folder  # asked for once: whoever asks again makes a home that was removed
        self._store = store
        self._work = work
        self._journal = Journal(store, record.prefix)
        self._progress = self._journal.progress
        self._simulator = Simulator(work, len(self._progress.sites), kept_project(self._folder))
        self._file = EventFile(work.server / "events.ndjson")
        outgoing = Mailbox(work.server / REQUESTS_FOLDER)
        self._requests = Requests(self._folder, self._journal, self._simulator.is_up, outgoing.put)
        self._keeper = RoundKeeper(work.rounds, store, record.prefix)
        self._validates = False
        self._terminated = False
        self._stop_asked: float | None = None

    def carry(self) -> None:
        """Carries out the run; whatever happens, the log's last event says how it ended."""
        signal.signal(signal.SIGTERM, self._on_sigterm)
        try:
            self._journal.say_state(RunState.STARTING)
            judged = self._run()
        except ResonError as error:
            self._journal.say(EventType.ERROR, message=str(error), traceback="")
            judged = Verdict(RunState.ABORTED if self._abort_asked() else RunState.FAILED, str(error))
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            self._journal.say(EventType.ERROR, message=reason, traceback=traceback.format_exc())
            judged = Verdict(RunState.FAILED, f"The runner failed: {reason}")
        finally:
            self._simulator.stop()
        self._requests.close()
        self._journal.say_state(judged.state, judged.reason)
        # Where the run's folder was removed the store often was as well, and nobody waits for the last word.
        self._journal.close(_STORE_PATIENCE if self._folder.exists() else _ABORTED_PATIENCE)

    def _run(self) -> Verdict:
        if not done_unless(self._abort_asked, self._prepare) or self._abort_asked():
            return verdict(self._progress, files=0, aborted=True)
        self._simulator.start()
        stopped = self._follow()
        self._simulator.stop()
        self._relay()
        return self._conclude(stopped)

    def _prepare(self) -> None:
        """Fetches the job's files and unpacks each site's shard, unless it is stopped meanwhile."""
        files = fetch_files(self._store, self._record.prefix)
        workflows = json.loads(files["configs/config_fed_server.json"])["workflows"]
        self._validates = any(workflow["id"] == "final_validation" for workflow in workflows)
        write_nvflare_folder(files, self._work.job)
        fetch_shards(self._store, self._submitted()["sites"], self._work, self._abort_asked)

    def _submitted(self) -> Mapping[str, Any]:
        return next(event.data for event in self._progress.events if event.type == EventType.SUBMITTED)

    def _follow(self) -> str:
        """Relays what the run says until its processes have ended; returns why they were ended before their time, or ""."""
        if self._simulator.take_turns:
            self._journal.say(
                EventType.LOG, level="warning",
                message=f"memory holds {self._simulator.threads} sites at once, so they take turns; every round starts them anew",
            )  # fmt: skip
        plan = self._submitted()
        watchdog = Watchdog(
            self._simulator, self._work, self._journal,
            site_timeout=plan["site_timeout"], round_timeout=plan["round_timeout"],
        )  # fmt: skip
        ended_at = hopeless_at = None
        while True:
            ended = self._simulator.ended
            for event in self._relay():
                watchdog.note(event)
            self._requests.pass_on(watchdog.dead)
            now = time.monotonic()
            if ended:
                return "" if self._progress.run_ended or self._stop_asked else self._simulator.killed
            if self._progress.run_ended:
                ended_at = ended_at or now
                self._simulator.processes.look()
                if not self._simulator.processes.sites or now > self._end_of_grace(ended_at):
                    return ""
            elif self._abort_asked():
                if not self._may_still_end(now):
                    return "The run did not end by itself after it was asked to"
                watchdog.read_telemetry()
            elif reason := watchdog.look():
                return reason
            elif is_hopeless(self._progress, watchdog.dead):
                hopeless_at = hopeless_at or now
                if now - hopeless_at > _HOPELESS_GRACE:
                    return "Too few sites were left for the round"
            time.sleep(_POLL)

    def _may_still_end(self, now: float) -> bool:
        """Asks for the run's end, once; False if that is to be forced now."""
        if self._stop_asked is None:
            self._stop_asked = now
            if not self._simulator.ask_to_stop():
                return False  # nobody is there yet
            self._journal.say(EventType.STOPPING, grace=_STOP_GRACE)
        return now - self._stop_asked <= _STOP_GRACE

    def _end_of_grace(self, ended_at: float) -> float:
        """Until when the sites may end by themselves; the server of a stopped run waits for those in a task for 3 s only."""
        in_task = any(site.phase in AT_A_TASK for site in self._progress.sites.values())
        return self._stop_asked + _STOP_GRACE if self._stop_asked and in_task else ended_at + _END_GRACE

    def _relay(self) -> list[Event]:
        """Passes on what the run has said since the last time, and returns it."""
        events = self._file.read()
        for event in events:
            self._journal.add(event)
            if event.type is EventType.RUN_STARTED:
                self._journal.say_state(RunState.RUNNING)
            elif event.type is EventType.RUN_ENDED and self._stop_asked is None:
                self._journal.say_state(RunState.FINISHING)
            elif event.type is EventType.SAVED and event.round is not None:
                self._keeper.keep(event.round)
        return events

    def _conclude(self, stopped: str) -> Verdict:
        """Judges the run, and stores its logs and its model."""
        models, warnings = storable_models(self._work.models(), self._work.out, self._record.prefix)
        for event in warnings:
            self._journal.add(event)
        judged = self._judge(stopped, len(models))
        if judged.state == RunState.FAILED and not any(failure.traceback for failure in self._progress.failures):
            self._report_error_logs()
            judged = self._judge(stopped, len(models))
        if self._progress.rounds_done:
            files = store_models(models, self._record.prefix, self._put_patiently)
            self._journal.say(EventType.RESULT, files=files)
        if not self._keeper.finish(self._patience, self._hurry):
            self._journal.say(EventType.LOG, level="warning", message="the models of some rounds could not be kept")
        store_logs(self._work.logs(), self._record.prefix, self._store)
        return judged

    def _judge(self, stopped: str, files: int) -> Verdict:
        aborted = self._stop_asked is not None
        stopped = "" if aborted else stopped
        return verdict(self._progress, files=files, aborted=aborted, stopped=stopped, validates=self._validates)

    def _report_error_logs(self) -> None:
        """Says what the server and the sites wrote to their error logs, where nobody could report, or nobody said why."""
        silent = not self._progress.failures
        for name in ["server", *self._progress.sites]:
            said = self._work.errors_of(name)
            # What NVFlare itself writes there mostly follows from what is known already.
            if said and (silent or "/custom/" in said):
                self._journal.say(EventType.ERROR, None if name == "server" else name, message=cause(said), traceback=said)

    def _put_patiently(self, key: str, path: Path) -> None:
        put_patiently(self._store, key, path, patience=self._patience, hurry=self._hurry, keep=self._folder)

    @property
    def _patience(self) -> float:
        return _STORE_PATIENCE if self._stop_asked is None else _ABORTED_PATIENCE

    def _hurry(self) -> bool:
        """Whether somebody asked for the end after the sites had trained: of the waiting for the store, that is."""
        return self._stop_asked is None and self._abort_asked()

    def _abort_asked(self) -> bool:
        return self._terminated or is_unwanted(self._folder)

    def _on_sigterm(self, *_: object) -> None:
        self._terminated = True


def main(folder: str) -> None:
    """Carries out the run of a run folder."""
    record = RunRecord.model_validate_json((Path(folder) / "run.json").read_bytes())
    work_file = Path(folder) / WORK_FILE
    work = make_work_folder(Path(folder))
    try:
        work_file.write_text(str(work.path))
        Runner(record, open_store(record.store, ResonTechConfig()), work).carry()
    finally:
        shutil.rmtree(work.path, ignore_errors=True)
        work_file.unlink(missing_ok=True)
        if Path(folder).exists():
            settle_others(record)


def settle_others(record: RunRecord) -> None:
    """Clears up after runs of the same user whose runner died and whose kernel never looked again."""
    for path in record.folder.parent.glob(f"*/{WORK_FILE}"):
        with contextlib.suppress(ResonError, OSError):
            other = RunRecord.load(path.parent.name)
            LocalTarget().settle(other, open_store(other.store, ResonTechConfig()))


if __name__ == "__main__":
    main(sys.argv[1])
