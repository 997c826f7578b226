"""From what a user asks for, and what the session has, to a job that is ready to be sent."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .backend.job import Job, JobParts, UserModule, build_job
from .capture.capture import Capture
from .capture.imports.requirements import Requirements, requirements_for
from .capture.objects import capture_object
from .capture.roles.contract import ROLES, Role, accepts_num_classes, require_arguments, require_kind
from .capture.roles.model_check import check_model
from .capture.secrets.leaks import HINT, find_leaks
from .capture.stale import changes, renewed
from .capture.text.module import combine
from .config import FederationConfig, ModelConfig, TrainingConfig
from .data.shards import ShardsReport, ShardSummary, check_shards, infer_num_classes
from .errors import CaptureError, ConfigError, JobError
from .session import Session
from .source_map import SourceMap

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Request:
    """The arguments of `reson_jupyter.submit` and `reson_jupyter.build`; what is None comes from the session."""

    name: str
    shards_dir: str | Path | None
    model: type | None
    training: TrainingConfig | None
    federation: FederationConfig | None
    model_config: ModelConfig | None
    executor: type | None
    persistor: type | None
    train: Callable[..., Any] | None
    requirements: str | Path | Sequence[str] | None
    checkpoint: str | Path | None

    def __post_init__(self) -> None:
        """Refuses what is no config at all, such as a dict."""
        for name, kind in (("training", TrainingConfig), ("federation", FederationConfig), ("model_config", ModelConfig)):
            value = getattr(self, name)
            if not isinstance(value, kind | None):
                shown = f"reson.{kind.__name__}({'**' if isinstance(value, dict) else ''}...)"
                raise ConfigError(f"{name} is a {type(value).__name__}, not a {kind.__name__}", f"Pass {name}={shown}.")


@dataclass(frozen=True)
class Prepared:
    """A job that is ready, its shards, and what the user should know of how it was made."""

    job: Job
    shards: tuple[ShardSummary, ...]
    notes: tuple[str, ...]
    model_class: type[torch.nn.Module] | None


def prepare(request: Request, session: Session) -> Prepared:
    """Checks everything that a run needs and builds its job.

    Raises:
        ResonError: something cannot be used.
    """
    training, federation = request.training or session.training, request.federation or session.federation
    model_config = request.model_config or session.model_config
    captures, notes = _captures(request, session)
    if "." in model_config.model_class:
        captures.pop("model", None)  # the class is named, not shipped
    modules = [capture for role in ("model", "train") if (capture := captures.get(role))]
    functions: dict[str, str] = {function.purpose: function.name for capture in modules for function in capture.functions}
    default_training = "train" not in functions and "executor" not in captures
    model = _model(captures.get("model"), model_config)
    report = _check_shards(request.shards_dir, training.manifest_file, default_training)
    notes += _about(captures, functions)
    if report is not None:
        training, federation = _fit(training, federation, report, notes)
    module = combine(modules)
    requirements = _requirements(request.requirements, captures.values(), ["pillow"] if default_training else [])
    notes += requirements.notes
    job = build_job(
        JobParts(
            name=request.name,
            model_path=model.path,
            model_source=module.source,
            model_lines=SourceMap.of(module.lines),
            local_modules={file.path: file.text for capture in captures.values() for file in capture.files},
            model_args=model_config.model_args,
            accepts_num_classes=model.accepts_num_classes,
            train_fn=functions.get("train", ""),
            validate_fn=functions.get("validate", ""),
            executor=_module(captures.get("executor")),
            persistor=_module(captures.get("persistor")),
            training=training,
            federation=federation,
            requirements=requirements.lines,
            checkpoint=_file(request.checkpoint) if request.checkpoint else None,
        )
    )
    leaks = find_leaks(job.files, job.sources)
    if leaks.secrets:
        raise JobError("this must not ship:\n  " + "\n  ".join(leaks.secrets), HINT)
    notes += leaks.warnings
    _check_calls(job, model.live, captures)
    if default_training:
        _check_default_training(job, model.live, request.training or session.training, captures.get("model"))
    unread = sorted(set(training.extra) - {"multi_label"}) if default_training else []
    if unread:
        notes.append(
            f"nothing reads {', '.join(unread)}: the default training does not, and a constructor's arguments are model_args"
        )
    return Prepared(job, report.shards if report else (), tuple(notes), model.live)


def _about(captures: Mapping[str, Capture], functions: Mapping[str, str]) -> list[str]:
    """What trains, and whose classes take the place of the defaults."""
    cells = {function.name: capture.cell for capture in captures.values() for function in capture.functions}
    notes = [f"{role}: {capture.name} of {capture.cell}" for role, capture in captures.items() if role != "train"]
    if "executor" in captures:
        return notes
    train = functions.get("train")
    return [*notes, f"training: {train} of {cells[train]}" if train else "training: the default image classification"]


def _check_calls(job: Job, model: type, captures: Mapping[str, Capture]) -> None:
    """Makes sure that the classes can be called as the sites and the server will call them."""
    client, server = job.config("config_fed_client.json"), job.config("config_fed_server.json")
    arguments = client["executors"][0]["executor"]["args"]
    hint = "Give its arguments by model_args, for example: %reson config 'model_args={\"width\": 4}'"
    if accepts_num_classes(model) and "num_classes" not in arguments["model_args"]:
        hint = "Name the shards, whose labels give num_classes, or set num_classes. " + hint
    require_arguments(model, arguments["model_args"], "the model's constructor", hint)
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


@dataclass(frozen=True)
class _Model:
    """The model of a job: its dotted path on the sites, and the class here."""

    path: str
    live: type[torch.nn.Module]
    accepts_num_classes: bool


def _model(captured: Capture | None, config: ModelConfig) -> _Model:
    """The captured model, or the one that the config names by a path which every site can import."""
    module, _, name = config.model_class.rpartition(".")
    if module:
        try:
            live = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError) as error:
            hint = "The sites import it by that path, and so does this kernel for run.model(); install it here too."
            raise CaptureError(f"model_class {config.model_class!r} cannot be imported here: {error}", hint) from None
        return _Model(config.model_class, require_kind(live, "model"), accepts_num_classes(live))
    if captured is None:
        hint = "Put %%reson_model on the first line of the cell that defines it and run that cell, or pass model=Net."
        raise CaptureError("there is no model", hint)
    if name and name != captured.name:
        raise CaptureError(f"model_class is {name!r}, but the model is {captured.name}", "Leave model_class empty.")
    live = require_kind(captured.live, "model")
    return _Model(f"model_def.{captured.name}", live, captured.accepts_num_classes)


def _captures(request: Request, session: Session) -> tuple[dict[str, Capture], list[str]]:
    """The captures by role: of the objects that were passed, else of what the session has; and what changed since."""
    given: dict[Role, Any] = {
        "model": request.model,
        "train": request.train,
        "executor": request.executor,
        "persistor": request.persistor,
    }
    used = {role: capture for role, capture in session.captures.items() if given[capture.role] in (None, capture.live)}
    notes = _renew(used, session)
    captures = dict(session.captures)
    for role in ROLES:
        known = captures.get(role)
        if given[role] is not None and (known is None or known.live is not given[role]):
            beside = captures.get("model") if role != "model" else None
            captures[role] = capture_object(given[role], role, session.kernel, beside)
    return captures, notes


def _renew(captures: dict[str, Capture], session: Session) -> list[str]:
    """Brings captures up to what the kernel holds now, or refuses them, as the session is set."""
    new = renewed(captures, session.kernel) if session.kernel else {}
    notes = [changes(captures[role], capture) for role, capture in new.items()]
    if notes and session.stale_captures == "refuse":
        hint = "Run that cell again, or let a submit capture anew: %reson config stale_captures=recapture"
        raise CaptureError("\n  ".join(notes), hint)
    for capture in new.values():
        session.set_capture(capture)
    return [f"{note}; captured anew" for note in notes]


def _check_shards(folder: str | Path | None, manifest: str, default_training: bool) -> ShardsReport | None:
    """Only the default training needs a manifest; a user's own train function may read anything."""
    if folder is None:
        return None
    report = check_shards(Path(folder).expanduser(), manifest, manifest_required=default_training)
    report.raise_for_problems()
    return report


