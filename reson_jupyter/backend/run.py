"""The handle of a run: follow it, wait for it, stop it, take its model."""

from __future__ import annotations

import threading
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from ..errors import RunError, RunFailed, RunTimeout, StoreError
from ..events import Event, EventType, RunState
from .event_log import EventLogReader
from .metrics import Metrics
from .progress import Failure, RunProgress
from .record import RunRecord
from .result import download, load_model
from .store import Store
from .targets.base import Target

if TYPE_CHECKING:
    import torch

Observer = Callable[["Run"], None]

_FASTEST, _SLOWEST = 0.25, 2.0
# Views take a longer silence than a few of these for the end of this process.
_SIGN_OF_LIFE = 5.0
# A target that lets nobody see whether it lives gets this many seconds without a sign of life.
_SILENCE = 60.0
_WITH_MODEL = (RunState.FINISHED, RunState.DEGRADED)


class Run:
    """One execution of a job, followed from its log in the store.

    One daemon thread follows the run until it is over, however many views there are.

    Raises:
        StoreError: the run's log cannot be read.
    """

    def __init__(
        self, record: RunRecord, store: Store, target: Target, *, model_class: type[torch.nn.Module] | None = None
    ) -> None:
        self._record = record
        self._store = store
        self._target = target
        self._model_class = model_class
        self._progress = RunProgress()
        self._reader = EventLogReader(store, record.prefix)
        self._lock = threading.RLock()
        self._observers: list[Observer] = []
        self._over = threading.Event()
        self._gone_since: float | None = None
        self._note = ""
        self._notified = time.monotonic()
        self._progress.apply(self._reader.read())
        threading.Thread(target=self._follow, name=f"follow {record.id}", daemon=True).start()

    @property
    def id(self) -> str:
        """The run's id; `reson.attach(id)` finds the run again from any notebook on this machine."""
        return self._record.id

    @property
    def state(self) -> RunState:
        """Where the run stands."""
        return self._progress.state

    @property
    def reason(self) -> str:
        """Why the run ended as it did, in a sentence; "" for a run that goes on or finished well."""
        return self._progress.reason

    def events(self) -> list[Event]:
        """Returns everything that the run has said so far, from the first event."""
        with self._lock:
            return list(self._progress.events)

    @property
    def metrics(self) -> Metrics:
        """Every value of every metric so far; the weighted means over sites have `site=None`."""
        with self._lock:
            return Metrics([*self._progress.metrics, *self._progress.means()])

    def errors(self) -> list[Failure]:
        """Returns the errors that were reported, the first first, each with its site, round, traceback and place in the code."""
        with self._lock:
            return list(self._progress.failures)

    def wait(self, timeout: float | None = None) -> Run:
        """Waits until the run is over and returns it; an interrupt ends the waiting, not the run.

        Without a live view it shows a progress bar.

        Raises:
            RunFailed: the run ended, but not with a trained model.
            RunTimeout: it was not over after `timeout` seconds; it goes on.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        try:
            with _Bar(self._progress, disable=bool(self._observers)) as bar:
                while not self._over.wait(0.2):
                    bar.show(self._note)
                    if deadline is not None and time.monotonic() > deadline:
                        raise RunTimeout(
                            f"run {self.id} was not over after {timeout:g} seconds; it is {self.state.value} and goes on",
                            "Wait again with run.wait(), or stop it with run.abort().",
                        )
                bar.show(self._note)
        except KeyboardInterrupt:
            print(f"The run goes on. Wait again with run.wait(), stop it with run.abort(); later: reson.attach({self.id!r})")
            raise
        if self.state not in _WITH_MODEL:
            raise RunFailed(f"run {self.id} {self.state.value}: {self.reason}", self._advice() or None)
        return self

    def abort(self) -> None:
        """Asks for the run's end and returns; the run is over when its state says so.

        Raises:
            TargetError: the run is not running where it should.
        """
        if not self.state.done:
            self._target.abort(self._record)

    def model(self) -> torch.nn.Module:
        """Returns the model with the weights of the last round that was done, on the CPU and in eval mode.

        Only of a run that is finished (or degraded) are these the final weights.

        Raises:
            RunError: the run has stored no model, or not yet.
        """
        if not self.state.done:
            raise RunError(f"run {self.id} is {self.state.value}; its model is there when it is over", "Call run.wait() first.")
        model = load_model(self._store, self._record.prefix, self._model_class)
        if self.state not in _WITH_MODEL:
            warnings.warn(
                f"run {self.id} {self.state.value}: these are the weights of the last round that was done", stacklevel=2
            )
        return model

    def download(self, folder: str | Path) -> list[Path]:
        """Writes everything that the run stored as its result (model_out/, files_out/) below `folder`; returns the files."""
        return download(self._store, self._record.prefix, Path(folder))

    def observe(self, observer: Observer) -> None:
        """Calls `observer(run)` at once and after every change, the last time when the run is over, but before `wait` returns.

        Calls come from the following thread, one at a time. What an observer raises is printed, and it is not called again.
        """
        with self._lock:
            self._observers.append(observer)
            observer(self)

    @property
    def progress(self) -> RunProgress:
        """What is known of the run now; changed by the following thread."""
        return self._progress

    @property
    def note(self) -> str:
        """What only this process knows of the run just now, such as how far its upload is; "" most of the time."""
        return self._note

    def set_note(self, text: str) -> None:
        """Sets `note` until the run's next event."""
        self._note = text
        self._notify()

    def __repr__(self) -> str:
        run = self._progress
        return f"Run({self.id!r}, {run.state.value}, round {run.rounds_done} of {run.num_rounds})"

    def _advice(self) -> str:
        """What to do about a failed run: what is known of its first error, and where its traceback is."""
        failures = self.errors()
        first = self._progress.first_failure
        if first is None:
            return ""
        pointer = f"reson.attach({self.id!r}).errors()[{failures.index(first)}].traceback shows all of it."
        return "\n  ".join(part for part in (first.explained.advice, pointer if first.traceback else "") if part)

    def _follow(self) -> None:
        pause = _FASTEST
        while not self.state.done:
            try:
                events = self._reader.read()
            except StoreError as error:
                self.set_note(f"The store does not answer: {error.message}")
                events = []
            if events:
                self._take(events)
                pause = _FASTEST
            elif self._is_lost():
                reason = "The process that carried the run ended without saying how."
                self._take([Event(time=time.time(), type=EventType.STATE, data={"state": "lost", "reason": reason})])
            else:
                pause = min(_SLOWEST, pause * 1.2)
                if time.monotonic() - self._notified > _SIGN_OF_LIFE:
                    self.set_note(self._silence())
            if not self.state.done:
                self._over.wait(pause)
        self._over.set()

    def _take(self, events: list[Event]) -> None:
        with self._lock:
            self._progress.apply(events)
            self._note = ""
        self._notify()

    def _notify(self) -> None:
        self._notified = time.monotonic()
        with self._lock:  # one observer call at a time, and none while the progress changes
            for observer in list(self._observers):
                try:
                    observer(self)
                except Exception:
                    self._observers.remove(observer)
                    traceback.print_exc()

    def _silence(self) -> str:
        """What to say while whoever carries the run stores no sign of life; "" while it does."""
        heard = self._reader.heartbeat
        silent = time.time() - heard if heard else 0
        return f"Nothing was stored for {silent:.0f} s: the store may refuse it." if silent > _SILENCE / 2 else ""

    def _is_lost(self) -> bool:
        """Whether nobody carries the run any more; asked twice, because the last events may come after the process has gone."""
        carried = self._target.is_carried(self._record)
        if carried is None:
            heard = self._reader.heartbeat
            return heard is not None and time.time() - heard > _SILENCE
        if carried:
            self._gone_since = None
            return False
        self._gone_since = self._gone_since or time.monotonic()
        return time.monotonic() - self._gone_since > 2 * _SLOWEST


class _Bar:
    """A text progress bar over rounds, for places without the live view."""

    def __init__(self, progress: RunProgress, *, disable: bool) -> None:
        self._progress = progress
        self._bar: tqdm[Any] = tqdm(total=progress.num_rounds or None, unit="round", disable=disable)
        self._shown: tuple[object, ...] = ()

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def show(self, note: str) -> None:
        run = self._progress
        last = {record["name"]: f"{record['value']:.4g}" for record in run.means()}
        now = (note or run.state.value, run.num_rounds, run.rounds_done, last)
        if now == self._shown:
            return
        self._shown = now
        self._bar.total = run.num_rounds or None
        self._bar.set_description_str(note or run.state.value, refresh=False)
        self._bar.set_postfix(last, refresh=False)
        self._bar.n = run.rounds_done
        self._bar.refresh()
