"""The process that carries a run on the platform: `python -m reson_jupyter.backend.platform.carry RUN_FOLDER`.

It submits the job, follows it by what its server reports into the bucket and by what the platform says, judges how it ended, and
says what it left. The run goes on without it; whoever attaches then starts it again.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
import traceback
from pathlib import Path

from ...config import ResonTechConfig
from ...errors import PlatformError, ResonError, StoreError
from ...events import EventType, RunState
from ..carrying.aside import aside
from ..carrying.channel import StoreChannel
from ..carrying.journal import Journal
from ..carrying.relay import Relay
from ..carrying.requests import Requests
from ..carrying.storing import store_logs
from ..carrying.verdict import Verdict, verdict
from ..record import RunRecord
from ..store import Store
from ..targets.detached import is_unwanted
from ..targets.platform import open_platform
from .api import Platform
from .extras import Extras
from .logs import LogCopies
from .outcome import Found, look_at, result_of, unreported
from .selection import selection
from .states import run_state
from .stopping import Page, Stop
from .submitting import Submitter, remembered
from .watch import Watch

_POLL = 0.2
# Between two looks into the bucket: short after something came, longer the longer nothing does.
_FASTEST, _SLOWEST, _GROWTH = 0.4, 3.0, 1.2
# How long the server's last reports may take to arrive after the platform said that the run is over: of a server that reported,
# and of one that did not; and how long that word of the platform may take.
_LAST_REPORTS, _FIRST_REPORTS, _LAST_WORD = 20.0, 5.0, 180.0
# How long a run goes on before it is told by the platform's words, as its server reports nothing.
_OWN_WORD = 15.0
# How long the model may take to appear in model_out/ after a run that trained.
_MODEL_SECONDS = 30.0
# How long a run may go on that neither the platform nor its server tells of.
_DEAF = 900.0
_STORE_PATIENCE, _ABORTED_PATIENCE = 300.0, 5.0
_BEFORE_RUNNING = (RunState.PENDING, RunState.UPLOADING, RunState.QUEUED, RunState.STARTING)


class _Left(Exception):
    """This process is to end; the run goes on without it."""


class Carrier:
    """Carries one run from the stored job to the word on how it ended.

    Args:
        record: The run.
        store: The account's bucket.
        platform: The platform.
        connection: What selects the workers, and where the pages are.
    """

    def __init__(self, record: RunRecord, store: Store, platform: Platform, connection: ResonTechConfig) -> None:
        self._record = record
        self._folder = record.folder
        self._store = store
        self._platform = platform
        self._connection = connection
        extras = Extras(platform.client)
        self._journal = Journal(store, record.prefix)
        self._progress = self._journal.progress
        self._channel = StoreChannel(store, record.prefix)
        self._relay = Relay(self._channel, self._journal)
        self._requests = Requests(self._folder, self._journal, lambda: self._heard, self._channel.ask)
        self._task_id = remembered(self._folder).task_id
        self._page = Page(connection.dashboard_url)
        self._logs = LogCopies(self._folder, extras, lambda: self._page.instead(self._task_id))
        self._stop = Stop(self._channel, extras, self._page, self._journal)
        self._said: set[str] = set()
        self._terminated = False
        self._running_at: float | None = None
        self._next_look, self._pause = 0.0, _FASTEST

    def carry(self) -> None:
        """Carries the run; the log's last event says how it ended, unless this process was told to end before."""
        signal.signal(signal.SIGTERM, self._on_sigterm)
        try:
            judged = self._run()
        except _Left:
            self._journal.close(_ABORTED_PATIENCE)
            return
        except ResonError as error:
            self._journal.say(EventType.ERROR, message=str(error), traceback="")
            judged = Verdict(RunState.FAILED, str(error))
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            self._journal.say(EventType.ERROR, message=reason, traceback=traceback.format_exc())
            judged = Verdict(RunState.FAILED, f"The runner failed: {reason}. {self._page.instead(self._task_id)}")
        self._requests.close()
        self._journal.say_state(judged.state, judged.reason)
        self._journal.close(_STORE_PATIENCE if self._folder.exists() else _ABORTED_PATIENCE)

    def _run(self) -> Verdict:
        if not self._task_id:
            if self._abort_asked():
                return verdict(self._progress, files=0, aborted=True)
            self._submit()
        where = f"on the platform: {self._page.of(self._task_id)}"
        if where not in self._progress.notes:
            self._note(where)
        watch = Watch(self._platform, self._task_id)
        try:
            cut = self._follow(watch)
        finally:
            watch.close()
        return self._conclude(watch, cut)

    # Submitting

    def _submit(self) -> None:
        """Submits the job, however long the platform takes; who asks for the end meanwhile is heard once the job is there."""
        has_model = next(iter(self._store.list(f"{self._record.prefix}/model/")), None) is not None
        submitter = Submitter(self._platform, self._record, selection(self._connection), has_model, self._warn)
        raised: list[BaseException] = []

        def work() -> None:
            try:
                self._task_id = submitter.submit()
            except BaseException as error:
                raised.append(error)

        thread = threading.Thread(target=work, name="submit", daemon=True)
        thread.start()
        while thread.is_alive():
            thread.join(_POLL)
            self._leave_if_told()
            if self._abort_asked():
                self._stop.ask(self._task_id, heard=self._heard)
        if raised:
            raise raised[0]

    # Following

    def _follow(self, watch: Watch) -> str:
        """Follows the job until it is over; returns why that was taken to be so before its time, or ""."""
        over_at = ended_at = None
        heard_at = time.monotonic()
        while True:
            self._leave_if_told()
            if self._look(watch):
                heard_at = time.monotonic()
            self._say_state_of(watch)
            self._requests.pass_on()
            self._logs.look(self._task_id, self._progress.sites)
            if self._abort_asked():
                self._stop.ask(self._task_id, heard=self._heard)
                watch.hurry()
            now = time.monotonic()
            if watch.over or watch.gone:
                over_at = over_at or now
                if self._progress.run_ended or now - over_at > (_LAST_REPORTS if self._heard else _FIRST_REPORTS):
                    return "" if watch.over else "The platform no longer knows the job"
                self._pause = _FASTEST
            elif self._progress.run_ended:
                ended_at = ended_at or now
                watch.hurry()
                if now - ended_at > _LAST_WORD:
                    self._warn(f"the platform has not said that the job is over, {_LAST_WORD:.0f} s after its server did")
                    return ""
            elif cut := self._stop.given_up():
                return cut
            elif watch.problem is not None and now - heard_at > _DEAF:
                silent = f"Nothing was heard of the job for {_DEAF / 60:.0f} minutes: {watch.problem.message}."
                return f"{silent} {self._page.instead(self._task_id)}"
            time.sleep(_POLL)

    def _look(self, watch: Watch) -> bool:
        """Takes what the server has reported, if it is time to look; returns whether anything of the run was heard."""
        now = time.monotonic()
        if now < self._next_look:
            return watch.problem is None
        try:
            new = self._relay.take()
        except StoreError as error:
            aside(f"the bucket could not be read: {error}")
            new = []
        self._pause = _FASTEST if new else min(_SLOWEST, self._pause * _GROWTH)
        self._next_look = time.monotonic() + self._pause
        return bool(new) or watch.problem is None

    def _say_state_of(self, watch: Watch) -> None:
        if (watch.problem is not None and time.monotonic() - watch.problem_since > 30) or _is_refused(watch.problem):
            self._warn(f"the platform does not say how the job is: {watch.problem}; the job goes on there")
        if watch.task is None:
            return
        state, now = run_state(watch.task.state), self._progress.state
        if state is None and not watch.over:
            self._warn(f"the platform calls the job's state {watch.task.state[:40]!r}, which nobody has documented")
        # The server's own word comes a moment later, and says more.
        if state == RunState.RUNNING:
            self._running_at = self._running_at or time.monotonic()
            watch.wants_round = not self._heard and time.monotonic() - self._running_at > _OWN_WORD
            if not watch.wants_round:
                return
        if state in (RunState.STARTING, RunState.RUNNING) and now in _BEFORE_RUNNING and now != state:
            self._journal.say_state(state)
        if watch.round and not self._heard and watch.round[0] not in self._progress.rounds:
            self._journal.say(EventType.ROUND_STARTED, None, watch.round[0])

    # The end

    def _conclude(self, watch: Watch, cut: str) -> Verdict:
        """Judges the run, and says what it left."""
        aborted = self._stop.asked or watch.over == "CANCELLED"
        found = self._found(trained=bool(self._progress.saved) or (not self._heard and watch.over == "FINISHED"))
        if found:
            self._journal.say(EventType.RESULT, files=result_of(found))
        copies = self._logs.bring(self._task_id, self._progress.sites)
        store_logs(copies, self._record.prefix, self._store)
        error = watch.task.error if watch.task else ""
        if not self._heard:
            if not watch.over and not found and not aborted:
                return Verdict(RunState.LOST, cut)
            return unreported(watch.over, cut or error, found, aborted=aborted)
        stopped = cut
        if watch.over == "FAILED":
            stopped = f"The platform says FAILED{f': {error}' if error else ''}"
        models = sum(not file.problem for file in found)
        return verdict(
            self._progress, files=models, aborted=aborted, stopped="" if aborted else stopped, validates=self._validates()
        )

    def _found(self, *, trained: bool) -> list[Found]:
        """The files in model_out/, which may appear some time after the end of a run that trained."""
        until = time.monotonic() + (_MODEL_SECONDS if trained else 0.0)
        while True:
            try:
                found = look_at(self._store, self._record.prefix)
            except StoreError as error:
                self._warn(f"the result could not be looked at: {error}")
                found = []
            if found or time.monotonic() > until or self._stop.asked:
                return found
            self._leave_if_told()
            time.sleep(1)

    def _validates(self) -> bool:
        """Whether the sites were to validate the final model. A bucket that is away just now is waited for."""
        until = time.monotonic() + _STORE_PATIENCE
        while True:
            try:
                server = json.loads(self._store.get(f"{self._record.prefix}/configs/config_fed_server.json"))
                return any(workflow["id"] == "final_validation" for workflow in server["workflows"])
            except StoreError:
                if time.monotonic() > until or self._stop.asked:
                    raise
            self._leave_if_told()
            time.sleep(1)

    # Words

    @property
    def _heard(self) -> bool:
        """Whether the run's server has reported anything."""
        return any(event.type is EventType.RUN_STARTED for event in self._progress.events) or self._progress.run_ended

    def _note(self, message: str) -> None:
        self._journal.say(EventType.LOG, level="info", message=message, note=True)

    def _warn(self, message: str) -> None:
        """Says something, once."""
        if message not in self._said:
            self._said.add(message)
            self._journal.say(EventType.LOG, level="warning", message=message)

    def _abort_asked(self) -> bool:
        return is_unwanted(self._folder)

    def _leave_if_told(self) -> None:
        if self._terminated:
            raise _Left

    def _on_sigterm(self, *_: object) -> None:
        self._terminated = True


def _is_refused(problem: PlatformError | None) -> bool:
    return problem is not None and problem.status in (401, 403)


def main(folder: str) -> None:
    """Carries the run of a run folder."""
    record = RunRecord.model_validate_json((Path(folder) / "run.json").read_bytes())
    connection = ResonTechConfig()
    platform, store = open_platform(record.store, connection)
    Carrier(record, store, platform, connection).carry()


if __name__ == "__main__":
    main(sys.argv[1])
