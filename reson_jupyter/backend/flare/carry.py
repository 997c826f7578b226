"""The process that carries a run in a federation: `python -m reson_jupyter.backend.flare.carry RUN_FOLDER`.

It submits the job, takes what the run's server reports into the run's log, passes on what the notebook asks for, fetches the
result, judges and stores it. The run does not depend on it: where it dies, another takes over where it was.
"""

from __future__ import annotations

import json
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...config import ResonTechConfig
from ...errors import ResonError, TargetError
from ...events import EventType, RunState
from ..carrying.channel import Channel, StoreChannel, make_link
from ..carrying.journal import Journal
from ..carrying.patience import put_patiently
from ..carrying.storing import storable_models, store_logs, store_models
from ..carrying.verdict import Verdict, verdict
from ..interruptible import done_unless
from ..record import RunRecord
from ..runner.fetch import fetch_files
from ..runner.watchdog import cause
from ..store import Store, open_store
from ..targets.detached import is_unwanted
from .channel import CommandChannel, StatsChannel
from .deploy import write_job
from .follow import Following
from .job import FlareJob, why_ended
from .kit import read_kit, why_gone
from .listener import Listener
from .result import JobResult
from .session import FlareSession, Gone
from .state import FlareState, read_state, write_state

_FILES = ("scripts", "configs", "model", "requirements")
# How long a store may be away before something is given up.
_STORE_PATIENCE = 300.0
_ABORTED_PATIENCE = 5.0  # for a run that nobody wants any more


