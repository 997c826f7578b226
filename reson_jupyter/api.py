"""Build, submit, attach: what a notebook or a script calls. Nothing is uploaded before everything has been checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from .backend.history import history
from .backend.history.deletion import Deleted
from .backend.history.deletion import delete as delete_run
from .backend.history.history import RunSummary
from .backend.history.naming import find_named, nearest
from .backend.history.origin import read_submitted
from .backend.history.runs import Runs, known_runs
from .backend.job import Job
from .backend.observers import announce, on_rehearsal, on_run, rehearse_told
from .backend.placement import place
from .backend.record import RunRecord
from .backend.rehearsal import Rehearsal
from .backend.run.compare import Comparison, compare_runs, id_of
from .backend.run.handle import Run
from .backend.store import default_store_url, open_store
from .backend.submission import Submission, local_shards
from .backend.targets import open_target
from .config import FederationConfig, ModelConfig, TrainingConfig
from .errors import ConfigError, ResonError, RunNotFound, StoreError
from .home import home
from .prepare import prepare, store_url
from .prepared import Prepared
from .preview import Preview, make_preview
from .request import Request
from .session import current_session

__all__ = [
    "abort",
    "attach",
    "build",
    "check",
    "compare",
    "delete",
    "find",
    "on_rehearsal",
    "on_run",
    "preview",
    "rerun",
    "runs",
    "submit",
]


def build(
    model: type | None = None,
    *,
    name: str | None = None,
    shards_dir: str | Path | None = None,
    training: TrainingConfig | None = None,
    federation: FederationConfig | None = None,
    model_config: ModelConfig | None = None,
    executor: type | None = None,
    persistor: type | None = None,
    train: Callable[..., Any] | None = None,
    requirements: str | Path | Sequence[str] | None = None,
    checkpoint: str | Path | None = None,
    commands: Mapping[str, Callable[..., Any]] | None = None,
) -> Job:
    """Builds the job that `submit` would send, and sends nothing. The arguments are those of `submit`.

    Without `shards_dir`, what comes from the shards (the number of classes, of sites) stays as the configs have it.
    """
    request = Request(
        name, shards_dir, model, training, federation, model_config, executor, persistor, train, requirements,
        checkpoint, commands,
    )  # fmt: skip
    session = current_session()
    return prepare(request.completed(session.submission), session).job


def check(
    model: type | None = None,
    *,
    name: str | None = None,
    shards_dir: str | Path | None = None,
    training: TrainingConfig | None = None,
    federation: FederationConfig | None = None,
    model_config: ModelConfig | None = None,
    executor: type | None = None,
    persistor: type | None = None,
    train: Callable[..., Any] | None = None,
    requirements: str | Path | Sequence[str] | None = None,
    checkpoint: str | Path | None = None,
    commands: Mapping[str, Callable[..., Any]] | None = None,
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
        name, shards_dir, model, training, federation, model_config, executor, persistor, train, requirements,
        checkpoint, commands,
    )  # fmt: skip
    session = current_session()
    prepared = prepare(request.completed(session.submission), session)
    rehearsal = _rehearse(prepared, session.target)
    return replace(rehearsal, notes=(*prepared.notes, *rehearsal.notes))


def preview(
    model: type | None = None,
    *,
    name: str | None = None,
    shards_dir: str | Path | None = None,
    training: TrainingConfig | None = None,
    federation: FederationConfig | None = None,
    model_config: ModelConfig | None = None,
    executor: type | None = None,
    persistor: type | None = None,
    train: Callable[..., Any] | None = None,
    requirements: str | Path | Sequence[str] | None = None,
    checkpoint: str | Path | None = None,
    commands: Mapping[str, Callable[..., Any]] | None = None,
    store: str | None = None,
    target: str | None = None,
) -> Preview:
    """Shows every file that `submit` would send and what has changed since the last submit; sends, rehearses and starts nothing.

    The arguments are those of `submit`. A target or a store that cannot be reached keeps nothing from being shown but what only
    it knows.

    Raises:
        ResonError: something cannot be used, so that there is no job.
    """
    request = Request(
        name, shards_dir, model, training, federation, model_config, executor, persistor, train, requirements,
        checkpoint, commands,
    )  # fmt: skip
    session = current_session()
    return make_preview(request.completed(session.submission), session, store, target)


def submit(
    model: type | None = None,
    *,
    name: str | None = None,
    shards_dir: str | Path | None = None,
    training: TrainingConfig | None = None,
    federation: FederationConfig | None = None,
    model_config: ModelConfig | None = None,
    executor: type | None = None,
    persistor: type | None = None,
    train: Callable[..., Any] | None = None,
    requirements: str | Path | Sequence[str] | None = None,
    checkpoint: str | Path | None = None,
    commands: Mapping[str, Callable[..., Any]] | None = None,
    store: str | None = None,
    target: str | None = None,
    check: bool = True,
) -> Run:
    """Starts a run and returns once it has been rehearsed; files are uploaded and sites trained in other threads and processes.

    Args:
        model: The model's class; None for what `%%reson_model` captured.
        name: The run's name, for people; None for the session's, which then must be configured.
        shards_dir: Folder with one zip for each site; None for the session's. Where neither is, sites have their data themselves.
        training: How each site trains; None for this session's config, as are the other configs.
        federation: How the rounds run; a `min_clients` that nobody set becomes the number of shards.
        model_config: The model's class by dotted path, and its constructor's arguments.
        executor: A class (not an instance) that takes the default executor's place; None for what was captured, if anything.
        persistor: A class that takes the default persistor's place; None for what was captured, if anything.
        train: The train function; None for what was captured, else the default image classification trains.
        requirements: A requirements file, or its lines; None takes them from what ships.
        checkpoint: A file of weights to start from instead of the constructor's.
        commands: Functions that `Run.command` may call on the sites, by name; None for what `%%reson_command` captured.
        store: URL of the store; None for the session's, else the bucket of the RESON_S3_* variables, else a folder.
        target: Where it runs; None for the session's.
        check: Whether the job is rehearsed first, see `check`; it takes about a second.

    Raises:
        RehearsalFailed: the rehearsal failed; nothing has been uploaded then.
        ResonError: something cannot be used; nothing has been uploaded then.
    """
    request = Request(
        name, shards_dir, model, training, federation, model_config, executor, persistor, train, requirements,
        checkpoint, commands,
    )  # fmt: skip
    session = current_session()
    request = request.completed(session.submission)
    where = target or session.target
    destination = open_target(where)
    if not request.name:
        raise ConfigError("the run has no name", "Give it one: --name NAME, name=..., or %reson config name=NAME.")
    connection = session.connection
    survey = destination.survey(connection)
    opened = destination.open_store(store_url(store, session, survey), connection)
    prepared = prepare(request, session, sites=len(survey.sites))
    sites = place(survey, local_shards(prepared.shards), prepared.sites)
    destination.check(prepared.job, opened, sites, connection)
    notes = [*survey.notes, *prepared.notes]
    if check:
        notes += _rehearse(prepared, where).said
    record = RunRecord.new(request.name, where, opened.url)
    federation = request.federation or session.federation
    submission = Submission(prepared.job, sites, federation, record, opened, destination, connection)
    return announce(submission.start(notes, prepared.model_class, place=survey.place))


def attach(run_id: str, *, store: str | None = None) -> Run:
    """Returns the handle of a run that was submitted before, by this or another process, with everything it has said so far.

    In a notebook, its live view appears.

    Args:
        run_id: The run's id, or the name that no other run of this machine has.
        store: URL of the run's store; needed only for a run of another machine that is not in this session's store.

    Raises:
        RunNotFound: no run of that id is known here, or there is none in the store.
    """
    return announce(find(run_id, store))


def runs() -> Runs:
    """Returns the runs that this machine knows, the newest first, each as it is now.

    Raises:
        ResonError: the history of runs cannot be read.
    """
    return known_runs(cache(partial(open_store, connection=current_session().connection)))


def rerun(run_id: str, /, **changes: Any) -> Run:
    """Submits a run once more, as it shipped, with changes; see `Run.rerun`.

    Raises:
        RunNotFound: no run of that id is known here.
        ResonError: a change cannot be used; nothing has been started then.
    """
    return find(run_id).rerun(**changes)


def delete(run_id: str, *, store: str | None = None) -> Deleted:
    """Deletes a run: all below its prefix in the store, shards that no other run needs, its folder and its place in the history.

    Args:
        run_id: The run's id.
        store: URL of the run's store, as for `attach`.

    Raises:
        RunNotFound: no run of that id is known here.
        RunError: the run goes on.
    """
    record = _record(run_id, store)
    return delete_run(record, open_store(record.store, current_session().connection), open_target(record.target))


def compare(*runs: Run | RunSummary | str) -> Comparison:
    """Returns runs beside each other: how they were made, as far as it differs, and what came of them.

    Runs that go on are compared as they are now.

    Args:
        *runs: Two to twelve runs, or their ids, or what `runs()` lists.

    Raises:
        RunNotFound: no run of that id is known here.
        RunError: these runs cannot be compared.
    """
    return compare_runs([run if isinstance(run, Run) else find(id_of(run)) for run in runs])


def abort(run_id: str) -> None:
    """Asks for the end of a run; see `Run.abort`.

    Raises:
        RunNotFound: no run of that id is known here.
        TargetError: the run is not running where it should.
    """
    record = _record(run_id, None)
    target = open_target(record.target)
    if target.is_carried(record):
        target.abort(record)  # from here, though its store is away
    else:
        find(run_id).abort()


def find(run_id: str, store: str | None = None) -> Run:
    """Does as `attach` does, without a live view."""
    record = _record(run_id, store)
    connection = current_session().connection
    run = Run(record, open_store(record.store, connection), open_target(record.target), connection=connection)
    history.add(record, run.progress)
    return run


def _record(run_id: str, store: str | None) -> RunRecord:
    """Where a run is: as named, as this machine knows it, or else in the session's store."""
    session = current_session()
    if store:
        return read_submitted(open_store(store, session.connection), run_id)[0]
    try:
        return RunRecord.load(run_id)
    except RunNotFound as unknown:
        with suppress(ResonError):  # without its history, this machine may still know where to look
            if found := history.find(run_id):
                return found
        if named := _named(run_id):
            return named
        try:
            connection = session.connection
            usual = open_store(session.store or default_store_url(connection, home()), connection)
            return read_submitted(usual, run_id)[0]
        except (RunNotFound, StoreError):
            with suppress(ResonError):
                unknown.hint = nearest(run_id) or unknown.hint
            raise unknown from None


def _named(name: str) -> RunRecord | None:
    """The one run of that name; None if there is none, or the history cannot be read."""
    try:
        return find_named(name)
    except RunNotFound:
        raise
    except ResonError:
        return None


def _rehearse(prepared: Prepared, target: str) -> Rehearsal:
    here = bool(prepared.sites) and target == "local"  # its sites have what this machine has
    shard = prepared.shards[0].path if prepared.shards else None
    hint = f"Nothing was uploaded. Correct {'the project' if prepared.is_project else 'the cell and run it again'}."
    return rehearse_told(prepared.job, shard, default_training=prepared.default_training, hint=hint, without_shard=here)
