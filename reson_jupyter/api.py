"""Build, submit, attach: what a notebook or a script calls. Nothing is uploaded before everything has been checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from .backend.job import Job
from .backend.record import RunRecord, home
from .backend.rehearsal import Rehearsal, rehearse
from .backend.run import Run
from .backend.store import default_store_url, open_store
from .backend.submission import Submission
from .backend.targets import open_target
from .config import FederationConfig, ModelConfig, TrainingConfig
from .errors import RehearsalFailed, RunNotFound
from .prepare import Prepared, prepare
from .request import Request
from .session import current_session

RunObserver = Callable[[Run], None]
_run_observers: list[RunObserver] = []


class RehearsalObserver(Protocol):
    """Hears of rehearsals while they go on."""

    def step(self, name: str) -> None:
        """A step begins."""

    def over(self, rehearsal: Rehearsal) -> None:
        """It is over; if it failed, the error is raised after this."""


_OWN_TRAINING = "The default image classification trained; for other data, capture a train function with %%reson_train."
_rehearsal_observers: list[RehearsalObserver] = []


def on_run(observer: RunObserver) -> None:
    """Has `observer(run)` called for every run that this process submits or attaches to; the notebook shows its live view so."""
    if observer not in _run_observers:
        _run_observers.append(observer)


def on_rehearsal(observer: RehearsalObserver) -> None:
    """Has the observer told of every rehearsal of this process; the notebook shows its progress and its failure so."""
    if observer not in _rehearsal_observers:
        _rehearsal_observers.append(observer)


def build(
    model: type | None = None,
    *,
    name: str = "job",
    shards_dir: str | Path | None = None,
    training: TrainingConfig | None = None,
    federation: FederationConfig | None = None,
    model_config: ModelConfig | None = None,
    executor: type | None = None,
    persistor: type | None = None,
    train: Callable[..., Any] | None = None,
    requirements: str | Path | Sequence[str] | None = None,
    checkpoint: str | Path | None = None,
) -> Job:
    """Builds the job that `submit` would send, and sends nothing. The arguments are those of `submit`.

    Without `shards_dir`, what comes from the shards (the number of classes, of sites) stays as the configs have it.
    """
    request = Request(
        name, shards_dir, model, training, federation, model_config, executor, persistor, train, requirements, checkpoint
    )
    return prepare(request, current_session()).job


def check(
    model: type | None = None,
    *,
    name: str = "job",
    shards_dir: str | Path | None = None,
    training: TrainingConfig | None = None,
    federation: FederationConfig | None = None,
    model_config: ModelConfig | None = None,
    executor: type | None = None,
    persistor: type | None = None,
    train: Callable[..., Any] | None = None,
    requirements: str | Path | Sequence[str] | None = None,
    checkpoint: str | Path | None = None,
) -> Rehearsal:
    """Rehearses the job that `submit` would send, and sends nothing. The arguments are those of `submit`.

    The very files are run in a clean process for one round: import, construct, load weights, validate, train on the first samples
    of the first shard, aggregate, save, reload. Without `shards_dir`, the default training gets made-up images, and a train
    function of the user's own is not tried.

    Raises:
        RehearsalFailed: a step failed.
        ResonError: something cannot be used.
    """
    request = Request(
        name, shards_dir, model, training, federation, model_config, executor, persistor, train, requirements, checkpoint
    )
    prepared = prepare(request, current_session())
    rehearsal = _rehearse(prepared)
    return replace(rehearsal, notes=(*prepared.notes, *rehearsal.notes))


def submit(
    model: type | None = None,
    *,
    name: str,
    shards_dir: str | Path,
    training: TrainingConfig | None = None,
    federation: FederationConfig | None = None,
    model_config: ModelConfig | None = None,
    executor: type | None = None,
    persistor: type | None = None,
    train: Callable[..., Any] | None = None,
    requirements: str | Path | Sequence[str] | None = None,
    checkpoint: str | Path | None = None,
    store: str | None = None,
    target: str | None = None,
    check: bool = True,
) -> Run:
    """Starts a run and returns once it has been rehearsed; files are uploaded and sites trained in other threads and processes.

    Args:
        model: The model's class; None for what `%%reson_model` captured.
        name: The run's name, for people.
        shards_dir: Folder with one zip for each site.
        training: How each site trains; None for this session's config, as are the other configs.
        federation: How the rounds run; a `min_clients` that nobody set becomes the number of shards.
        model_config: The model's class by dotted path, and its constructor's arguments.
        executor: A class (not an instance) that takes the default executor's place; None for what was captured, if anything.
        persistor: A class that takes the default persistor's place; None for what was captured, if anything.
        train: The train function; None for what was captured, else the default image classification trains.
        requirements: A requirements file, or its lines; None takes them from what ships.
        checkpoint: A file of weights to start from instead of the constructor's.
        store: URL of the store; None for the session's, else the bucket of the RESON_S3_* variables, else a folder.
        target: Where it runs; None for the session's.
        check: Whether the job is rehearsed first, see `check`; it takes about a second.

    Raises:
        RehearsalFailed: the rehearsal failed; nothing has been uploaded then.
        ResonError: something cannot be used; nothing has been uploaded then.
    """
    request = Request(
        name, shards_dir, model, training, federation, model_config, executor, persistor, train, requirements, checkpoint
    )
    session = current_session()
    where = target or session.target
    destination = open_target(where)
    connection = session.connection
    store_url = store or session.store or default_store_url(connection, home())
    opened = open_store(store_url, connection)
    prepared = prepare(request, session)
    notes = (*prepared.notes, *(f"rehearsal: {note}" for note in _rehearse(prepared).notes)) if check else prepared.notes
    record = RunRecord.new(name, where, store_url)
    submission = Submission(prepared.job, prepared.shards, record, opened, destination, connection)
    return _announce(submission.start(notes, prepared.model_class))


def attach(run_id: str, *, store: str | None = None) -> Run:
    """Returns the handle of a run that was submitted before, by this or another process, with everything it has said so far.

    In a notebook, its live view appears.

    Args:
        run_id: The run's id.
        store: URL of the run's store; needed only for a run that was submitted on another machine.

    Raises:
        RunNotFound: no run of that id is known here, or there is none in the store.
    """
    return _announce(_find(run_id, store))


def abort(run_id: str) -> None:
    """Asks for the end of a run; see `Run.abort`.

    Raises:
        RunNotFound: no run of that id is known here.
        TargetError: the run is not running where it should.
    """
    _find(run_id, None).abort()


def _find(run_id: str, store: str | None) -> Run:
    session = current_session()
    record = RunRecord.elsewhere(run_id, session.target, store) if store else RunRecord.load(run_id)
    run = Run(record, open_store(record.store, session.connection), open_target(record.target))
    if not run.events():
        raise RunNotFound(f"the store {record.store} has no log of a run {run_id!r}", "Is it the run's store?")
    return run


def _rehearse(prepared: Prepared) -> Rehearsal:
    """Rehearses a job on the first of its shards; raises `RehearsalFailed` if it fails."""

    def tell(step: str) -> None:
        for observer in _rehearsal_observers:
            observer.step(step)

    rehearsal = rehearse(prepared.job, prepared.shards[0].path if prepared.shards else None, on_step=tell)
    for observer in _rehearsal_observers:
        observer.over(rehearsal)
    if not rehearsal.ok:
        advice = rehearsal.explained.advice if rehearsal.explained else ""
        if prepared.default_training and rehearsal.failure and rehearsal.failure.step in ("validate", "train"):
            advice = f"{advice} {_OWN_TRAINING}".strip()
        raise RehearsalFailed(rehearsal.sentence, advice or "Nothing was uploaded. Correct the cell and run it again.", rehearsal)
    return rehearsal


def _announce(run: Run) -> Run:
    for observer in _run_observers:
        observer(run)
    return run