def _fit(
    training: TrainingConfig, federation: FederationConfig, report: ShardsReport, notes: list[str]
) -> tuple[TrainingConfig, FederationConfig]:
    """Takes from the shards what the configs leave open, and notes what was taken."""
    sites = len(report.shards)
    classes = infer_num_classes(report, training.num_classes)
    if classes != training.num_classes:
        notes.append(f"num_classes is {classes}, the greatest label in the shards plus one")
        training = training.replace(num_classes=classes)
    if report.multi_label and "multi_label" not in training.extra:
        # A site whose own shard happens to have one label per sample must use the loss of the others.
        training = training.replace(multi_label=True)
    if "min_clients" not in federation.model_fields_set:
        notes.append(f"min_clients was not set, so every round needs all {sites} sites")
        federation = federation.replace(min_clients=sites)
    elif federation.min_clients > sites:
        raise JobError(
            f"min_clients is {federation.min_clients}, but there are {sites} shards, so only {sites} sites",
            "Lower min_clients, or make more shards: every site has one.",
        )
    return training, federation


def _module(capture: Capture | None) -> UserModule | None:
    return UserModule(capture.source, capture.name, SourceMap.of(capture.module.lines)) if capture else None


def _requirements(given: str | Path | Sequence[str] | None, captures: Iterable[Capture], needs: Sequence[str]) -> Requirements:
    """What the sites install: the user's own file or lines, else what the imports that ship need."""
    own = None if given is None else _file(given).read_text().splitlines() if isinstance(given, str | Path) else list(given)
    return requirements_for({name for capture in captures for name in capture.imports}, needs, own)


def _file(path: str | Path) -> Path:
    found = Path(path).expanduser().resolve()
    if not found.is_file():
        raise JobError(f"there is no file {path}")
    return found
