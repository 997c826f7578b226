"""The three config files of a job, in the schema that the ResonTech platform and NVFlare 2.7 to 2.9 read alike.

Executor + ScatterAndGather, by config: that form runs unchanged on all of those versions; exported recipes do not.
"""

from __future__ import annotations

from typing import Any

from ..config import FederationConfig, TrainingConfig

Json = dict[str, Any]

# Where the platform unpacks a site's shard; elsewhere the environment variable RESON_DATA_ROOT says where it is.
DATA_ROOT = "/app/payload"
_RESULT_TIMEOUT = 300.0


def client_config(
    *,
    executor: str,
    model_class: str,
    model_args: Json,
    train_fn: str,
    validate_fn: str,
    training: TrainingConfig,
) -> Json:
    """Returns config_fed_client.json; `executor` is a class name in custom_client_executor.py."""
    args: Json = {
        "data_root": DATA_ROOT,
        "adapter_module": "model_def",
        "model_class": model_class,
        "model_args": model_args,
        "train_fn": train_fn,
        "validate_fn": validate_fn,
        **training.model_dump(),
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
            }
        ],
    }


def server_config(
    *, persistor: str, model_path: str, model_args: Json, federation: FederationConfig, checkpoint: str | None
) -> Json:
    """Returns config_fed_server.json; `persistor` is a class name in custom_persistor.py, `model_path` a dotted class path."""
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
        ],
        "workflows": [
            {
                "id": "scatter_and_gather",
                "path": "nvflare.app_common.workflows.scatter_and_gather.ScatterAndGather",
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
            }
        ],
    }


def meta(name: str, federation: FederationConfig) -> Json:
    """Returns meta.json."""
    return {"name": name, "resource_spec": {}, "deploy_map": {"app": ["@ALL"]}, "min_clients": federation.min_clients}
