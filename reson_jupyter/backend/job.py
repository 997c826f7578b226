"""A job: every file that a run needs besides its data, in memory. The same parts always give the same bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..card import Card
from ..config import FederationConfig, TrainingConfig
from ..errors import JobError
from ..names import printable
from ..paths import expanded
from ..source_map import SourceMap
from ..units import size
from ..worker import ADAPTER, CLIENT, SERVER, Name
from ..worker import source as worker_source
from . import nvflare_config

# What every job has; other scripts are local modules of the user's.
SCRIPTS = ("model_def.py", "custom_client_executor.py", "custom_persistor.py")
# Packages of ours that a job of Scaleout callbacks has beside them, and the folder of a project's own files.
PACKAGES = frozenset({"reson_edge", "scaleout", "scaleoututil"})
PROJECT = "project"
CONFIGS = ("config_fed_client.json", "config_fed_server.json")
_EXECUTOR: tuple[Name, ...] = ("executor",)
_EDGE_EXECUTOR: tuple[Name, ...] = ("executor", "edge_executor")
_SHOWN = 12
_SHOWN_OTHERS = 3


@dataclass(frozen=True)
class UserModule:
    """Captured source that replaces one of ours, the class in it that NVFlare loads, and where its lines come from."""

    source: str
    class_name: str
    lines: SourceMap = field(default_factory=SourceMap)


@dataclass(frozen=True)
class JobParts:
    """What a job is built from.

    `model_source` is the text of model_def.py; empty when `model_path` names a class that every site can import. `train_fn` is
    empty when the user gave only a model: the adapter then trains it. `local_modules` are the user's files that ship beside the
    scripts, by their path such as "mymodels/blocks.py"; `bundled` are other files that do, and `project_lines` tells what people
    call those of a project, by path. `commands` are the functions of
    model_def.py that the notebook may call on the sites, by the names it calls them. With `edge`, the callbacks train that
    `train_fn`, a startup of Scaleout Edge, registers.
    """

    name: str
    model_path: str
    model_source: str = ""
    model_lines: SourceMap = field(default_factory=SourceMap)
    project_lines: Mapping[str, SourceMap] = field(default_factory=dict)
    local_modules: Mapping[str, str] = field(default_factory=dict)
    bundled: Mapping[str, bytes] = field(default_factory=dict)
    edge: bool = False
    model_args: Mapping[str, Any] = field(default_factory=dict)
    accepts_num_classes: bool = False
    train_fn: str = ""
    validate_fn: str = ""
    commands: Mapping[str, str] = field(default_factory=dict)
    executor: UserModule | None = None
    persistor: UserModule | None = None
    training: TrainingConfig = field(default_factory=TrainingConfig)
    federation: FederationConfig = field(default_factory=FederationConfig)
    requirements: tuple[str, ...] = ()
    checkpoint: Path | None = None
    project: Path | None = None


@dataclass(frozen=True)
class Job:
    """The files of a job by their key below the job's prefix, and the checkpoint that it starts from, if any.

    `sources` tells where the lines of the scripts come from, by file name ("model_def.py"), and `project` where this machine has
    the project of a job that carries only the hashes of it; they are no part of the job's bytes.
    """

    name: str
    files: Mapping[str, bytes]
    checkpoint: Path | None = None
    sources: Mapping[str, SourceMap] = field(default_factory=dict)
    project: Path | None = None

    @property
    def digest(self) -> str:
        """SHA-256 over all files (not the checkpoint), as hex."""
        digest = hashlib.sha256()
        for key, data in sorted(self.files.items()):
            digest.update(f"{key}\0{len(data)}\0".encode())
            digest.update(data)
        return digest.hexdigest()

    def config(self, name: str) -> dict[str, Any]:
        """Returns one of the config files, parsed."""
        return dict(json.loads(self.files[f"configs/{name}"]))

    def save(self, folder: str | Path) -> Path:
        """Writes the folder that `nvflare simulator` takes as it is, over what an earlier save of these files wrote there.

        Returns:
            The folder, by its full path.

        Raises:
            JobError: the folder has other files, which NVFlare would take for the job's, or it cannot be written.
        """
        files = dict(self.files)
        folder = expanded(folder, JobError).absolute()
        try:
            if self.checkpoint:
                files[f"model/{self.checkpoint.name}"] = self.checkpoint.read_bytes()
            _refuse_others(folder, {path for key in files if (path := nvflare_path(key))})
            return write_nvflare_folder(files, folder)
        except OSError as error:
            raise JobError(f"the job cannot be written to {folder}: {error.strerror}", "Name another folder.") from None

    def __repr__(self) -> str:
        total = sum(map(len, self.files.values()))
        return f"Job({self.name!r}, {len(self.files)} files, {total:,} bytes, sha256 {self.digest[:12]})"

    def _repr_html_(self) -> str:
        rows = [(key, size(len(data))) for key, data in sorted(self.files.items())[:_SHOWN]]
        more = [("and", f"{len(self.files) - _SHOWN} more files")] if len(self.files) > _SHOWN else []
        start = [("starts from", self.checkpoint.name)] if self.checkpoint else []
        rest = [*start, ("sha256", self.digest), ("next", "job.save(folder); every file: reson.preview() or %reson preview")]
        return Card(f"Job {self.name}: {len(self.files)} files", [*rows, *more, *rest]).html()


def build_job(parts: JobParts) -> Job:
    """Builds a job.

    Raises:
        JobError: the parts contradict each other.
    """
    model_args = _model_args(parts)
    default_training = not parts.train_fn and parts.executor is None
    train_fn, validate_fn = ("rt_train_model", "rt_validate_model") if default_training else (parts.train_fn, parts.validate_fn)
    client = nvflare_config.client_config(
        executor=parts.executor.class_name if parts.executor else "EdgeExecutor" if parts.edge else "GenericClientExecutor",
        model_class=parts.model_path.removeprefix("model_def."),
        model_args=model_args,
        train_fn=train_fn,
        validate_fn=validate_fn,
        training=parts.training,
        commands=parts.commands,
    )
    server = nvflare_config.server_config(
        persistor=parts.persistor.class_name if parts.persistor else "CustomPersistor",
        model_path=parts.model_path,
        model_args=model_args,
        federation=parts.federation,
        checkpoint=parts.checkpoint.name if parts.checkpoint else None,
        validates=bool(validate_fn) and parts.executor is None,
    )
    return Job(
        name=parts.name,
        files={
            "scripts/model_def.py": _join(parts.model_source, *(map(worker_source, ADAPTER) if default_training else ())),
            "scripts/custom_client_executor.py": _join(
                *([parts.executor.source] if parts.executor else map(worker_source, _EDGE_EXECUTOR if parts.edge else _EXECUTOR)),
                *map(worker_source, CLIENT),
            ),
            "scripts/custom_persistor.py": _join(
                parts.persistor.source if parts.persistor else worker_source("persistor"),
                *map(worker_source, SERVER),
            ),
            "configs/config_fed_client.json": as_json(client),
            "configs/config_fed_server.json": as_json(server),
            "configs/meta.json": as_json(nvflare_config.meta(parts.name, parts.federation)),
            "requirements/requirements.txt": _lines(parts.requirements),
        }
        | {f"scripts/{path}": text.encode() for path, text in sorted(parts.local_modules.items())}
        | {f"scripts/{path}": data for path, data in sorted(parts.bundled.items())},
        checkpoint=parts.checkpoint,
        sources=_sources(parts),
        project=parts.project,
    )


def as_json(value: object) -> bytes:
    """Returns the bytes of a config file."""
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def write_nvflare_folder(files: Mapping[str, bytes], folder: Path) -> Path:
    """Lays out a job's files as an NVFlare job folder: meta.json, app/config, app/custom; returns the folder."""
    for key, data in files.items():
        if place := nvflare_path(key):
            path = folder / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    return folder


