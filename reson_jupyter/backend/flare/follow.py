"""Follows a run in a federation until NVFlare has ended its job, and sees to it that it ends where it should."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from ...errors import ResonError, TargetError
from ...events import EventType, RunState
from ..carrying.aside import aside
from ..carrying.hope import is_hopeless
from ..carrying.journal import Journal
from ..carrying.requests import Requests
from .job import FlareJob, JobWatch, why_waiting
from .listener import Listener
from .logs import LogMirror
from .session import Gone, JobGone
from .watch import SiteWatch

_POLL = 0.1
# How long the run gets to end by itself after it was asked to, and NVFlare after it was told to end it.
STOP_GRACE = 10.0
_ABORT_GRACE = 40.0
_ABORT_AGAIN = 5.0
# How long a federation that nobody reaches is told to end a job.
_UNREACHED_GRACE = 8.0
# How long NVFlare may take to notice that a run has ended.
_END_GRACE = 90.0
_HOPELESS_GRACE = 20.0
# How long a federation may be away before the run is given up.
_FEDERATION_PATIENCE = 3600.0
_AWAY = 5.0
_WORTH_SAYING = 15.0


class Following:
    """Follows one run.

    Args:
        run: The run's folder on this machine.
        journal: The run's log.
        job: NVFlare's job.
        listener: Who takes what the server reports.
        fetch_log: Returns what the log of a site, or of "server", has beyond an offset; raises `ResonError`.
        abort_asked: Whether somebody asked for the run's end.

    Attributes:
        watch: What the federation says of the job.
        logs: The copies of the logs.
    """

    def __init__(
        self,
        run: Path,
        journal: Journal,
        job: FlareJob,
        listener: Listener,
        fetch_log: Callable[[str, int], str],
        abort_asked: Callable[[], bool],
    ) -> None:
        self._journal = journal
        self._progress = journal.progress
        self._job = job
        self._listener = listener
        self._abort_asked = abort_asked
        self._requests = Requests(run, journal, self._is_up, lambda request: listener.channel.ask(request))
        self.logs = LogMirror(run, ["server", *self._progress.sites], fetch_log, self._say)
        plan = next(event.data for event in self._progress.events if event.type == EventType.SUBMITTED)
        self._sites = SiteWatch(journal, site_timeout=plan["site_timeout"], round_timeout=plan["round_timeout"])
        self.watch = JobWatch(job)
        self._stop_asked: float | None = None
        self._ended_at: float | None = None
        self._hopeless_at: float | None = None
        self._told_end: float | None = None
        self._abort_due = 0.0
        self._abort_arrived = False
        self._reason = ""
        self._told: set[str] = set()

    @property
    def stopping(self) -> bool:
        """Whether the run was asked to end."""
        return self._stop_asked is not None

    def follow(self) -> str:
        """Follows until the job has ended; returns why it was ended before its time, or ""."""
        try:
            while not self.watch.is_over:
                self._take()
                if not self._may_go_on():
                    break
                time.sleep(_POLL)
            self._take()
            return self.watch.lost or self._reason
        finally:
            self.watch.end()
            self._requests.close()

    def _take(self) -> None:
        self._say_status()
        in_vain = self._told_end is not None and self.watch.silence > _AWAY
        running = self.watch.status == "RUNNING" and not self._progress.run_ended and not in_vain
        self._sites.note(self._listener.take(running))
        self._requests.pass_on(self._sites.dead)
        if self._is_up():
            self.logs.start()
            if not self._progress.run_ended:
                self._sites.look(self._listener.channel.telemetry, self._listener.silence)

    def _is_up(self) -> bool:
        return self._progress.started is not None and not self.watch.is_over

    def _may_go_on(self) -> bool:
        """Ends what has to end; False if nobody is waited for any more."""
        now = time.monotonic()
        if self._told_end is not None:
            return self._end(self._reason)
        if self._progress.run_ended:
            if self._ended_at is None:
                self._ended_at = now
                self.logs.hurry()
            # Sites that hang while they prepare do not hear of it.
            if self.stopping:
                return now - self._ended_at < STOP_GRACE or self._end("")
            return now - self._ended_at < _END_GRACE or self._end("NVFlare did not end the job by itself")
        if self._abort_asked():
            return self._stop(now)
        if is_hopeless(self._progress, self._sites.dead):
            self._hopeless_at = self._hopeless_at or now
            if now - self._hopeless_at > _HOPELESS_GRACE:
                return self._end("Too few sites were left for the round")
        else:
            self._hopeless_at = None
        if min(self.watch.silence, self._listener.silence or self.watch.silence) > _FEDERATION_PATIENCE:
            self._reason = f"Nothing was heard of the federation for {_FEDERATION_PATIENCE / 60:.0f} minutes"
            return False
        return True

    def _stop(self, now: float) -> bool:
        """Asks for the run's end, once; what does not end by itself is ended."""
        if self._stop_asked is None:
            self._stop_asked = now
            try:
                if not self._is_up() or self.watch.silence > _AWAY:
                    return self._end("")
                self._listener.channel.stop()
            except ResonError as error:
                aside(error)
                return self._end("")
            self._journal.say(EventType.STOPPING, grace=STOP_GRACE)
        return now - self._stop_asked < STOP_GRACE or self._end("")

    def _end(self, reason: str) -> bool:
        """Has NVFlare end the job; False when that took too long."""
        now = time.monotonic()
        if self._told_end is None:
            self._told_end, self._reason = now, reason
        if now >= self._abort_due:
            self._abort_due = now + _ABORT_AGAIN
            try:
                self._job.abort()
                self._abort_due, self._abort_arrived = now + _ABORT_GRACE, True
            except (Gone, JobGone):  # whoever watches the job finds that, too
                pass
            except TargetError as error:
                self._say(f"The job could not be ended yet: {error.message}")
        if time.monotonic() - self._told_end < (_ABORT_GRACE if self._abort_arrived else _UNREACHED_GRACE):
            return True
        unconfirmed = f"federation did not confirm the end of its job {self._job.id}"
        self._reason = f"{self._reason}, and the {unconfirmed}" if self._reason else f"The {unconfirmed}"
        return False

    def _say_status(self) -> None:
        """Says what the federation says of the job, as far as it is news."""
        watch, state = self.watch, self._progress.state
        if state is RunState.QUEUED and watch.status in ("DISPATCHED", "RUNNING"):
            self._journal.say_state(RunState.STARTING)
        elif watch.status == "SUBMITTED" and (why := why_waiting(watch.meta)):
            self._say(f"The federation has not started the job yet: {why}.")
        if watch.silence > _WORTH_SAYING and watch.meta:
            self._say("The federation's server does not answer; the run goes on without it being seen from here.")

    def _say(self, message: str) -> None:
        if message not in self._told:
            self._told.add(message)
            self._journal.say(EventType.LOG, level="warning", message=message, note=True)
