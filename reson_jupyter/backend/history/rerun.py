"""A run once more, as it shipped, with other values in its configs; its data never leaves the store."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...capture.secrets.leaks import HINT as SECRET_HINT
from ...capture.secrets.leaks import find_leaks
from ...config import Config, FederationConfig, ModelConfig, ResonTechConfig, TrainingConfig, refuse_slip
from ...errors import ConfigError, JobError, RunError
from .. import nvflare_config
from ..federated import plain
from ..job import Job, as_json
from ..observers import announce, rehearse_told
from ..record import RunRecord, kept_project
from ..run.handle import Run
from ..sending import Shard
from ..shard_pool import content_key
from ..store import ObjectInfo, Store
from ..submission import Submission
from ..targets.base import Target
from .origin import Origin, RunConfig, read_origin, versions

_PARTS: Mapping[str, type[Config]] = {"federation": FederationConfig, "model": ModelConfig, "training": TrainingConfig}
# The rehearsal trains on samples of the first shard; one that takes long to fetch is not worth it.
_REHEARSED_SHARD = 64 << 20
_HINT = "Nothing was started. Choose other values."


def rerun(record: RunRecord, store: Store, target: Target, connection: ResonTechConfig, changes: Mapping[str, Any]) -> Run:
    """Submits a run once more.

    Args:
        record: The run.
        store: Its store, where the new run's files go as well.
        target: Its target, where the new run runs as well.
        connection: The keys to the store, for whoever carries the new run.
        changes: Any field of its configs, `name`, or a hyperparameter of the user's own.

    Raises:
        RehearsalFailed: the rehearsal failed; nothing has been started then.
        ResonError: a change cannot be used, or the store no longer has all of the run; nothing has been started then.
    """
    origin = read_origin(store, record.id)
    stored = _shards(origin, store)
    name, config = changed(origin, changes)
    job = _with_configs(plain(origin.job), name, config)  # its target adapts it anew
    job = replace(job, project=kept_project(record.folder))
    if secrets := find_leaks(job.files, job.sources).secrets:
        raise JobError("this must not ship:\n  " + "\n  ".join(secrets), SECRET_HINT)
    checkpoint = next(store.list(f"{record.prefix}/model/"), None)
    sites = {
        site: Shard(shard["shard"], shard["sha256"], stored[site]) if shard["sha256"] else None
        for site, shard in origin.submitted["sites"].items()
    }
    target.check(job, store, sites, connection)
    here = record.target == "local" and not stored
    rehearsal_notes = _rehearse(job, store, next(iter(stored.values()), None), checkpoint, here)
    said = ", ".join(f"{field}={value!r}" for field, value in changes.items())
    notes = [f"rerun of {record.id}{f' with {said}' if said else ''}", *_other_versions(origin), *rehearsal_notes]
    new = RunRecord.new(name, record.target, record.store)
    submission = Submission(job, sites, config.federation, new, store, target, connection, checkpoint)
    return announce(submission.start(notes, place=origin.submitted.get("place", "")))


def changed(origin: Origin, changes: Mapping[str, Any]) -> tuple[str, RunConfig]:
    """Returns a run's name and configs with changes, fitted to its sites and classes as at a submit.

    Raises:
        ConfigError: a change cannot be used.
        JobError: the changes contradict each other, or what the run is made of.
    """
    parts: dict[str, dict[str, Any]] = {part: {} for part in _PARTS}
    for field, value in changes.items():
        _refuse_no_text(field, value)
        if field != "name":
            parts[_part_of(field)][field] = value
    name = changes.get("name", origin.record.name)
    if not isinstance(name, str) or not name:
        raise ConfigError(f"name: give text, not {name!r}.")
    before = origin.config
    training = before.training.replace(**parts["training"])
    sites = origin.submitted["sites"].values()
    shards = sum(bool(shard["sha256"]) for shard in sites)
    federation = _for_sites(before.federation.replace(**parts["federation"]), len(sites), shards)
    model = before.model.replace(**parts["model"])
    if before.training.num_classes and before.model.model_args.get("num_classes") == before.training.num_classes:
        model = _for_classes(model, training.num_classes, given="model_args" in changes)
    return name, RunConfig(training, federation, model)


def _refuse_no_text(field: str, value: Any) -> None:
    """Raises `ConfigError` for text that no file can hold; what is wrong with any other value, its config says."""
    try:
        json.dumps([field, value], ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError:
        raise ConfigError(f"{field!a}: {value!a} has a character that is not valid Unicode.") from None
    except (TypeError, ValueError, RecursionError):
        return


def _other_versions(origin: Origin) -> list[str]:
    """What is not as it was, although no change asked for it."""
    before, now = origin.submitted.get("versions", {}), versions(origin.job)
    changed = [f"{name} {now[name]} (was {before[name]})" for name in now if before.get(name, now[name]) != now[name]]
    return [f"this kernel has other versions than the one that submitted it: {', '.join(changed)}"] if changed else []


def _part_of(field: str) -> str:
    """The config that has a field; other names are hyperparameters of the user's own, unless they are nearly a field's."""
    for part, config in _PARTS.items():
        if field in config.model_fields:
            return part
    refuse_slip(field, ["name", *(name for config in _PARTS.values() for name in config.model_fields)])
    return "training"


def _for_sites(federation: FederationConfig, sites: int, shards: int) -> FederationConfig:
    if "min_clients" not in federation.model_fields_set:
        return federation.replace(min_clients=sites)
    if federation.min_clients > sites:
        there_are = f"{shards} shards, so only" if shards else "only"
        raise JobError(
            f"min_clients is {federation.min_clients}, but the run has {there_are} {sites} sites",
            f"Lower min_clients, or submit a run with more {'shards' if shards else 'sites'}.",
        )
    return federation


def _for_classes(model: ModelConfig, classes: int, *, given: bool) -> ModelConfig:
    """The model's arguments with the number of classes that the training has, which its constructor takes."""
    args = {**model.model_args, "num_classes": classes} if not given else {"num_classes": classes, **model.model_args}
    if args["num_classes"] != classes:
        raise JobError(
            f"model_args says num_classes={args['num_classes']} but the training config says {classes}",
            "Change num_classes only; it reaches the model's constructor by itself.",
        )
    return model.replace(model_args=args)


