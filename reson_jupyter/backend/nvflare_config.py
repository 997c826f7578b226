"""The three config files of a job, in the schema that the ResonTech platform and NVFlare 2.7 to 2.9 read alike.

Executor + ScatterAndGather, by config: that form runs unchanged on all of those versions; exported recipes do not.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from ..config import FederationConfig, ModelConfig, TrainingConfig

Json = dict[str, Any]

# Where the platform unpacks a site's shard; elsewhere the environment variable RESON_DATA_ROOT says where it is.
DATA_ROOT = "/app/payload"
_RESULT_TIMEOUT = 300.0
# The executor's arguments that are no part of the training config.
_STRUCTURE = ("data_root", "adapter_module", "model_class", "model_args", "train_fn", "validate_fn")
# The model of a run of Scaleout callbacks: weights without code.
SEED_MODEL = "reson_edge.weights.SeedModel"
# The workflow that trains.
ROUNDS_ID = "scatter_and_gather"
ROUNDS_PATH = "nvflare.app_common.workflows.scatter_and_gather.ScatterAndGather"
_ROUNDS = ("min_clients", "num_rounds", "wait_time_after_min_received")
_FINAL_VALIDATION: Json = {"id": "final_validation", "path": "custom_persistor.ResonFinalValidation", "args": {}}


def client_config(
    *,
    executor: str,
    model_class: str,
    model_args: Json,
    train_fn: str,
    validate_fn: str,
    training: TrainingConfig,
    commands: Mapping[str, str],
) -> Json:
    """Returns config_fed_client.json; `executor` is a class name in custom_client_executor.py, `commands` {name: function}."""
    args: Json = {
        "data_root": DATA_ROOT,
        "adapter_module": "model_def",
        "model_class": model_class,
        "model_args": model_args,
        "train_fn": train_fn,
        "validate_fn": validate_fn,
        **training.as_arguments(),
    }
    return {
        "format_version": 2,
        "submit_task_result_timeout": _RESULT_TIMEOUT,
        "executors": [
            {
                "tasks": ["train", "validate", "submit_model"],
                "executor": {"path": f"custom_client_executor.{executor}", "args": args},
            }
        ],
        "task_data_filters": [],
        "task_result_filters": [],
        "components": [
            {
                # What a custom executor logs as an error, or sends as a scalar, reaches the server's reporter as well.
                "id": "error_relay",
                "path": "nvflare.app_common.widgets.convert_to_fed_event.ConvertToFedEvent",
                "args": {"events_to_convert": ["_error_log_available", "analytix_log_stats"]},
            },
            {
                "id": "agent",
                "path": "custom_client_executor.ResonAgent",
                "args": {"data_root": DATA_ROOT, "adapter_module": "model_def", "commands": dict(commands)},
            },
            {"id": "messenger", "path": "custom_client_executor.ResonMessenger", "args": {}},
        ],
    }


def server_config(
    *,
    persistor: str,
    model_path: str,
    model_args: Json,
    federation: FederationConfig,
    checkpoint: str | None,
    validates: bool,
) -> Json:
    """Returns config_fed_server.json.

    Args:
        persistor: A class name in custom_persistor.py.
        model_path: The model's class, as a dotted path.
        model_args: Its constructor's arguments.
        federation: How the rounds run.
        checkpoint: Name of the file of weights to start from, if any.
        validates: Whether the sites can validate, so that they are asked to once more when the model is final.
    """
    persistor_args: Json = {"model": {"path": model_path, "args": model_args}}
    if checkpoint:
        persistor_args["source_ckpt_file_full_name"] = checkpoint
    return {
        "format_version": 2,
        "server": {"heart_beat_timeout": federation.heart_beat_timeout},
        "task_data_filters": [],
        "task_result_filters": [],
        "components": [
            {"id": "persistor", "path": f"custom_persistor.{persistor}", "args": persistor_args},
            {
                "id": "aggregator",
                "path": "nvflare.app_common.aggregators.intime_accumulate_model_aggregator.InTimeAccumulateWeightedAggregator",
                "args": {"expected_data_kind": "WEIGHTS"},
            },
            {
                "id": "shareable_generator",
                "path": "nvflare.app_common.shareablegenerators.full_model_shareable_generator.FullModelShareableGenerator",
                "args": {},
            },
            {"id": "reporter", "path": "custom_persistor.ResonReporter", "args": {}},
            {"id": "control", "path": "custom_persistor.ResonControl", "args": {}},
        ],
        "workflows": [
            {
                "id": ROUNDS_ID,
                "path": ROUNDS_PATH,
                "args": {
                    "min_clients": federation.min_clients,
                    "num_rounds": federation.num_rounds,
                    "start_round": 0,
                    "wait_time_after_min_received": federation.wait_time_after_min_received,
                    "train_task_name": "train",
                    "train_timeout": 0,
                    "aggregator_id": "aggregator",
                    "persistor_id": "persistor",
                    "shareable_generator_id": "shareable_generator",
                },
            },
            *([_FINAL_VALIDATION] if validates else []),
        ],
    }


def read_client(client: Json) -> tuple[TrainingConfig, ModelConfig]:
    """Returns what `client_config` was given. Raises `ConfigError` if this version cannot take it."""
    args = executor_args(client)
    training = TrainingConfig(**{name: value for name, value in args.items() if name not in _STRUCTURE})
    return training, ModelConfig(model_class=args["model_class"], model_args=args["model_args"])


def read_server(server: Json) -> Json:
    """Returns the fields of a federation config that `server_config` wrote."""
    rounds = rounds_of(server)
    return {name: rounds[name] for name in _ROUNDS} | {"heart_beat_timeout": server["server"]["heart_beat_timeout"]}


def changed_client(client: Json, training: TrainingConfig, model: ModelConfig) -> Json:
    """Returns config_fed_client.json with other configs in it; all else, which belongs to the shipped code, stays."""
    changed = copy.deepcopy(client)
    args = executor_args(changed)
    for name in args.keys() - set(_STRUCTURE):
        del args[name]
    args |= {**training.as_arguments(), "model_class": model.model_class, "model_args": model.model_args}
    return changed


def changed_server(server: Json, federation: FederationConfig, model: ModelConfig) -> Json:
    """Returns config_fed_server.json with other configs in it; all else stays."""
    changed = copy.deepcopy(server)
    changed["server"]["heart_beat_timeout"] = federation.heart_beat_timeout
    rounds_of(changed).update({name: getattr(federation, name) for name in _ROUNDS})
    persistor = next(component for component in changed["components"] if component["id"] == "persistor")
    path = model.model_class if "." in model.model_class else f"model_def.{model.model_class}"
    persistor["args"]["model"] = {"path": path, "args": model.model_args}
    return changed


def rounds_of(server: Json) -> Json:
    """Returns the arguments of the rounds' workflow in config_fed_server.json."""
    args: Json = rounds_workflow(server)["args"]
    return args


def rounds_workflow(server: Json) -> Json:
    """Returns the workflow that trains in config_fed_server.json."""
    workflow: Json = next(workflow for workflow in server["workflows"] if workflow["id"] == ROUNDS_ID)
    return workflow


def executor_args(client: Json) -> Json:
    """Returns the arguments of the executor that trains in config_fed_client.json."""
    args: Json = next(entry["executor"]["args"] for entry in client["executors"] if "train" in entry["tasks"])
    return args


def has_callbacks(client: Json) -> bool:
    """Whether callbacks of Scaleout train, by config_fed_client.json."""
    return bool(executor_args(client)["model_class"] == SEED_MODEL)


def meta(name: str, federation: FederationConfig) -> Json:
    """Returns meta.json; the job is called as the federation config says, else as the run."""
    job_name = federation.job_name or name
    return {"name": job_name, "resource_spec": {}, "deploy_map": {"app": ["@ALL"]}, "min_clients": federation.min_clients}
