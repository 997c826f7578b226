"""The thread that follows a run: from its log in the store to what is known of it, and to whoever wants to hear of changes."""

from __future__ import annotations

import threading
import time
import traceback
import weakref
from collections.abc import Callable

from ...config import ResonTechConfig
from ...errors import ResonError, RunNotFound, StoreError
from ...events import Event, EventType
from ..carrying.lost import CUT_OFF, lost_reason, was_cut_off
from ..event_log import EventLogReader
from ..history import history
from ..progress import RunProgress
from ..record import RunRecord
from ..store import Store
from ..targets.base import Target

_FASTEST, _SLOWEST = 0.25, 2.0
# Views take a longer silence than a few of these for the end of this process.
_SIGN_OF_LIFE = 5.0
_WORTH_SAYING = 30.0
# A run that nobody here can look at is given up after as long a silence as a runner waits for its store.
_SILENCE = 300.0
# The last events of a run may come after its carrier has gone; where the store does not answer they may come later still.
_LAST_WORDS = 4.0
_LAST_WORDS_UNREACHABLE = 60.0

# An observer is seldom held by anything but its follower, yet somebody looks at what it shows.
_observed: set[Follower] = set()


class Follower:
    """Follows one run on one daemon thread, however many look at it.

    It follows until the run is over, or until nobody looks any more: neither a handle nor an observer. What nobody sees is worth
    no request, and whoever attaches later reads it all. Every age is told by this process's monotonic clock: neither a jump of a
    wall clock nor two that differ make a run lost.

    Attributes:
        progress: What is known of the run now; changed by the following thread, under `lock`.
        note: What only this process knows of the run just now, such as how far its upload is; "" most of the time.
        over: Set when the run is over and every observer has been told.
        broken: What ended the following before the run was over; None unless there is a bug.

    Raises:
        StoreError: the run's log cannot be read.
        RunNotFound: there is none.
    """

    def __init__(self, record: RunRecord, store: Store, target: Target, connection: ResonTechConfig) -> None:
        self.progress = RunProgress()
        self.note = ""
        self.over = threading.Event()
        self.broken: Exception | None = None
        self.lock = threading.RLock()
        self._record = record
        self._target = target
        self._connection = connection
        self._store = store
        self._reader = EventLogReader(store, record.prefix)
        self._changed = threading.Condition(self.lock)
        self._wake = threading.Event()
        self._waiting = 0
        self._observers: list[Callable[[], None]] = []
        now = time.monotonic()
        self._notified = now
        self._heartbeat: float | None = None
        self._heard_at = now
        self._gone_since: float | None = None
        self._beats: dict[str, tuple[int, float]] = {}
        self._pause = _FASTEST
        self._answered = True
        if not self._read():
            cut_off = was_cut_off(record, target.is_carried(record))
            hint = f"{CUT_OFF} reson.delete({record.id!r}) removes what is left of it." if cut_off else "Is it the run's store?"
            raise RunNotFound(f"the store {record.store} has no log of a run {record.id!r}", hint)

    def start(self) -> None:
        """Begins to follow."""
        if self.progress.state.done:
            self._end()
            return
        # The thread would keep alive what it is to end with, if it held more than this.
        this = weakref.ref(self)
        threading.Thread(target=_follow, args=(this, self._wake), name=f"follow {self._record.id}", daemon=True).start()

    @property
    def goes_on(self) -> bool:
        """Whether the run is followed, and its store answers."""
        return self._answered and not self.progress.state.done and not self.over.is_set()

    def observe(self, observer: Callable[[], None]) -> Callable[[], None]:
        """Calls `observer` at once and after every change, one call at a time; one that raises is not called again.

        Returns:
            The call that ends this.
        """
        with self.lock:
            self._observers.append(observer)
            if not self.over.is_set():
                _observed.add(self)
            observer()

        def stop() -> None:
            with self.lock:
                if observer in self._observers:
                    self._observers.remove(observer)
                if not self._observers:
                    _observed.discard(self)

        return stop

    @property
    def observed(self) -> bool:
        """Whether anybody observes the run."""
        return bool(self._observers)

    def set_note(self, text: str) -> None:
        """Sets `note` until the run's next event."""
        self.note = text
        self._notify()

    def wait_for(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Waits until `condition`, which is asked after every change and under `lock`, holds; the log is read often meanwhile.

        Returns:
            Whether it holds; False after `timeout` seconds, or when the run is over.
        """
        with self._changed:
            self._waiting += 1
            self._wake.set()
            try:
                self._changed.wait_for(lambda: condition() or self.over.is_set(), timeout)
                return condition()
            finally:
                self._waiting -= 1

    def heard(self, site: str) -> float | None:
        """Seconds since a new sign of life of a site was seen here; None if none was, or none is to come."""
        beat = self._beats.get(site)
        return None if beat is None or self.progress.state.done else time.monotonic() - beat[1]

    def look(self) -> float | None:
        """Looks at the run once; returns the seconds until it is worth looking again, None when the following is over."""
        try:
            happened = self._look()
            self._pause = _FASTEST if happened or self._waiting else min(_SLOWEST, self._pause * 1.2)
            if not self.progress.state.done:
                return self._pause
        except Exception as error:
            # Whoever waits must hear of it, or would wait for ever.
            self.broken = error
            traceback.print_exc()
        self._end()
        return None

    def _end(self) -> None:
        with self._changed:
            self.over.set()
            _observed.discard(self)
            self._changed.notify_all()

    def _look(self) -> bool:
        """Reads what is new, and looks after a run that says nothing; returns whether anything happened."""
        known = len(self.progress.events)
        try:
            news = self._read()
        except StoreError as error:
            self._answered = False
            self.set_note(f"The store does not answer: {error.message}")
            self._settle_if_lost(reachable=False)
            return False
        self._answered = True
        if not news:
            self._settle_if_lost(reachable=True)
            if time.monotonic() - self._notified > _SIGN_OF_LIFE:
                self.set_note(self._silence())
        # Signs of life come every few seconds as long as a run goes on, and none of them is worth looking more often.
        return len(self.progress.events) > known

    def _read(self) -> bool:
        """Takes what the log has that is new; returns whether there was anything."""
        events = self._reader.read()
        now = time.monotonic()
        if self._reader.heartbeat != self._heartbeat:
            self._heartbeat, self._heard_at = self._reader.heartbeat, now
        sites = self._reader.sites
        if not events and sites == self.progress.telemetry:
            return False
        for name, telemetry in sites.items():
            if name not in self._beats or self._beats[name][0] != telemetry.beat:
                self._beats[name] = telemetry.beat, now
        with self.lock:
            self.progress.telemetry = sites
        self._take(events)
        return True

    def _take(self, events: list[Event]) -> None:
        before = self.progress.state
        with self.lock:
            self.progress.apply(events)
            if events:
                self.note = ""
        if self.progress.state != before:
            history.update(self._record, self.progress)
        self._notify()

    def _notify(self) -> None:
        self._notified = time.monotonic()
        with self._changed:  # one observer call at a time, and none while the progress changes
            for observer in list(self._observers):
                try:
                    observer()
                except Exception:
                    if observer in self._observers:  # it may have ended this itself
                        self._observers.remove(observer)
                    traceback.print_exc()
            if not self._observers:
                _observed.discard(self)
            self._changed.notify_all()

    def _silence(self) -> str:
        """What to say while whoever carries the run stores no sign of life; "" while it does."""
        silent = time.monotonic() - self._heard_at
        return f"Nothing was stored for {silent:.0f} s: the store may refuse it." if silent > _WORTH_SAYING else ""

    def _settle_if_lost(self, *, reachable: bool) -> None:
        """Gives up a run that nobody carries any more."""
        now = time.monotonic()
        carried = self._target.is_carried(self._record)
        if carried is None:
            if not reachable:
                self._heard_at = now  # whatever was said, it could not be heard
            elif now - self._heard_at > _SILENCE:
                self._lose(f"Nothing was heard of the run for {_SILENCE / 60:.0f} minutes; whoever carried it has ended.")
            return
        if carried:
            self._gone_since = None
            return
        self._gone_since = self._gone_since or now
        if now - self._gone_since > (_LAST_WORDS if reachable else _LAST_WORDS_UNREACHABLE):
            self._settle()

    def _settle(self) -> None:
        """Has a run without a carrier carried on, or else cleared up; its last word is what the log says then."""
        try:
            if self._target.resume(self._record, self._connection):
                return
            self._target.settle(self._record, self._store)
            self._read()
        except (ResonError, OSError) as error:
            self.set_note(f"What the run left behind could not be cleared up: {error}")
        if not self.progress.state.done:
            self._lose(lost_reason(self.progress.state))

    def _lose(self, reason: str) -> None:
        ended = self._reader.heartbeat or time.time()
        self._take([Event(time=ended, type=EventType.STATE, data={"state": "lost", "reason": reason})])


def _follow(this: weakref.ref[Follower], wake: threading.Event) -> None:
    """Follows until that is over, or its follower is gone."""
    while (follower := this()) is not None and (pause := follower.look()) is not None:
        del follower
        wake.wait(pause)
        wake.clear()
