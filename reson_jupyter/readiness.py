"""What stands in the way of a check, a preview, a submit: found without reading a shard, and without asking anybody."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .capture.capture import Capture
from .capture.roles.contract import require_model_arguments
from .config import SubmitConfig
from .errors import CaptureError, ConfigError, ProjectError, ResonError
from .review import question_of
from .session import Session

if TYPE_CHECKING:
    from .edge.project import Project

NO_NAME = "The run has no name."
NO_SHARDS = "No shards are named: set shards_dir to the folder with one zip for each site."
_NO_MODEL = "There is no model: put %%reson_model on the first line of the cell that defines it, and run that cell."


@dataclass(frozen=True)
class Named:
    """What one call names, in place of what the session has."""

    name: str | None = None
    shards_dir: str | None = None
    target: str | None = None
    store: str | None = None
    checkpoint: bool = False

    def submission(self, session: Session) -> SubmitConfig:
        """Returns what counts for the call. Raises `ConfigError` if something of it, or of the environment, cannot be used."""
        given = {name: getattr(self, name) for name in ("name", "shards_dir", "target", "store")}
        return session.submission.replace(**{name: value for name, value in given.items() if value})


def obstacles(session: Session, named: Named | None = None) -> dict[str, list[str]]:
    """Returns what stands in the way, a sentence each: {"check", "preview", "submit": [sentence, ...]}.

    What is not named here may still be refused, with the reason, when it is tried.
    """
    named = named or Named()
    job = list(_of_job(session, named))
    return {"check": job, "preview": job, "submit": [*job, *_of_submit(session, named, job)]}


def _of_job(session: Session, named: Named) -> Iterator[str]:
    yield from _of_startup(session, named) if session.has_startup else _of_model(session, named)
    try:
        submission = named.submission(session)
    except ConfigError as error:
        yield _sentence(error.message)
        return
    for outdated in session.outdated.values():
        if not outdated.ships or submission.stale_captures == "refuse":
            yield _sentence(outdated.what)
    folder = submission.shards_dir
    if folder and not _is_folder(folder):
        yield f"There is no folder {folder!r}, which shards_dir names."


def _of_startup(session: Session, named: Named) -> Iterator[str]:
    """What of callbacks of Scaleout Edge could not train; a checkpoint can only be named by a call."""
    project, captured = session.project, session.capture("startup")
    by_hand = "or name a file of weights: %reson submit --checkpoint FILE."
    if project and not project.folder.is_dir():
        yield f"There is no folder {str(project.folder)!r} any more, of the {project.title}."
    elif project and (problem := problem_of(project)):
        yield _sentence(problem.message)
    elif named.checkpoint:
        return
    elif project and not project.build:
        yield f"The {project.title} has no entry point that makes its seed model: add build to scaleout.yaml, {by_hand}"
    elif captured and not captured.functions:
        yield f"The startup of {captured.cell} has no seed model: define build() in that cell, {by_hand}"


def problem_of(project: Project) -> ProjectError | None:
    """Returns why a project that was loaded could not be loaded as its folder is now; None if nothing is seen."""
    from .edge.project import reread

    try:
        reread(project)
    except ProjectError as error:
        return error
    return None


def _of_model(session: Session, named: Named) -> Iterator[str]:
    wanted, captured = session.model_config.model_class, session.capture("model")
    if "." not in wanted:
        if captured is None:
            yield _NO_MODEL
        elif wanted and wanted != captured.name:
            yield f"model_class is {wanted!r}, but the model is {captured.name}: leave model_class empty."
        else:
            yield from _of_arguments(captured, session, named)


def _of_arguments(captured: Capture, session: Session, named: Named) -> Iterator[str]:
    """What the model's constructor would not take; `live` is no class where there is no kernel."""
    if not isinstance(captured.live, type):
        return
    arguments = dict(question_of(captured, session).arguments)
    if not _knows_classes(session, named):  # a review makes some up
        arguments.pop("num_classes", None)
    try:
        require_model_arguments(captured.live, arguments)
    except CaptureError as error:
        yield f"{_sentence(error.message)} {error.hint}"


def _knows_classes(session: Session, named: Named) -> bool:
    """Whether anything tells how many classes there are, such as shards; where that cannot be told, they may."""
    try:
        folder = named.submission(session).shards_dir
    except ConfigError:
        return True
    return bool(folder or session.training.num_classes or "num_classes" in session.model_config.model_args)


def _of_submit(session: Session, named: Named, job: list[str]) -> Iterator[str]:
    try:
        submission, connection = named.submission(session), session.connection
    except ConfigError as error:
        if (sentence := _sentence(error.message)) not in job:
            yield sentence
        return
    if not submission.name:
        yield NO_NAME
    # Callbacks may have their data from anywhere, and sites of a local run then come into being without shards.
    without = ("flare", "local") if session.has_startup else ("flare",)
    if submission.target not in without and not submission.shards_dir:
        yield NO_SHARDS
    if submission.target == "flare":
        from .backend.flare.kit import read_kit

        try:
            read_kit(connection.startup_kit)
        except ResonError as error:
            yield _sentence(error.message)
    if submission.target == "reson":
        from .backend.platform.selection import what_is_missing

        if missing := what_is_missing(connection):
            yield f"The platform needs {', '.join(missing)}."


def _is_folder(path: str) -> bool:
    try:
        return Path(path).expanduser().is_dir()
    except (OSError, RuntimeError, ValueError):  # "~somebody" that nobody is; a path with a zero in it
        return False


def _sentence(message: str) -> str:
    text = message[:1].upper() + message[1:]
    return text if text.endswith((".", "!", "?")) else f"{text}."