class Carrier:
    """Carries one run from the stored job to the stored result.

    Args:
        record: The run.
        store: Its store.
        state: What is kept of it on this machine.
        work: A folder for what is fetched, which whoever made it removes.
    """

    def __init__(self, record: RunRecord, store: Store, state: FlareState, work: Path) -> None:
        self._record = record
        self._folder = record.folder  # asked for once: whoever asks again makes a home that was removed
        self._store = store
        self._state = state
        self._work = work
        self._journal = Journal(store, record.prefix)
        self._progress = self._journal.progress
        self._validates = False
        self._stopping = False
        self._terminated = False

    def carry(self) -> None:
        """Carries the run; whatever happens, the log's last event says how it ended."""
        signal.signal(signal.SIGTERM, self._on_sigterm)
        try:
            judged = self._run()
        except Gone as error:
            judged = self._with_the_federation(error.message)
        except ResonError as error:
            self._journal.say(EventType.ERROR, message=str(error), traceback="")
            judged = Verdict(RunState.ABORTED if self._abort_asked() else RunState.FAILED, str(error))
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            self._journal.say(EventType.ERROR, message=reason, traceback=traceback.format_exc())
            judged = Verdict(RunState.FAILED, f"The process that carried the run failed: {reason}")
        self._journal.say_state(judged.state, judged.reason)
        # Where the run's folder was removed the store often was as well, and nobody waits for the last word.
        self._journal.close(_STORE_PATIENCE if self._folder.exists() else _ABORTED_PATIENCE)

    def _run(self) -> Verdict:
        if gone := why_gone(Path(self._state.kit), self._state.federation, at_hand=self._state.at_hand):
            raise Gone(gone)
        kit = read_kit(self._state.kit)
        # Whoever waits for the log of a site that does not answer must not hold up what the run says.
        session, readers = FlareSession(kit, self._work), FlareSession(kit, self._work)
        job = FlareJob(session, self._record.id, self._state.job)
        try:
            files: dict[str, bytes] = {}
            fetched = done_unless(self._abort_asked, lambda: files.update(fetch_files(self._store, self._record.prefix, _FILES)))
            if not job.id and not (fetched and self._submit(session, job, files)):
                return verdict(self._progress, files=0, aborted=True)
            self._validates = _validates(files)
            listener = Listener(self._journal, self._ways(session, job.id))
            fetch_log = CommandChannel(readers, job.id).log
            following = Following(self._folder, self._journal, job, listener, fetch_log, self._abort_asked)
            stopped = following.follow()
            self._stopping = following.stopping
            return self._conclude(JobResult(session, job.id, self._work), listener, stopped, following)
        except Gone:
            raise
        except Exception:
            self._end(job)
            raise
        finally:
            session.close()
            readers.close()

    def _end(self, job: FlareJob) -> None:
        """Has a job ended that nobody will follow any more: its sites would wait for ever."""
        if job.id:
            try:
                job.abort()
            except TargetError as error:
                message = f"the job {job.id} may go on in the federation: {error.message}"
                self._journal.say(EventType.LOG, level="warning", message=message, note=True)

    def _submit(self, session: FlareSession, job: FlareJob, files: Mapping[str, bytes]) -> bool:
        """Submits the job, unless the last carrier died just after it had; returns whether there is one.

        It is not left half way: a job that nobody knows of would run in the federation.
        """
        if self._state.starts > 1 and job.find():
            return self._keep(job)
        if self._abort_asked():
            return False
        folder = self._work / self._record.id
        try:
            link = make_link(self._store, self._record.prefix)
            sites = self._submitted()["sites"]
            write_job(folder, self._record.id, files, sites, self._store, link, loopback=session.kit.is_loopback)
            job.submit(folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return self._keep(job)

    def _keep(self, job: FlareJob) -> bool:
        self._state.job = job.id
        write_state(self._folder, self._state)
        return True

    def _ways(self, session: FlareSession, job: str) -> list[Channel]:
        """The ways to the run's server, the best first."""
        linked = make_link(self._store, self._record.prefix)
        by_store: list[Channel] = [StoreChannel(self._store, self._record.prefix)] if linked else []
        return [*by_store, CommandChannel(session, job), StatsChannel(session, job)]

    def _submitted(self) -> Mapping[str, Any]:
        return next(event.data for event in self._progress.events if event.type == EventType.SUBMITTED)

    def _conclude(self, result: JobResult, listener: Listener, stopped: str, following: Following) -> Verdict:
        """Fetches what the job left, judges the run, and stores its logs and its model."""
        try:
            if following.watch.status.startswith("FINISHED"):
                result.download()
                listener.add(result.events())
        except TargetError as error:
            self._journal.say(EventType.ERROR, message=f"the result could not be fetched: {error.message}", traceback="")
        if not stopped and not self._progress.run_ended and not self._stopping:
            stopped = why_ended(following.watch.meta, following.watch.gone)
        models, warnings = storable_models(result.models(), result.out, self._record.prefix)
        for event in warnings:
            self._journal.add(event)
        judged = self._with_the_federation(following.watch.lost) if following.watch.lost else self._judge(stopped, len(models))
        if judged.state == RunState.FAILED and not any(failure.traceback for failure in self._progress.failures):
            self._report_errors(result)
            judged = self._judge(stopped, len(models))
        if self._progress.rounds_done:
            self._journal.say(EventType.RESULT, files=store_models(models, self._record.prefix, self._put))
        store_logs({**following.logs.end(), **result.logs()}, self._record.prefix, self._store)
        following.logs.remove()
        return judged

    def _with_the_federation(self, gone: str) -> Verdict:
        """How a run ends whose federation is no more: nobody can fetch its result."""
        progress = self._progress
        reason = f"{gone}, and the run ended with it ({progress.rounds_done} of {progress.num_rounds} rounds were done)."
        return Verdict(RunState.ABORTED if self._state.at_hand else RunState.LOST, reason)

    def _judge(self, stopped: str, files: int) -> Verdict:
        judged = verdict(self._progress, files=files, aborted=self._stopping, stopped=stopped, validates=self._validates)
        # Whoever asked for the end has to know that the job may go on.
        return replace(judged, reason=f"{judged.reason} {stopped}.") if stopped and judged.state is RunState.ABORTED else judged

    def _report_errors(self, result: JobResult) -> None:
        """Says what the server and the sites wrote to their error logs, where nobody could report, or nobody said why."""
        silent = not self._progress.failures
        for name, text in result.errors().items():
            # What NVFlare itself writes there mostly follows from what is known already.
            if silent or "/custom/" in text:
                self._journal.say(EventType.ERROR, None if name == "server" else name, message=cause(text), traceback=text)

    def _put(self, key: str, path: Path) -> None:
        patience = _ABORTED_PATIENCE if self._stopping else _STORE_PATIENCE
        put_patiently(self._store, key, path, patience=patience, hurry=self._hurry, keep=self._folder)

    def _hurry(self) -> bool:
        """Whether somebody asked for the end after the sites had trained: of the waiting for the store, that is."""
        return not self._stopping and self._abort_asked()

    def _abort_asked(self) -> bool:
        return self._terminated or is_unwanted(self._folder)

    def _on_sigterm(self, *_: object) -> None:
        self._terminated = True


def _validates(files: Mapping[str, bytes]) -> bool:
    """Whether the sites are to validate the final model."""
    server = files.get("configs/config_fed_server.json", b'{"workflows": []}')
    return any(workflow["id"] == "final_validation" for workflow in json.loads(server)["workflows"])


def main(folder: str) -> None:
    """Carries the run of a run folder."""
    run = Path(folder)
    record = RunRecord.model_validate_json((run / "run.json").read_bytes())
    state = read_state(run)
    if state is None:
        raise SystemExit(f"{folder} has no state of a run in a federation")
    if state.work:  # of a carrier that was killed
        shutil.rmtree(state.work, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="reson-", ignore_cleanup_errors=True) as work:
        # Should this one be killed and the run be deleted, whoever makes such a folder next removes it.
        (Path(work) / "run").write_text(str(run))
        state.work = work
        write_state(run, state)
        Carrier(record, open_store(record.store, ResonTechConfig()), state, Path(work)).carry()


if __name__ == "__main__":
    main(sys.argv[1])