def _with_configs(job: Job, name: str, config: RunConfig) -> Job:
    """The job with other configs; its code stays as it shipped."""
    client = nvflare_config.changed_client(job.config("config_fed_client.json"), config.training, config.model)
    server = nvflare_config.changed_server(job.config("config_fed_server.json"), config.federation, config.model)
    meta = {**job.config("meta.json"), **nvflare_config.meta(name, config.federation)}
    configs = {"config_fed_client.json": client, "config_fed_server.json": server, "meta.json": meta}
    return replace(job, name=name, files={**job.files, **{f"configs/{key}": as_json(value) for key, value in configs.items()}})


def _shards(origin: Origin, store: Store) -> dict[str, ObjectInfo]:
    """The sites' shards, as they lie in the store. They are claimed when the new run is sent, which looks once more."""
    found = {}
    for site, shard in origin.submitted["sites"].items():
        if not shard["sha256"]:
            continue
        info = store.stat(content_key(shard["sha256"]))
        if info is None:
            raise RunError(
                f"the shard {shard['shard']} of {site} is no longer in the store {store.url}",
                "Submit the run anew, with its folder of shards.",
            )
        found[site] = info
    return found


def _rehearse(job: Job, store: Store, shard: ObjectInfo | None, checkpoint: ObjectInfo | None, without_shard: bool) -> list[str]:
    """Rehearses the job as a submit does, with the first shard where it is small; returns the notes."""
    default_training = nvflare_config.executor_args(job.config("config_fed_client.json"))["train_fn"] == "rt_train_model"
    with tempfile.TemporaryDirectory(prefix="reson-rerun-") as folder:
        here = Path(folder)
        samples = _fetched(store, shard, here / "shard.zip") if shard and shard.bytes <= _REHEARSED_SHARD else None
        weights = _fetched(store, checkpoint, here / checkpoint.name) if checkpoint else None
        job = replace(job, checkpoint=weights)
        return rehearse_told(job, samples, default_training=default_training, hint=_HINT, without_shard=without_shard).said


def _fetched(store: Store, info: ObjectInfo, path: Path) -> Path:
    store.get_file(info.key, path)
    return path
