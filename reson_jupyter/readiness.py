"""What stands in the way of a check, a preview, a submit: found without reading a shard, and without asking anybody."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from .capture.capture import Capture
from .capture.roles.contract import require_model_arguments
from .errors import CaptureError, ConfigError, ProjectError, ResonError
from .review import question_of
from .session import Session

if TYPE_CHECKING:
    from .edge.project import Project

_NO_MODEL = "There is no model: put %%reson_model on the first line of the cell that defines it, and run that cell."


def obstacles(session: Session) -> dict[str, list[str]]:
    """Returns what stands in the way, a sentence each: {"check", "preview", "submit": [sentence, ...]}.

    What is not named here may still be refused, with the reason, when it is tried.
    """
    job = list(_of_job(session))
    return {"check": job, "preview": job, "submit": [*job, *_of_submit(session, job)]}


def _of_job(session: Session) -> Iterator[str]:
    yield from _of_startup(session) if session.has_startup else _of_model(session)
    try:
        submission = session.submission
    except ConfigError as error:
        yield _sentence(error.message)
        return
    for outdated in session.outdated.values():
        if not outdated.ships or submission.stale_captures == "refuse":
            yield _sentence(outdated.what)
    folder = submission.shards_dir
    if folder and not _is_folder(folder):
        yield f"There is no folder {folder!r}, which shards_dir names."


def _of_startup(session: Session) -> Iterator[str]:
    """What of callbacks of Scaleout Edge could not train; a checkpoint cannot be named where this is told."""
    project, captured = session.project, session.capture("startup")
    by_hand = "or name a file of weights: %reson submit --checkpoint FILE."
    if project and not project.folder.is_dir():
        yield f"There is no folder {str(project.folder)!r} any more, of the {project.title}."
    elif project and (problem := problem_of(project)):
        yield _sentence(problem.message)
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


def _of_model(session: Session) -> Iterator[str]:
    named, captured = session.model_config.model_class, session.capture("model")
    if "." not in named:
        if captured is None:
            yield _NO_MODEL
        elif named and named != captured.name:
            yield f"model_class is {named!r}, but the model is {captured.name}: leave model_class empty."
        else:
            yield from _of_arguments(captured, session)


def _of_arguments(captured: Capture, session: Session) -> Iterator[str]:
    """What the model's constructor would not take; `live` is no class where there is no kernel."""
    if not isinstance(captured.live, type):
        return
    try:
        require_model_arguments(captured.live, question_of(captured, session).arguments)
    except CaptureError as error:
        yield f"{_sentence(error.message)} {error.hint}"


def _of_submit(session: Session, job: list[str]) -> Iterator[str]:
    try:
        submission, connection = session.submission, session.connection
    except ConfigError as error:
        if (sentence := _sentence(error.message)) not in job:
            yield sentence
        return
    if not submission.name:
        yield "The run has no name."
    # Callbacks may have their data from anywhere, and sites of a local run then come into being without shards.
    without = ("flare", "local") if session.has_startup else ("flare",)
    if submission.target not in without and not submission.shards_dir:
        yield "No shards are named: set shards_dir to the folder with one zip for each site."
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
