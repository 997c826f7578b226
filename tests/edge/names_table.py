"""What the documents of Scaleout Edge 1.0 name, one by one: where it is here and which test shows it, or why it is not here.

The first is the reference of the Python client, the second the guide to a project.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Name:
    """A name that is here.

    Attributes:
        name: As the documents have it.
        shown_by: The test, below tests/.
        found_at: "module:attribute", as users import it; "" for what is no object of Python.
    """

    name: str
    shown_by: str
    found_at: str = ""


_CLIENT = "scaleout:EdgeClient"
_MODEL = "scaleout:ScaleoutModel"
_MESSAGES = "scaleoututil.grpc.scaleout_pb2"
_SAME = "edge/test_edge_client_differential.py::test_a_callback_sees_logs_and_sends_what_it_does_with_scaleout"
_SITE = "edge/test_site.py"
_PREDICTION = f"{_SITE}::test_a_prediction_that_the_code_asks_for_is_a_line"
_SENT = f"{_SITE}::test_a_model_that_is_sent_stays_at_the_site_and_says_so"
_MEMBERS = "edge/test_names.py::test_every_member_of_1_0_is_called_as_there_or_listed_with_the_reason"
_CONSTRUCTOR = "edge/test_client.py::test_callbacks_are_taken_by_the_constructor_or_one_by_one"
_OUTCOMES = "edge/test_client.py::test_a_servers_answer_has_its_outcome"
_GUIDE = "edge/test_project.py::test_the_guides_project_is_an_importer_with_build_startup_and_environment"
_IMPORTS = "edge/test_names.py::test_the_imports_of_the_guides_project_work"

_REFERENCE = [
    Name("class EdgeClient", _IMPORTS, _CLIENT),
    Name("EdgeClient(train_callback, validate_callback, predict_callback)", _CONSTRUCTOR, f"{_CLIENT}.__init__"),
    Name("EdgeClient.check_task_abort", _SAME, f"{_CLIENT}.check_task_abort"),
    Name(
        "check_task_abort does nothing in a thread that does not run the task",
        "edge/test_client.py::test_only_the_thread_of_the_task_is_stopped",
    ),
    Name("StoppedException", _SAME, "scaleout.client.task_receiver:StoppedException"),
    Name("EdgeClient.connect_to_api", "edge/test_client.py::test_a_client_of_a_run_is_connected", f"{_CLIENT}.connect_to_api"),
    Name(
        "connect_to_api(token_refresh_callback)",
        "edge/test_client.py::test_new_tokens_are_handed_over_with_the_time_that_they_last",
    ),
    *(
        Name(f"ConnectToApiResult.{outcome}", _OUTCOMES, f"scaleout.client.edge_client:ConnectToApiResult.{outcome}")
        for outcome in ("Assigned", "ComputePackageMissing", "UnAuthorized", "UnMatchedConfig", "IncorrectUrl", "UnknownError")
    ),
    Name("EdgeClient.current_logging_context", _SAME, f"{_CLIENT}.current_logging_context"),
    Name("LoggingContext", _SAME, "scaleout.client.logging_context:LoggingContext"),
    Name(
        "EdgeClient.get_model_from_combiner(model_id)",
        f"{_SITE}::test_the_global_model_is_had_by_its_id_as_a_copy",
        f"{_CLIENT}.get_model_from_combiner",
    ),
    Name(
        "EdgeClient.init_grpchandler",
        "edge/test_client.py::test_what_needs_a_run_says_so_and_what_to_write",
        f"{_CLIENT}.init_grpchandler",
    ),
    Name("GrpcConnectionOptions", _OUTCOMES, "scaleout.client.grpc_handler:GrpcConnectionOptions"),
    Name(
        "EdgeClient.log_attributes(attributes, check_task_abort)",
        "edge/test_client.py::test_attributes_are_logged_as_they_are_and_stop_an_aborted_task",
        f"{_CLIENT}.log_attributes",
    ),
    Name("EdgeClient.log_metric(metrics, step, commit, check_task_abort, context)", _SAME, f"{_CLIENT}.log_metric"),
    Name(
        "EdgeClient.log_telemetry(telemetry, check_task_abort)",
        "edge/test_client.py::test_telemetry_is_metrics_without_a_step_in_the_form_of_either_release",
        f"{_CLIENT}.log_telemetry",
    ),
    Name("EdgeClient.predict_global_model(request)", _PREDICTION, f"{_CLIENT}.predict_global_model"),
    Name("TaskRequest", _PREDICTION, f"{_MESSAGES}:TaskRequest"),
    Name("EdgeClient.send_model_to_combiner(model)", _SENT, f"{_CLIENT}.send_model_to_combiner"),
    Name("ModelResponse", _SENT, f"{_MESSAGES}:ModelResponse"),
    Name(
        "EdgeClient.send_status(msg, log_level, type)",
        "edge/test_client.py::test_a_status_is_a_line_of_its_level",
        f"{_CLIENT}.send_status",
    ),
    Name("LogLevel.INFO", _MEMBERS, f"{_MESSAGES}:LogLevel.INFO"),
    Name(
        "EdgeClient.set_custom_callback(callback_name, callback)",
        f"{_SITE}::test_commands_go_by_their_plain_names",
        f"{_CLIENT}.set_custom_callback",
    ),
    Name("class ScaleoutModel", _IMPORTS, _MODEL),
    Name(
        "ScaleoutModel's data object, a SpooledTemporaryFile",
        "edge/test_model.py::test_a_model_too_big_for_memory_is_kept_in_a_temporary_file",
    ),
    Name(
        "ScaleoutModel.from_file",
        "edge/test_model.py::test_a_model_of_a_file_has_the_files_bytes_and_is_independent_of_it",
        f"{_MODEL}.from_file",
    ),
    Name(
        "ScaleoutModel.from_filechunk_stream",
        "edge/test_model.py::test_pieces_of_any_size_make_the_same_model",
        f"{_MODEL}.from_filechunk_stream",
    ),
    Name("FileChunk", "edge/test_model.py::test_the_pieces_are_those_that_scaleout_makes", f"{_MESSAGES}:FileChunk"),
    Name(
        "ScaleoutModel.from_model_params(model_params, helper)",
        "edge/test_model.py::test_parameters_go_into_a_model_and_out_again",
        f"{_MODEL}.from_model_params",
    ),
    Name(
        "ScaleoutModel.from_stream",
        "edge/test_model.py::test_a_stream_is_read_from_where_it_stands",
        f"{_MODEL}.from_stream",
    ),
    Name(
        "ScaleoutModel.get_filechunk_stream(chunk_size=1048576)",
        "edge/test_model.py::test_pieces_have_a_mebibyte_unless_told_otherwise",
        f"{_MODEL}.get_filechunk_stream",
    ),
    Name(
        "ScaleoutModel.get_stream, a new one each time",
        "edge/test_model.py::test_every_stream_is_new_and_stands_at_its_start",
        f"{_MODEL}.get_stream",
    ),
]

_THE_GUIDE = [
    Name(
        "client/, the folder of a project",
        "edge/test_project.py::test_the_folder_around_client_and_the_project_file_name_the_project_as_well",
    ),
    Name("scaleout.yaml", _GUIDE),
    Name(
        "python_env",
        "edge/test_project.py::test_the_sites_need_the_dependencies_but_nothing_of_scaleouts_nor_what_builds",
    ),
    Name("python_env is left out", "edge/test_project.py::test_without_python_env_the_environment_is_left_to_the_sites"),
    Name("entry_points", _GUIDE),
    Name("python_env.yaml", _GUIDE),
    Name("build.py", "edge/test_project_refusals.py::test_a_build_script_without_build_is_refused"),
    Name("startup.py", "edge/test_startup_of.py::test_startup_registers_callbacks_that_find_their_neighbours_and_their_folder"),
    Name(".scaleoutignore", "edge/test_project_ignore.py::test_a_line_means_what_it_means_in_a_gitignore"),
    Name('get_helper("numpyhelper")', _IMPORTS, "scaleoututil.helpers.helpers:get_helper"),
    Name(
        "helper.save, seed.npz",
        "edge/test_helpers.py::test_the_files_keys_are_numbers_from_zero",
        "scaleoututil.helpers.plugins.numpyhelper:Helper.save",
    ),
    Name("startup(client)", "capture/test_startup_capture.py::test_the_guides_client_ships_as_it_is_written"),
    Name("set_train_callback", _CONSTRUCTOR, f"{_CLIENT}.set_train_callback"),
    Name("set_validate_callback", _CONSTRUCTOR, f"{_CLIENT}.set_validate_callback"),
    Name("a callback for prediction", _CONSTRUCTOR, f"{_CLIENT}.set_predict_callback"),
    Name(
        "model.get_model_params(helper)",
        "edge/test_model.py::test_parameters_go_into_a_model_and_out_again",
        f"{_MODEL}.get_model_params",
    ),
    Name("log_metric(key, value)", "edge/test_client.py::test_a_metric_may_be_a_name_and_a_number_as_the_guide_writes_it"),
    Name("startup is invoked after the client starts", f"{_SITE}::test_startup_runs_once_and_not_before_the_first_task"),
    Name("train(model, settings)", f"{_SITE}::test_train_gets_the_global_model_and_the_settings"),
    Name("train returns a model and metadata", f"{_SITE}::test_the_numbers_of_the_metadata_are_metrics"),
    Name("validate(model) returns metrics", f"{_SITE}::test_validate_gets_the_global_model_and_its_dict_is_returned"),
    Name("what is no scalar in a validation is kept", f"{_SITE}::test_what_is_no_number_in_a_validation_is_a_line"),
    Name("my_command(command_params)", f"{_SITE}::test_a_command_gets_its_params_and_an_empty_dict_if_there_are_none"),
    Name("check_task_abort stops a session", f"{_SITE}::test_an_aborted_task_is_an_abort_however_its_callback_ends"),
    Name(
        "a validation after each new global model",
        "worker/test_edge_executor.py::test_the_incoming_model_is_validated_before_it_is_trained",
    ),
    Name("build(), SCALEOUT_BUILD_OUTPUT_DIR", "edge/test_seed.py::test_the_guides_build_writes_the_seed_with_scaleouts_helper"),
    Name(
        "scaleout run build -p client",
        "edge/test_project_init.py::test_scaleouts_own_build_command_makes_the_seed_of_a_written_folder",
    ),
    Name("scaleout package create, .tgz", "edge/test_package.py::test_scaleouts_own_package_holds_the_same_files"),
    Name(
        "training_metadata, num_examples",
        "edge/test_edge_client_differential.py::test_the_number_of_examples_is_demanded_as_scaleout_1_1_demands_it",
    ),
    Name("--local-package", "edge/test_projects_run.py::test_a_local_package_runs_in_its_own_folder_and_once_more"),
    Name(
        "--dispatcher: commands for train and validate", "edge/test_projects_run.py::test_a_legacy_project_trains_by_its_commands"
    ),
    Name("--dispatcher: models in temporary files", "edge/test_dispatcher.py::test_no_file_of_a_task_is_left"),
    Name(
        "exceptions in callbacks are reported",
        "worker/test_edge_executor.py::test_an_exception_in_any_callback_is_a_failure_with_the_users_line",
    ),
    Name("a session that is stopped from the server", "edge/test_projects_run.py::test_an_abort_ends_the_commands_of_all_sites"),
    Name("an example project with PyTorch", "edge/test_projects_run.py::test_a_torch_project_trains_predicts_and_answers"),
]

NAMES = [*_REFERENCE, *_THE_GUIDE]

# Named in the documents and not here.
LISTED = {
    "TokenManager": "behind connect_to_api, which takes a refresh token without it; NVFlare knows a site by its certificate",
    "clients in C++ and Kotlin": "announced by the documents, not described; androidhelper belongs to them",
    "scaleout run install -p client": "installs on one machine; what the sites need is in a job's requirements.txt",
    "--managed-env, virtual environments": "a site's environment is its own; python_env.yaml becomes the job's requirements.txt",
    "scaleout client start --api-url": "starts a client of Scaleout's server; NVFlare starts a site",
    "controller, combiner, ClientManager, polling by unary RPC": "parts of Scaleout's server; NVFlare's server does their work",
    "the web interface, the backend's database": "metrics are in the live view, answers come back to who called the command",
    "README.rst": "beside the folder of a project, and no part of it",
}

# Of 1.0, in no document, and not here.
UNDOCUMENTED = {
    "EdgeClient.update_local_model": "Scaleout calls it for a training request; a run here calls the train callback itself",
    "EdgeClient.validate_global_model": "Scaleout calls it for a validation request; a run here calls the callback itself",
    "EdgeClient.default_telemetry_loop": "a loop of Scaleout's own; every run here measures memory and CPU of its sites",
    "ScaleoutModel.get_stream_unsafe": "the model's own file, which a caller could change under other threads; get_stream copies",
}

# What 1.1 put in the place of documented names.
REPLACEMENTS = (
    ("EdgeClient", "set_inference_callback"),
    ("EdgeClient", "run_inference"),
    ("EdgeClient", "stage_model"),
    ("EdgeClient", "log_inference_result"),
    ("ScaleoutModel", "from_training_model"),
    ("ScaleoutModel", "get_training_model"),
    ("ScaleoutModel", "get_training_model_stream"),
    ("ScaleoutModel", "get_file_stream"),
)