def nvflare_path(key: str) -> Path | None:
    """Returns where a job's file lies in NVFlare's job folder; None if it is not for NVFlare."""
    place, _, name = key.partition("/")
    if place in ("scripts", "model"):
        return Path("app", "custom", name)
    if name in CONFIGS:
        return Path("app", "config", name)
    # requirements.txt is for whoever sets up a site.
    return Path(name) if name == "meta.json" else None


def _refuse_others(folder: Path, own: Collection[Path]) -> None:
    """Raises `JobError` if a folder has files besides `own`. Raises `OSError`."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise JobError(f"{folder} is a file", "Name a folder.")
    others = sorted(path for path in folder.rglob("*") if not path.is_dir() and path.relative_to(folder) not in own)
    if others:
        shown = ", ".join(printable(str(path.relative_to(folder))) for path in others[:_SHOWN_OTHERS])
        more = f" and {len(others) - _SHOWN_OTHERS} more" if len(others) > _SHOWN_OTHERS else ""
        raise JobError(f"{folder} has other files, {shown}{more}", "Name a new folder, or empty this one.")


def _sources(parts: JobParts) -> dict[str, SourceMap]:
    scripts = {"custom_client_executor.py": parts.executor, "custom_persistor.py": parts.persistor}
    modules = {name: module.lines for name, module in scripts.items() if module}
    return {"model_def.py": parts.model_lines, **modules, **parts.project_lines}


def _model_args(parts: JobParts) -> dict[str, Any]:
    """The constructor's arguments; a model whose signature takes num_classes gets it."""
    args = dict(parts.model_args)
    classes = parts.training.num_classes
    if not parts.accepts_num_classes or not classes:
        return args
    if args.setdefault("num_classes", classes) != classes:
        raise JobError(
            f"model_args says num_classes={args['num_classes']} but the training config says {classes}",
            "Set it in one place: TrainingConfig(num_classes=...) reaches the model's constructor by itself.",
        )
    return args


def _join(*sources: str) -> bytes:
    return ("\n\n\n".join(text.strip("\n") for text in sources if text) + "\n").encode()


def _lines(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()
