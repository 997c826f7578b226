"""The executor of Scaleout's callbacks, one task at a time, with the site's agent and messenger, in this process."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from nvflare.apis.dxo import MetaKey, from_shareable
from nvflare.apis.event_type import EventType
from nvflare.apis.fl_constant import FLContextKey
from nvflare.apis.shareable import ReturnCode, Shareable, make_reply

import reson_jupyter.edge.travel
from reson_jupyter.edge.travel import EdgeClient, ScaleoutModel, get_helper
from reson_jupyter.edge.travel import site as site_module
from reson_jupyter.edge.travel import weights as weights_module
from reson_jupyter.worker.edge_executor import EdgeExecutor

from .loopback import Server
from .requests import answers, put

NUMPY = get_helper("numpyhelper")
WEIGHTS = {"0": np.array([1.0, 2.0], "float32"), "1": np.float64(6.7)}
PARAMETERS = {"0": {"shape": [2], "dtype": "float32"}, "1": {"shape": [], "dtype": "int64"}}
EXAMPLES = {"training_metadata": {"num_examples": 4, "loss": 0.5}}
Startup = Callable[[EdgeClient], Any]


@pytest.fixture
def executor(monkeypatch: pytest.MonkeyPatch) -> Callable[[Startup], EdgeExecutor]:
    """Makes the executor of a site whose model_def.py has this startup."""
    modules = {"": reson_jupyter.edge.travel, ".site": site_module, ".weights": weights_module}
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, f"reson_edge{name}", module)
    monkeypatch.setenv("RESON_DATA_ROOT", "")

    def make(startup: Startup) -> EdgeExecutor:
        module = ModuleType("some_model_def")
        module.startup = startup  # type: ignore[attr-defined]
        module.reson_commands = site_module.commands  # type: ignore[attr-defined]
        module.a_long_name = lambda params: "the notebook's"  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "some_model_def", module)
        return EdgeExecutor(
            data_root="/somewhere",
            adapter_module="some_model_def",
            model_class="reson_edge.weights.SeedModel",
            model_args={"helper": "numpyhelper", "parameters": PARAMETERS},
            train_fn="startup",
            validate_fn="startup",
            learning_rate=0.5,
        )

    return make


@pytest.fixture
def task(executor: Any, server: Server) -> Callable[..., Shareable]:
    """Runs one task at a site whose startup registers these callbacks."""

    def run(train: Any = None, validate: Any = None, name: str = "train", round_: int = 0) -> Shareable:
        def startup(client: EdgeClient) -> None:
            client.set_train_callback(lambda model, settings: train(client, model, settings))
            client.set_validate_callback(validate and (lambda model: validate(client, model)))

        return server.execute(executor(startup), WEIGHTS, round_, name)

    return run


def plus_one(client: EdgeClient, model: ScaleoutModel, settings: dict[str, Any]) -> Any:
    return ScaleoutModel.from_model_params([array + 1 for array in model.get_model_params(NUMPY)], NUMPY), EXAMPLES


def test_a_site_trains_the_global_model_with_its_callback(task: Any, server: Server) -> None:
    reply = from_shareable(task(plus_one))
    assert {key: (str(value.dtype), value.tolist()) for key, value in reply.data.items()} == {
        "0": ("float32", [2.0, 3.0]),
        "1": ("int64", 8),  # an averaged integer is rounded before
    }
    assert reply.get_meta_prop(MetaKey.NUM_STEPS_CURRENT_ROUND) == 4
    assert server.phases() == ["training", "returned"]
    assert [event["data"] for event in server.of("metrics")] == [{"step": None, "values": {"loss": 0.5}, "stage": "train"}]


def test_the_settings_are_what_other_user_functions_get_as_env(task: Any) -> None:
    seen: dict[str, Any] = {}

    def train(client: EdgeClient, model: ScaleoutModel, settings: dict[str, Any]) -> Any:
        seen.update(settings)
        return model, EXAMPLES

    task(train, round_=1)
    expected = {"learning_rate": 0.5, "LR": 0.5, "DATA_ROOT": "/somewhere", "SITE_NAME": "site-1", "CURRENT_ROUND": 1}
    assert seen.items() >= expected.items()
    assert (seen["NUM_ROUNDS"], seen["DEVICE"]) == (2, "cpu")


def test_the_incoming_model_is_validated_before_it_is_trained(task: Any, server: Server) -> None:
    seen = []

    def validate(client: EdgeClient, model: ScaleoutModel) -> Any:
        seen.append(model.get_model_params(NUMPY)[0].tolist())
        client.log_metric({"part": 1})
        return {"accuracy": 0.9, "note": "fine"}

    def train(client: EdgeClient, model: ScaleoutModel, settings: dict[str, Any]) -> Any:
        seen.append(model.get_model_params(NUMPY)[0].tolist())
        for number in range(2):
            client.log_metric({"iteration": number})
        return model, {"training_metadata": {"num_examples": 1}}

    assert task(train, validate).get_return_code() == ReturnCode.OK
    assert seen == [[1.0, 2.0], [1.0, 2.0]]
    assert server.phases() == ["validating", "training", "returned"]
    assert [(event["data"]["stage"], event["data"]["step"], event["data"]["values"]) for event in server.of("metrics")] == [
        ("validate", 0, {"part": 1.0}),
        ("validate", None, {"accuracy": 0.9}),
        ("train", 0, {"iteration": 0.0}),
        ("train", 1, {"iteration": 1.0}),
    ]


def test_the_final_model_is_validated(task: Any, server: Server) -> None:
    reply = task(validate=lambda client, model: {"accuracy": 0.9}, name="validate", round_=2)
    assert from_shareable(reply).data == {"accuracy": 0.9}
    assert server.phases() == ["validating", "returned"]


def test_a_site_without_a_validate_callback_does_not_pretend_to_have_validated(task: Any, server: Server) -> None:
    assert task(name="validate", round_=2).get_return_code() == ReturnCode.TASK_UNSUPPORTED
    assert (server.phases(), server.of("metrics"), server.of("error")) == ([], [], [])


@pytest.mark.parametrize(
    ("name", "told"), [("validate", []), ("train", ["site-1 answered TASK_UNSUPPORTED; its own log says why"])]
)
def test_to_have_nothing_to_validate_with_is_no_error_but_nothing_to_train_with_is(
    server: Server, name: str, told: list[str]
) -> None:
    props = {FLContextKey.TASK_NAME: name, FLContextKey.TASK_RESULT: make_reply(ReturnCode.TASK_UNSUPPORTED)}
    server.fire(EventType.BEFORE_PROCESS_SUBMISSION, peer="site-1", **props)
    assert [error["data"]["message"] for error in server.of("error")] == told


# Failures


@pytest.mark.parametrize("stage", ["startup", "train", "validate"])
def test_an_exception_in_any_callback_is_a_failure_with_the_users_line(executor: Any, server: Server, stage: str) -> None:
    def fails(*args: Any) -> Any:
        raise ValueError(f"no {stage}")

    def startup(client: EdgeClient) -> None:
        client.set_train_callback(fails if stage == "train" else lambda model, settings: (model, EXAMPLES))
        client.set_validate_callback(fails if stage == "validate" else None)
        if stage == "startup":
            fails()

    assert server.execute(executor(startup), WEIGHTS).get_return_code() == ReturnCode.EXECUTION_EXCEPTION
    (error,) = server.of("error")
    assert error["data"]["message"] == f"ValueError: no {stage}"
    assert 'raise ValueError(f"no {stage}")' in error["data"]["traceback"]
    assert "returned" not in server.phases()


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (lambda model: (model, {}), "ValueError: site-1, round 1: the train callback returned num_examples=None"),
        (
            lambda model: (ScaleoutModel.from_model_params([np.zeros(2, "float32")], NUMPY), EXAMPLES),
            "ValueError: site-1, round 1: the train callback: the returned weights: keys do not fit the model: missing ['1']",
        ),
        (
            lambda model: (ScaleoutModel.from_model_params([np.zeros(3, "float32"), np.int64(1)], NUMPY), EXAMPLES),
            "ValueError: site-1, round 1: the train callback: the returned weights: 0 has the shape [3], the model's has [2]",
        ),
        (
            lambda model: (ScaleoutModel.from_model_params([np.full(2, np.nan), np.int64(1)], NUMPY), EXAMPLES),
            "ValueError: site-1, round 1: the train callback: the weights of 0 are not finite",
        ),
    ],
)
def test_a_bad_result_is_an_error_that_names_site_round_and_key(task: Any, server: Server, returned: Any, message: str) -> None:
    assert task(lambda client, model, settings: returned(model)).get_return_code() == ReturnCode.EXECUTION_EXCEPTION
    assert server.of("error")[0]["data"]["message"].startswith(message)


def test_a_model_def_without_startup_is_told(executor: Any, server: Server) -> None:
    site = executor(lambda client: None)
    del sys.modules["some_model_def"].startup  # type: ignore[attr-defined]
    assert server.execute(site, WEIGHTS).get_return_code() == ReturnCode.EXECUTION_EXCEPTION
    assert "some_model_def.py does not define the function startup()" in server.of("error")[0]["data"]["message"]


# Aborts


def test_a_stopped_run_stops_the_callback_where_it_looks(task: Any, server: Server) -> None:
    reached = []

    def train(client: EdgeClient, model: ScaleoutModel, settings: dict[str, Any]) -> Any:
        client.log_metric({"before": 1})
        server.abort_signal.trigger(True)
        client.log_metric({"at": 2})
        reached.append("after")

    assert task(train).get_return_code() == ReturnCode.TASK_ABORTED
    assert reached == []
    assert [event["data"]["values"] for event in server.of("metrics")] == [{"before": 1.0}, {"at": 2.0}]
    assert (server.phases(), server.of("error")) == (["training", "aborted"], [])


def test_a_callback_that_swallowed_its_abort_is_aborted_after_it_returns(task: Any, server: Server) -> None:
    def train(client: EdgeClient, model: ScaleoutModel, settings: dict[str, Any]) -> Any:
        server.abort_signal.trigger(True)
        try:
            client.check_task_abort()
        except Exception:
            return model, EXAMPLES

    assert task(train).get_return_code() == ReturnCode.TASK_ABORTED
    assert (server.of("metrics"), server.of("error")) == ([], [])


def test_an_abort_in_a_validation_leaves_the_training_out(task: Any, server: Server) -> None:
    def validate(client: EdgeClient, model: ScaleoutModel) -> Any:
        server.abort_signal.trigger(True)
        client.check_task_abort()

    assert task(plus_one, validate).get_return_code() == ReturnCode.TASK_ABORTED
    assert server.phases() == ["validating", "aborted"]


def test_a_skipped_task_is_skipped(task: Any, server: Server) -> None:
    def train(client: EdgeClient, model: ScaleoutModel, settings: dict[str, Any]) -> Any:
        answers(server.events, put(server.run_dir, "skip"))
        client.check_task_abort()

    assert task(train).get_return_code() == ReturnCode.TASK_ABORTED
    assert server.phases() == ["training", "skipping", "skipped"]


# Commands


def command(server: Server, name: str, params: Any = None) -> dict[str, Any]:
    return answers(server.events, put(server.run_dir, "command", command=name, params=params))["site-1"]


def test_a_custom_callback_answers_a_command_before_and_during_a_task(executor: Any, server: Server) -> None:
    def startup(client: EdgeClient) -> None:
        client.set_custom_callback("my_command", lambda params: {"status": "done", "params": params})
        client.set_train_callback(lambda model, settings: (model, {"training_metadata": {"num_examples": during(client)}}))

    def during(client: EdgeClient) -> int:
        answered.append(command(server, "my_command", {"a": 2})["value"])
        return 1

    answered: list[Any] = []
    site = executor(startup)
    assert command(server, "my_command", {"a": 1})["value"] == {"status": "done", "params": {"a": 1}}
    assert server.execute(site, WEIGHTS).get_return_code() == ReturnCode.OK
    assert answered == [{"status": "done", "params": {"a": 2}}]


def test_the_predict_callback_answers_predict(executor: Any, server: Server) -> None:
    def startup(client: EdgeClient) -> None:
        client.set_train_callback(lambda model, settings: plus_one(client, model, settings))
        client.set_predict_callback(lambda model: model.get_model_params(NUMPY)[0])

    site = executor(startup)
    early = command(server, "predict")
    assert (early["ok"], "no global model has come to this site yet" in early["error"]) == (False, True)
    server.execute(site, WEIGHTS)
    assert command(server, "predict")["value"] == [1.0, 2.0]


def test_only_what_startup_and_the_notebook_registered_is_a_command(executor: Any, server: Server) -> None:
    executor(lambda client: [client.set_custom_callback(name, len) for name in ("b", "a")])
    for name in ("startup", "a_long_name", "c"):
        assert command(server, name)["error"] == f"there is no command {name!r}; there are: a, b, short"
    need = "there is no predict callback; startup(client) must call client.set_predict_callback(...)"
    assert command(server, "predict")["error"] == need
    assert command(server, "Custom_a", [1, 2])["value"] == 2, "as Scaleout's own code calls it"
    assert command(server, "short")["value"] == "the notebook's"


def test_an_exception_in_a_command_is_an_error_with_the_users_line(executor: Any, server: Server) -> None:
    def my_command(params: Any) -> Any:
        raise KeyError("nothing here")

    executor(lambda client: client.set_custom_callback("my_command", my_command))
    answer = command(server, "my_command")
    assert (answer["ok"], answer["value"], answer["error"]) == (False, None, "KeyError: 'nothing here'")
    assert 'raise KeyError("nothing here")' in answer["traceback"]


def test_a_command_logs_metrics_of_its_own_steps(executor: Any, server: Server) -> None:
    def startup(client: EdgeClient) -> None:
        client.set_train_callback(lambda model, settings: (model, EXAMPLES))
        client.set_custom_callback("f", lambda params: [client.log_metric({"n": number}) for number in range(2)])

    server.execute(executor(startup), WEIGHTS, round_=1)
    assert command(server, "f")["value"] == [True, True]
    logged = [event for event in server.of("metrics") if "n" in event["data"]["values"]]
    assert [(event["round"], event["data"]["step"]) for event in logged] == [(1, 0), (1, 1)]


def test_a_command_is_stopped_with_the_run(executor: Any, server: Server) -> None:
    began = threading.Event()

    def my_command(client: EdgeClient) -> None:
        began.set()
        while True:
            client.check_task_abort()

    executor(lambda client: client.set_custom_callback("f", lambda params: my_command(client)))
    request = put(server.run_dir, "command", command="f", params=None)
    assert began.wait(60)
    server.abort_signal.trigger(True)
    assert answers(server.events, request)["site-1"]["ok"] is False
