"""The handle of a run: follow it, wait for it, steer it, stop it, take its model."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from ...errors import RunError, detachable
from ...events import Event, RunState
from ..history.origin import Origin, RunConfig, read_origin
from ..progress import Failure, RunProgress
from ..record import RunRecord
from ..store import Store
from ..targets.base import Target
from .best import BestRound, Mode, best_round
from .card import run_card
from .control import Answers, Control, LogLevel
from .followers import follower_of
from .info import RunInfo, run_info
from .logs import SERVER, Logs
from .metrics import Metrics
from .presence import refuse_deleted, told_if_deleted
from .result import download, load_model
from .waiting import WITH_MODEL, check_over, wait

if TYPE_CHECKING:
    import torch

    from ...config import ResonTechConfig
    from ...data.pictures import Data
    from ..history.deletion import Deleted
    from .evaluate import Evaluation

Observer = Callable[["Run"], None]

_BETWEEN_LINES = 0.2


class Run:
    """One execution of a job, followed from its log in the store.

    However many handles and views a run has in this process, one daemon thread follows it: until it is over, or the last of them
    is gone.

    Args:
        record: Where the run is.
        store: Its store.
        target: Its target.
        connection: The keys to the store, for whoever carries a rerun.
        model_class: The live class of the model, if this process submitted the run.

    Raises:
        StoreError: the run's log cannot be read.
        RunNotFound: there is none.
    """

    def __init__(
        self,
        record: RunRecord,
        store: Store,
        target: Target,
        *,
        connection: ResonTechConfig,
        model_class: type[torch.nn.Module] | None = None,
    ) -> None:
        self._record = record
        self._store = store
        self._target = target
        self._connection = connection
        self._model_class = model_class
        self._follower = follower_of(record, store, target, connection)
        self._progress = self._follower.progress
        self._lock = self._follower.lock
        self._control = Control(record, target, self._follower)
        self._told_if_deleted = partial(told_if_deleted, store, record)

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
        """Returns the errors that were reported, the first first, each with its site, round, traceback and place in the code.

        Those from before the last `reset_errors` are left out.
        """
        with self._lock:
            return self._progress.failures[self._progress.errors_from :]

    def reset_errors(self) -> None:
        """Has `errors` begin anew, for whoever looks at the run; how the run is judged at its end takes all of them into account.

        Raises:
            RunError: the run is over, or has not begun.
        """
        with detachable(self.id):
            self._control.reset_errors()

    def info(self) -> RunInfo:
        """Returns what each site does now: {site: its phase, round, step, memory, CPU, place in the code, ...}."""
        with self._lock:
            return run_info(self._progress, self._follower.heard)

    @overload
    def logs(self, site: str | None = None, *, follow: Literal[False] = False) -> str: ...

    @overload
    def logs(self, site: str | None = None, *, follow: Literal[True]) -> Iterator[str]: ...

    def logs(self, site: str | None = None, *, follow: bool = False) -> str | Iterator[str]:
        """Returns what was logged so far, while the run goes on too.

        Args:
            site: A site, or "server"; None for all of them, each line marked with whose it is.
            follow: Whether to return an iterator of the lines instead, which ends with the run.

        Raises:
            RunError: there is no such site, or the run goes on on another machine.
        """
        known = [SERVER, *self._progress.sites]
        if site is not None and site not in known:
            raise RunError(f"the run has no site {site!r}", f"There are: {', '.join(known)}.")
        logs = Logs(self._record, self._store, self._target, self._follower.over.is_set)
        names = known if site is None else [site]
        with self._told_if_deleted():
            return self._lines(logs, names) if follow else logs.text(names)

    def command(
        self,
        name: str,
        params: Mapping[str, Any] | None = None,
        *,
        sites: str | Iterable[str] | None = None,
        timeout: float = 60.0,
    ) -> Answers:
        """Calls a function on the sites, beside their training, and returns what each of them answers.

        Args:
            name: The name it was captured by with `%%reson_command`, or of any function of the shipped module.
            params: What the function gets as its first argument: a dict of what JSON holds.
            sites: Which sites; None for all.
            timeout: Seconds until the sites must be in their first round and have answered; what one does it goes on doing.

        Returns:
            {site: Answer}; a site that raised, or did not answer, has an answer that says so.

        Raises:
            RunError: there is no such site, the run is over, or no site has come in time; nothing was asked then.
            TargetError: the run cannot be reached.
        """
        with detachable(self.id):
            return self._control.command(name, params or {}, sites, timeout)

    def skip_round(self, site: str) -> None:
        """Ends what a site is doing for this round; the round goes on without it, and the site is there for the next.

        Raises:
            RunError: the round needs the site, or the site is at no task.
            TargetError: the run cannot be reached.
        """
        with detachable(self.id):
            self._control.skip_round(site)

    def set_log_level(self, level: LogLevel, site: str | None = None) -> None:
        """Sets how much a site logs from now on, or every site.

        Raises:
            RunError: there is no such level or site, a site did not do it, or the run is over or has not begun.
            TargetError: the run cannot be reached.
        """
        with detachable(self.id):
            self._control.set_log_level(level, site)

    def wait(self, timeout: float | None = None) -> Run:
        """Waits until the run is over and returns it.

        An interrupt ends the waiting, not the run. Without a live view it shows a progress bar.

        Raises:
            RunFailed: the run ended, but not with a trained model.
            RunTimeout: it was not over after `timeout` seconds; it goes on.
            Detached: the waiting was interrupted; the run goes on.
            RunError: `timeout` is no number.
        """
        wait(self.id, self._follower, timeout)
        return self

    def abort(self) -> None:
        """Asks for the run's end and returns; the run is over when its state says so.

        Raises:
            TargetError: the run is not running where it should.
        """
        if not self.state.done:
            self._target.abort(self._record)

    def model(self, round: int | None = None) -> Any:
        """Returns the model with the weights of a round, on the CPU and in eval mode; of Scaleout callbacks a `ScaleoutModel`.

        Args:
            round: The round (0-based), also of a run that goes on; None for the last round that was done, when the run is over.
                Only of a run that is finished (or degraded) are these the final weights.

        Raises:
            RunError: the run has stored no model, or not yet, or keeps none of that round.
        """
        if round is None:
            check_over(self.id, self.state)
        with self._told_if_deleted():
            model = load_model(self._store, self._record.prefix, self._model_class, round=round)
        if round is None and self.state not in WITH_MODEL:
            warnings.warn(
                f"run {self.id} {self.state.value}: these are the weights of the last round that was done", stacklevel=2
            )
        return model

    def best(self, metric: str, mode: Mode | None = None) -> BestRound:
        """Returns the round whose model is the best by a metric's mean over the sites; `run.model(round=best.round)` loads it.

        Args:
            metric: The metric's name.
            mode: "min" or "max": which value is the best; None tells by the name, the smallest for a loss or an error.

        Raises:
            RunError: no round has such a mean.
        """
        with self._lock:
            return best_round(self._progress, metric, mode)

    def evaluate(self, data: Data, *, round: int | None = None) -> Evaluation:
        """Tries the model on data of this machine.

        Args:
            data: A shard's zip, a folder of images or of class folders, or a list of images or of their paths.
            round: The round (0-based) whose model is tried; None for the last.

        Raises:
            RunError: there is no such model, or it cannot be tried on this.
            ShardError: the data cannot be used.
        """
        from .evaluate import evaluate

        if round is None:
            check_over(self.id, self.state)
        with self._told_if_deleted():
            return evaluate(self._store, self._record.prefix, data, round=round, model_class=self._model_class)

    @property
    def origin(self) -> Origin:
        """What the run was made of, as it lies in its store. Raises `RunError` if its files are not all there."""
        with self._told_if_deleted():
            return read_origin(self._store, self.id)

    @property
    def config(self) -> RunConfig:
        """The configs that the run was submitted with. Raises `RunError` as `origin` does."""
        return self.origin.config

    def sources(self) -> dict[str, str]:
        """Returns your code as the run shipped it, by file name. Raises `RunError` as `origin` does."""
        return self.origin.sources

    def rerun(self, **changes: Any) -> Run:
        """Submits the run once more, as it shipped, with the changes.

        Args:
            **changes: Any field of its configs, `name`, or a hyperparameter of your own.

        Raises:
            ResonError: a change cannot be used; nothing has been started then.
        """
        from ..history.rerun import rerun

        with self._told_if_deleted():
            return rerun(self._record, self._store, self._target, self._connection, changes)

    def delete(self) -> Deleted:
        """Removes what was stored of the run, but for shards that other runs need, for good; returns what that was.

        Raises:
            RunError: the run goes on, or was deleted before.
        """
        from ..history.deletion import delete

        return delete(self._record, self._store, self._target)

    def download(self, folder: str | Path) -> list[Path]:
        """Writes all of the run's result (model_out/, files_out/) below `folder`; returns the files. Raises `RunError`."""
        refuse_deleted(self._store, self._record)
        return download(self._store, self._record.prefix, Path(folder))

    def observe(self, observer: Observer) -> Callable[[], None]:
        """Calls `observer(run)` at once and after every change, the last time when the run is over, but before `wait` returns.

        Calls come from the following thread, one at a time. What an observer raises is printed, and it is not called again.

        Returns:
            The call that ends this.
        """
        return self._follower.observe(lambda: observer(self))

    @property
    def progress(self) -> RunProgress:
        """What is known of the run now; changed by the following thread."""
        return self._progress

    @property
    def note(self) -> str:
        """What only this process knows of the run just now, such as how far its upload is; "" most of the time."""
        return self._follower.note

    def set_note(self, text: str) -> None:
        """Sets `note` until the run's next event."""
        self._follower.set_note(text)

    def __repr__(self) -> str:
        run = self._progress
        stopping = ", stopping" if run.stopping_until and not run.state.done else ""
        return f"Run({self.id!r}, {run.state.value}{stopping}, round {run.rounds_done} of {run.num_rounds})"

    def _repr_html_(self) -> str:
        return run_card(self).html()

    def _lines(self, logs: Logs, names: list[str]) -> Iterator[str]:
        with detachable(self.id):
            yield from logs.follow(names, lambda: self._follower.over.wait(_BETWEEN_LINES))
