"""The executor's rules, one task at a time, in this process."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from nvflare.apis.dxo import MetaKey, from_shareable
from nvflare.apis.shareable import ReturnCode, Shareable

from reson_jupyter.worker.executor import GenericClientExecutor, call, takes_payload

from .loopback import Server


class Net(torch.nn.Module):
    """A weight, a bfloat16 weight and an integer buffer."""

    def __init__(self, size: int = 2) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(size))
        self.low = torch.nn.Parameter(torch.ones(2, dtype=torch.bfloat16))
        self.register_buffer("count", torch.tensor(3))


WEIGHTS = {"weight": np.array([1.0, 2.0], "float32"), "low": np.array([0.5, 1.5], "float32"), "count": np.float64(6.7)}
WEIGHTS["weight"].setflags(write=False)  # as NVFlare hands them over


@pytest.fixture
def task(server: Server, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Shareable]:
    """Runs one task with a module that has these functions."""

    def run(
        weights: dict[str, Any] = WEIGHTS, name: str = "train", args: dict[str, Any] | None = None, **functions: Any
    ) -> Shareable:
        module = ModuleType("some_model_def")
        module.Net = Net  # type: ignore[attr-defined]
        for function_name, function in functions.items():
            setattr(module, function_name, function)
        monkeypatch.setitem(sys.modules, "some_model_def", module)
        validate = "fl_validate" if "fl_validate" in functions else ""
        executor = GenericClientExecutor(adapter_module="some_model_def", validate_fn=validate, **(args or {}))
        return server.execute(executor, weights, task=name)

    return run


def good(model: Any, env: Any, out_dir: str, logger: Any = None) -> dict[str, Any]:
    return {"weights": model.state_dict(), "samples": 4}


def returning(change: Callable[[dict[str, Any]], Any]) -> Callable[..., Any]:
    """A train function whose good result is changed."""

    def fl_train(model: Any, env: Any, out_dir: str, logger: Any = None) -> Any:
        result = {"weights": dict(model.state_dict()), "samples": 4}
        changed = change(result)
        return result if changed is None else changed

    return fl_train


def test_weights_arrive_in_the_models_dtypes_and_leave_as_floats(task: Any) -> None:
    seen: dict[str, torch.Tensor] = {}

    def fl_train(model: Any, env: Any, out_dir: str, logger: Any = None) -> dict[str, Any]:
        seen.update({key: value.clone() for key, value in model.state_dict().items()})
        return {"weights": model.state_dict(), "samples": 4}

    reply = task(fl_train=fl_train)
    assert {key: value.dtype for key, value in seen.items()} == {
        "weight": torch.float32,
        "low": torch.bfloat16,
        "count": torch.int64,
    }
    assert seen["count"].item() == 7
    data = from_shareable(reply).data
    assert {key: str(value.dtype) for key, value in data.items()} == {"weight": "float32", "low": "float32", "count": "int64"}
    assert from_shareable(reply).get_meta_prop(MetaKey.NUM_STEPS_CURRENT_ROUND) == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda result: result["weights"].pop("low"), "missing ['low']"),
        (lambda result: result["weights"].update(more=torch.ones(1)), "unexpected ['more']"),
        (lambda result: result["weights"].update(weight=torch.ones(3)), "weight has the shape [3], the model's has [2]"),
        (
            lambda result: result["weights"].update(weight=torch.tensor([1.0, float("nan")])),
            "the weights of weight are not finite",
        ),
        (lambda result: result["weights"].update(low=torch.tensor([1.0, float("inf")])), "the weights of low are not finite"),
        (lambda result: result.update(weights={}), "returned no weights"),
        (lambda result: {"samples": 4}, "returned no weights"),
        (lambda result: {}, "returned no weights"),
        (lambda result: result["weights"].update(count=torch.tensor(2**60)), "count has integers beyond 2**53"),
        (lambda result: result["weights"].update(count=torch.tensor(-(2**63))), "count has integers beyond 2**53"),
        (lambda result: result["weights"].update(count=np.uint64(2**63 + 5)), "count has integers beyond 2**53"),
        (lambda result: result.update(samples=0), "samples=0"),
        (lambda result: result.update(samples=-1), "samples=-1"),
        (lambda result: result.update(samples=float("nan")), "samples=nan"),
        (lambda result: result.update(samples=True), "samples=True"),
        (lambda result: {"weights": result["weights"]}, "samples=None"),
        (lambda result: [1], "returned a list; it must return a dict"),
    ],
)
def test_a_bad_result_is_an_error_that_names_site_round_and_key(task: Any, server: Server, change: Any, message: str) -> None:
    def unchanged(result: dict[str, Any]) -> Any:
        value = change(result)
        return value if isinstance(value, (dict, list)) else None

    reply = task(fl_train=returning(unchanged))
    assert reply.get_return_code() == ReturnCode.EXECUTION_EXCEPTION
    (error,) = server.of("error")
    assert error["site"] == "site-1"
    assert error["round"] == 0
    assert "site-1, round 1: fl_train()" in error["data"]["message"]
    assert message in error["data"]["message"]


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({key: value for key, value in WEIGHTS.items() if key != "low"}, "site-1, round 1: the global model: keys do not fit"),
        (WEIGHTS | {"more": np.zeros(1)}, "unexpected ['more']"),
        (WEIGHTS | {"weight": np.zeros(5)}, "weight has the shape [5]"),
    ],
)
def test_a_global_model_that_does_not_fit_is_an_error(task: Any, server: Server, weights: dict[str, Any], message: str) -> None:
    assert task(weights, fl_train=good).get_return_code() == ReturnCode.EXECUTION_EXCEPTION
    assert message in server.of("error")[0]["data"]["message"]


def test_an_exception_is_told_with_its_traceback_and_answered(task: Any, server: Server) -> None:
    def fl_train(model: Any, env: Any, out_dir: str, logger: Any = None) -> dict[str, Any]:
        raise ValueError("no data here\nsecond line")

    assert task(fl_train=fl_train).get_return_code() == ReturnCode.EXECUTION_EXCEPTION
    (error,) = server.of("error")
    assert error["data"]["message"] == "ValueError: no data here"
    assert 'raise ValueError("no data here' in error["data"]["traceback"]
    assert [event["data"]["phase"] for event in server.of("site")] == ["training"]


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise ValueError("not even that")


@pytest.mark.parametrize(
    ("exception", "message"),
    [
        (SystemExit(3), "SystemExit: 3"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (asyncio.CancelledError(), "CancelledError"),
        (Unspeakable(), "Unspeakable"),
    ],
)
def test_whatever_a_function_raises_is_told_with_its_line_and_does_not_end_the_process(
    task: Any, server: Server, exception: BaseException, message: str
) -> None:
    def fl_train(model: Any, env: Any, out_dir: str, logger: Any = None) -> dict[str, Any]:
        raise exception

    assert task(fl_train=fl_train).get_return_code() == ReturnCode.EXECUTION_EXCEPTION
    (error,) = server.of("error")
    assert error["data"]["message"] == message
    assert "in fl_train\n    raise exception" in error["data"]["traceback"]


def test_a_missing_function_is_named(task: Any, server: Server) -> None:
    assert task().get_return_code() == ReturnCode.EXECUTION_EXCEPTION
    assert "some_model_def.py does not define the function fl_train()" in server.of("error")[0]["data"]["message"]


def test_a_task_of_another_name_is_an_error_and_not_the_end_of_the_run(task: Any) -> None:
    assert task(name="submit_model", fl_train=good).get_return_code() == ReturnCode.EXECUTION_EXCEPTION


def test_weights_may_be_left_in_the_output_folder(task: Any) -> None:
    def fl_train(model: Any, env: Any, out_dir: str, logger: Any = None) -> dict[str, Any]:
        torch.save({key: value + 1 for key, value in model.state_dict().items()}, f"{out_dir}/state_dict.pt")
        return {"num_samples": 2.5}

    reply = from_shareable(task(fl_train=fl_train))
    assert reply.data["weight"].tolist() == [2.0, 3.0]
    assert reply.get_meta_prop(MetaKey.NUM_STEPS_CURRENT_ROUND) == 2.5


def test_validation_sees_the_incoming_model_and_leaves_no_trace_in_the_trained_one(task: Any) -> None:
    seen = []

    def fl_validate(model: Any, env: Any, out_dir: str, logger: Any = None) -> dict[str, Any]:
        seen.append(model.weight.tolist())
        model.weight.data.zero_()
        model.weight.requires_grad_(False)
        return {}

    def fl_train(model: Any, env: Any, out_dir: str, logger: Any = None) -> dict[str, Any]:
        seen.append((model.weight.tolist(), model.weight.requires_grad))
        return good(model, env, out_dir)

    assert task(fl_train=fl_train, fl_validate=fl_validate).get_return_code() == ReturnCode.OK
    assert seen == [[1.0, 2.0], ([1.0, 2.0], True)]


def test_the_final_model_is_validated_and_not_trained(task: Any, server: Server) -> None:
    def fl_validate(model: Any, env: Any, out_dir: str, logger: Any = None) -> dict[str, Any]:
        return {"val_loss": model.weight.sum(), "samples": 3, "note": "none"}

    reply = task(name="validate", fl_validate=fl_validate)
    metrics = from_shareable(reply).data
    assert metrics == {"val_loss": 3.0}
    assert type(metrics["val_loss"]) is float
    assert [event["data"]["phase"] for event in server.of("site")] == ["validating", "returned"]
    assert [event["data"]["values"] for event in server.of("metrics")] == [{"val_loss": 3.0}]


def test_the_data_root_is_the_sites_own_folder_where_there_is_one(
    task: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def fl_train(model: Any, env: Any, out_dir: str, logger: Any = None) -> dict[str, Any]:
        seen.append(env["DATA_ROOT"])
        return good(model, env, out_dir)

    task(fl_train=fl_train, args={"data_root": "/somewhere"})
    monkeypatch.setenv("RESON_DATA_ROOT", str(tmp_path))
    task(fl_train=fl_train)
    (tmp_path / "site-1").mkdir()
    task(fl_train=fl_train)
    assert seen == ["/somewhere", str(tmp_path), str(tmp_path / "site-1")]


def test_hyperparameters_reach_env_but_cannot_replace_the_runs_own_entries(task: Any) -> None:
    seen: dict[str, Any] = {}

    def fl_train(model: Any, env: Any, out_dir: str, logger: Any = None) -> dict[str, Any]:
        seen.update(env)
        return good(model, env, out_dir)

    task(
        fl_train=fl_train, args={"local_epochs": 3, "batch_size": 5, "learning_rate": 0.1, "momentum": 0.9, "SITE_NAME": "other"}
    )
    assert (seen["EPOCHS"], seen["BATCH_SIZE"], seen["LR"], seen["momentum"]) == (3, 5, 0.1, 0.9)
    assert (seen["SITE_NAME"], seen["CURRENT_ROUND"], seen["NUM_ROUNDS"], seen["JOB_ID"]) == ("site-1", 0, 2, "job")


# Stopping


def test_a_stopped_run_is_answered_with_aborted_even_through_a_broad_except(task: Any, server: Server) -> None:
    def fl_train(model: Any, env: Any, out_dir: str, logger: Any = None) -> dict[str, Any]:
        server.abort_signal.trigger(True)
        try:
            logger.check_task_abort()
        except Exception:
            logger.info("swallowed")
        return good(model, env, out_dir)

    assert task(fl_train=fl_train).get_return_code() == ReturnCode.TASK_ABORTED
    assert [event["data"]["phase"] for event in server.of("site")] == ["training", "aborted"]
    assert server.of("log") == []
    assert server.of("error") == []


def test_a_function_that_never_looks_is_answered_with_aborted_when_it_is_done(task: Any, server: Server) -> None:
    def fl_train(model: Any, env: Any, out_dir: str, logger: Any = None) -> dict[str, Any]:
        server.abort_signal.trigger(True)
        return good(model, env, out_dir)

    assert task(fl_train=fl_train).get_return_code() == ReturnCode.TASK_ABORTED


def test_a_task_after_the_stop_does_not_start(task: Any, server: Server) -> None:
    server.abort_signal.trigger(True)
    assert task(fl_train=good).get_return_code() == ReturnCode.TASK_ABORTED
    assert [event["data"]["phase"] for event in server.of("site")] == ["aborted"]


# Contracts


@pytest.mark.parametrize(
    ("function", "payload"),
    [
        (lambda payload: 0, True),
        (lambda payload, out_dir, logger=None: 0, True),
        (lambda payload, logger: 0, True),
        (lambda payload, *, out_dir, logger: 0, True),
        (lambda payload, **rest: 0, True),
        (lambda p: 0, True),
        (lambda model, env, out_dir, logger: 0, False),
        (lambda model, env, out_dir, logger=None: 0, False),
        (lambda net, settings, folder, *, logger: 0, False),
        (lambda model, env, out_dir, **rest: 0, False),
    ],
)
def test_the_contract_is_told_by_the_signature(function: Any, payload: bool) -> None:
    assert takes_payload(function) is payload


def test_a_function_gets_what_its_signature_asks_for() -> None:
    offered = {"out_dir": "folder", "logger": "log"}
    assert call(lambda payload: payload, 1, **offered) == 1
    assert call(lambda payload, logger: (payload, logger), 1, **offered) == (1, "log")
    assert call(lambda payload, **rest: rest, 1, **offered) == offered


# Servers that do not listen


def test_a_server_without_our_reporter_does_not_hold_the_site_up(
    task: Any, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.topics.clear()
    sent: list[Any] = []
    send = server.send_aux_request
    monkeypatch.setattr(server, "send_aux_request", lambda *args, **more: (sent.append(args[2]["batch"]), send(*args, **more))[1])
    reply = task(fl_train=good)
    assert reply.get_return_code() == ReturnCode.OK
    assert sent == list(range(reply.get_header("reson.report")["batches"])), "each once: that nobody listens is an answer"


def test_a_server_that_never_answers_loses_the_report_and_not_the_training(task: Any, server: Server) -> None:
    server.answer = ReturnCode.TIMEOUT
    reply = task(fl_train=good)
    assert reply.get_return_code() == ReturnCode.OK
    # One as the task comes, one as the function is entered, one with what it said: each is waited for, none arrives.
    assert reply.get_header("reson.report")["batches"] == 3
