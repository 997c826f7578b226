"""From what a user asks for, and what the session has, to a job that is ready to be sent."""

from __future__ import annotations

from collections.abc import Mapping

from .backend.job import Job, JobParts, UserModule, build_job
from .backend.placement import Survey
from .backend.store import default_store_url
from .capture.capture import Capture
from .capture.imports.requirements import Requirements, requirements_for
from .capture.roles.contract import require_arguments, require_kind, require_model_arguments
from .capture.roles.model_check import check_model
from .capture.text.module import combine
from .cautions import Caution
from .config import FederationConfig, TrainingConfig
from .edge.names import PROVIDED, travel_files
from .errors import CaptureError
from .home import home
from .parts import Parts, parts_of
from .prepared import NO_NAME, Prepared, checked_shards, existing_file, fitted_to_shards, fitted_to_sites, lines_of, refuse_leaks
from .request import Request
from .session import Session
from .source_map import SourceMap


def store_url(named: str | None, session: Session, survey: Survey) -> str:
    """Returns where a run's files go: where the target has a store of its own nobody has to name it."""
    return named or survey.store or session.store or default_store_url(session.connection, home())


def prepare(request: Request, session: Session, sites: int = 0) -> Prepared:
    """Checks everything that a run needs and builds its job.

    Args:
        request: What the user asks for.
        session: What gives the rest.
        sites: How many sites are there that have their data themselves, for a run without shards.

    Raises:
        ResonError: something cannot be used.
    """
    if session.has_startup and request.model is None:
        from .prepare_edge import prepare_edge  # with torch, which takes a moment to import

        return prepare_edge(request, session, sites)
    training, federation = request.training or session.training, request.federation or session.federation
    parts = parts_of(request, session)
    notes, captures = list(parts.notes), parts.captures
    report = checked_shards(request.shards_dir, training, parts.default_training)
    if report is not None:
        training = fitted_to_shards(training, report, notes)
    federation = fitted_to_sites(federation, len(report.shards) if report else 0, sites, notes)
    requirements = _requirements(request, parts)
    notes += requirements.notes
    job = _build(request, session, parts, training, federation, requirements)
    refuse_leaks(job, notes)
    _check_calls(job, parts.model.live, captures)
    if parts.default_training:
        _check_default_training(job, parts.model.live, request.training or session.training, captures.get("model"))
        if unread := sorted(set(training.extra) - {"multi_label"}):
            names = ", ".join(unread)
            notes.append(
                Caution(f"nothing reads {names}: the default training does not; the model's constructor gets model_args only")
            )
    return Prepared(job, report.shards if report else (), tuple(notes), parts.model.live, parts.default_training)


def _build(
    request: Request,
    session: Session,
    parts: Parts,
    training: TrainingConfig,
    federation: FederationConfig,
    requirements: Requirements,
) -> Job:
    functions = [parts.captures[role] for role in ("model", "train") if role in parts.captures]
    module = combine([*functions, *parts.commands.values()])
    return build_job(
        JobParts(
            name=request.name or NO_NAME,
            model_path=parts.model.path,
            model_source=module.source,
            model_lines=SourceMap.of(module.lines),
            local_modules={file.path: file.text for capture in parts.captures.values() for file in capture.files},
            bundled=_bundled(parts),
            model_args=(request.model_config or session.model_config).model_args,
            accepts_num_classes=parts.model.accepts_num_classes,
            train_fn=parts.functions.get("train", ""),
            validate_fn=parts.functions.get("validate", ""),
            commands={name: capture.name for name, capture in parts.commands.items()},
            executor=_module(parts.captures.get("executor")),
            persistor=_module(parts.captures.get("persistor")),
            training=training,
            federation=federation,
            requirements=requirements.lines,
            checkpoint=existing_file(request.checkpoint) if request.checkpoint else None,
        )
    )


def _bundled(parts: Parts) -> dict[str, bytes]:
    """What Scaleout's imports mean, where something that ships has such: its helpers are of use to any model."""
    imported = {name.split(".")[0] for capture in parts.captures.values() for name in capture.imports}
    return travel_files() if imported & PROVIDED else {}


def _check_calls(job: Job, model: type, captures: Mapping[str, Capture]) -> None:
    """Makes sure that the classes can be called as the sites and the server will call them."""
    client, server = job.config("config_fed_client.json"), job.config("config_fed_server.json")
    arguments = client["executors"][0]["executor"]["args"]
    require_model_arguments(model, arguments["model_args"])
    if executor := captures.get("executor"):
        hint = "It gets every training field by name and some more; let its constructor take **kwargs."
        require_arguments(require_kind(executor.live, "executor"), arguments, "the executor's constructor", hint)
    if persistor := captures.get("persistor"):
        arguments = server["components"][0]["args"]
        hint = "It gets the model as `model`, and with a checkpoint its name as `source_ckpt_file_full_name`."
        require_arguments(require_kind(persistor.live, "persistor"), arguments, "the persistor's constructor", hint)


def _check_default_training(job: Job, model: type, training: TrainingConfig, captured: Capture | None) -> None:
    """Makes sure that the default image classification can use what the model returns, as far as that shows without data."""
    arguments = job.config("config_fed_client.json")["executors"][0]["executor"]["args"]["model_args"]
    try:
        check_model(model, arguments, num_classes=training.num_classes or None, img_size=training.img_size)
    except CaptureError as error:
        raise CaptureError(f"{captured.cell}: {error.message}" if captured else error.message, error.hint) from None


def _module(capture: Capture | None) -> UserModule | None:
    return UserModule(capture.source, capture.name, SourceMap.of(capture.module.lines)) if capture else None


def _requirements(request: Request, parts: Parts) -> Requirements:
    """What the sites need: the user's own file or lines, else what the imports that ship need."""
    imports = {name for capture in parts.captures.values() for name in capture.imports}
    if "model" not in parts.captures:
        imports.add(parts.model.path)
    return requirements_for(imports, ["pillow"] if parts.default_training else [], lines_of(request.requirements))
