"""The client that a Scaleout user's code gets: what it does where the differential test with Scaleout's own cannot look."""

from __future__ import annotations

import base64
import json
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest
import torch

from reson_jupyter.edge.travel.client import EdgeClient, StoppedException
from reson_jupyter.edge.travel.connection import ConnectToApiResult, GrpcConnectionOptions, NotOnNVFlare
from reson_jupyter.edge.travel.messages import LogLevel
from reson_jupyter.edge.travel.site import Site

from .client_drivers import ENV, Logger


@pytest.fixture
def client(logger: Logger, monkeypatch: pytest.MonkeyPatch) -> EdgeClient:
    """A client of a run, between two tasks."""
    monkeypatch.setenv("RESON_DATA_ROOT", "")  # so that it is put back
    return Site(lambda: lambda client: None, "numpyhelper").started(ENV, logger)


@pytest.fixture
def task(client: EdgeClient, logger: Logger) -> Callable[[Callable[[], Any]], Any]:
    """Runs a function as a command of the client."""

    def run(function: Callable[[], Any]) -> Any:
        client.set_custom_callback("run", lambda params: function())
        assert isinstance(client._site, Site)
        return client._site.commands(ENV, logger)["run"](None)

    return run


# Callbacks


def test_callbacks_are_taken_by_the_constructor_or_one_by_one() -> None:
    assert (EdgeClient(min, max, sum).train_callback, EdgeClient(min, max, sum).validate_callback) == (min, max)
    client = EdgeClient(predict_callback=sum)
    client.set_train_callback(min)
    client.set_validate_callback(max)
    assert (client.train_callback, client.validate_callback, client.predict_callback) == (min, max, sum)
    client.set_predict_callback(None)
    client.set_inference_callback(pow)
    assert (client.predict_callback, client.inference_callback) == (None, pow)


@pytest.mark.parametrize("name", ["set_train_callback", "set_validate_callback", "set_predict_callback"])
def test_what_is_no_function_is_refused_where_it_is_registered(name: str) -> None:
    with pytest.raises(TypeError, match=r"a callback must be a function, not 'train'"):
        getattr(EdgeClient(), name)("train")


def test_a_custom_callback_needs_a_function() -> None:
    with pytest.raises(TypeError, match=r"the callback of 'c' is None"):
        EdgeClient().set_custom_callback("c", None)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"must be a function, not 3"):
        EdgeClient().set_custom_callback("c", 3)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["predict", "Custom_predict"])
def test_predict_is_no_name_for_a_custom_callback(name: str) -> None:
    with pytest.raises(ValueError, match=r"the command 'predict' runs the predict callback; use set_predict_callback"):
        EdgeClient().set_custom_callback(name, len)


# Metrics and the rest that is logged


def test_a_metric_may_be_a_name_and_a_number_as_the_guide_writes_it(client: EdgeClient, logger: Logger, task: Any) -> None:
    task(lambda: [client.log_metric("loss", 0.5), client.log_metric("loss", 0.25)])
    assert logger.metrics == [[{"loss": 0.5}, 0], [{"loss": 0.25}, 1]]


def test_metrics_may_be_numbers_of_numpy_and_torch(client: EdgeClient, logger: Logger, task: Any) -> None:
    values = {"a": np.float32(0.5), "b": torch.tensor(2.0, requires_grad=True), "c": np.array([3]), "d": np.int64(4)}
    task(lambda: client.log_metric(values))
    assert logger.metrics == [[{"a": 0.5, "b": 2.0, "c": 3.0, "d": 4.0}, 0]]
    assert {type(value) for value in logger.metrics[0][0].values()} == {float}


@pytest.mark.parametrize("value", ["0.5", b"1", None, [1], {"a": 1}, np.ones(2), torch.ones(2), object])
def test_a_metric_that_is_no_number_is_named(client: EdgeClient, logger: Logger, task: Any, value: Any) -> None:
    with pytest.raises(TypeError, match=r"the metric 'loss' is .* no number"):
        task(lambda: client.log_metric({"accuracy": 1.0, "loss": value}))
    assert logger.metrics == []


def test_metrics_that_are_no_dict_are_refused(client: EdgeClient, task: Any) -> None:
    with pytest.raises(TypeError, match=r"metrics are \{name: number\}, not a float"):
        task(lambda: client.log_metric(0.5))  # type: ignore[arg-type]


def test_a_metric_without_a_task_is_left_out_and_said_once(client: EdgeClient, logger: Logger) -> None:
    assert [client.log_metric({"a": 1}), client.log_metric({"a": 2})] == [False, False]
    assert logger.metrics == []
    (line,) = logger.lines
    assert line.startswith("warning: log_metric was called in a thread that runs no task")


def test_attributes_are_logged_as_they_are_and_stop_an_aborted_task(client: EdgeClient, logger: Logger, task: Any) -> None:
    assert client.log_attributes({"gpu": "A100", "rows": 12}) is True
    logger.abort()
    with pytest.raises(Logger.Aborted):
        task(lambda: client.log_attributes({"late": "yes"}))
    assert logger.attributes == {"gpu": "A100", "rows": 12, "late": "yes"}


def test_telemetry_is_metrics_without_a_step_in_the_form_of_either_release(client: EdgeClient, logger: Logger) -> None:
    assert client.log_telemetry({"temperature": 41, "fan": 0.5}) is True
    assert client.log_telemetry(key="power", payload={"value": 3, "peak": 4}) is True
    assert logger.metrics == [[{"temperature": 41.0, "fan": 0.5}, None], [{"power": 3.0, "power.peak": 4.0}, None]]
    with pytest.raises(TypeError, match="the metric 'state' is 'warm', which is no number"):
        client.log_telemetry({"state": "warm"})


def test_a_status_is_a_line_of_its_level(client: EdgeClient, logger: Logger) -> None:
    client.send_status("hello")
    for level in LogLevel:
        client.send_status(level.name, level, "TYPE")
    client.send_status("as a number", log_level=4)  # type: ignore[arg-type]
    assert logger.lines == [
        "info: hello", "info: TYPE: NONE", "info: TYPE: INFO", "debug: TYPE: DEBUG", "warning: TYPE: WARNING",
        "error: TYPE: ERROR", "info: TYPE: AUDIT", "error: as a number",
    ]  # fmt: skip


def test_what_an_inference_found_is_a_line(client: EdgeClient, logger: Logger) -> None:
    assert client.log_inference_result("detection", {"class": "cat"}) is True
    assert logger.lines == ["info: detection: {'class': 'cat'}"]


# Threads


def test_what_many_threads_log_in_one_context_is_all_there(client: EdgeClient, logger: Logger, task: Any) -> None:
    def callback() -> None:
        context = client.current_logging_context
        threads = [threading.Thread(target=client.log_metric, args=({"n": n},), kwargs={"context": context}) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    task(callback)
    assert sorted(values["n"] for values, _ in logger.metrics) == list(range(8))


def test_only_the_thread_of_the_task_is_stopped(client: EdgeClient, logger: Logger, task: Any) -> None:
    logger.abort()
    client.check_task_abort()  # this thread runs no task
    seen = []

    def callback() -> None:
        with pytest.raises(StoppedException, match="Aborted by server"):
            client.check_task_abort()
        thread = threading.Thread(target=lambda: seen.append(client.check_task_abort()))
        thread.start()
        thread.join()

    with pytest.raises(Logger.Aborted):
        task(callback)
    assert seen == [None]


# Without a run


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda client: client.log_attributes({"a": 1}), "logging"),
        (lambda client: client.log_telemetry({"a": 1}), "logging"),
        (lambda client: client.send_status("hello"), "logging"),
        (lambda client: client.get_model_from_combiner("m"), r"get_model_from_combiner\(\)"),
        (lambda client: client.send_model_to_combiner(None), r"send_model_to_combiner\(\)"),
        (lambda client: client.predict_global_model(None), r"predict_global_model\(\)"),
        (lambda client: client.run_inference("m"), r"run_inference\(\)"),
        (lambda client: client.init_grpchandler(GrpcConnectionOptions("h", 1)), r"init_grpchandler\(\)"),
        (lambda client: client.run(), r"run\(\)"),
    ],
)
def test_what_needs_a_run_says_so_and_what_to_write(call: Any, name: str) -> None:
    with pytest.raises(NotOnNVFlare, match=rf"^{name} needs a run, .* write startup\(client\), .*%%reson_startup"):
        call(EdgeClient(min))


def test_a_client_without_a_run_logs_no_metric_and_is_never_stopped(caplog: pytest.LogCaptureFixture) -> None:
    client = EdgeClient()
    assert client.current_logging_context is None
    assert client.log_metric({"a": 1}) is False
    assert "runs no task" in caplog.text
    client.check_task_abort()


# Connecting


def test_a_client_of_a_run_is_connected(client: EdgeClient) -> None:
    result, options = client.connect_to_api("https://no.such.host.invalid", {"name": "another"}, "token")
    assert result is ConnectToApiResult.Assigned
    assert client.init_grpchandler(options, "token") is True
    client.run()
    assert (client.name, client.client_id) == ("site-1", "site-1")


@pytest.fixture
def api() -> Iterator[dict[str, Any]]:
    """A server with Scaleout's API: it answers with what stands under "answer" and notes what it got under "asked"."""
    told: dict[str, Any] = {"asked": [], "token": (200, {"access_token": "access", "refresh_token": "next", "expires_in": 60})}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            told["asked"].append((self.path, body, self.headers.get("Authorization")))
            status, answer = told["token" if self.path.endswith("refresh") else "answer"]
            self.send_response(status)
            self.end_headers()
            self.wfile.write(answer if isinstance(answer, bytes) else json.dumps(answer).encode())

        def log_message(self, *args: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    told["url"] = f"http://127.0.0.1:{server.server_port}/"
    yield told
    server.shutdown()
    thread.join()
    server.server_close()


ASSIGNED = {"client_id": "c-1", "public_hostname": "", "internal_hostname": "inside", "port": 12080, "helper_type": "numpyhelper"}
Result = ConnectToApiResult


@pytest.mark.parametrize(
    ("status", "answer", "result", "with_it"),
    [
        (200, ASSIGNED, Result.Assigned, GrpcConnectionOptions("inside", 12080, "inside", "", "numpyhelper")),
        (203, {"message": "no package"}, Result.ComputePackageMissing, {"message": "no package"}),
        (401, {"message": "x"}, Result.UnAuthorized, "Unauthorized"),
        (400, {"message": "bad name"}, Result.UnMatchedConfig, "bad name"),
        (406, {"message": "old client"}, Result.UnMatchedConfig, "old client"),
        (400, b"<html>", Result.UnMatchedConfig, "Unknown error"),
        (404, b"", Result.IncorrectUrl, "Incorrect URL"),
        (500, {"message": "down"}, Result.UnknownError, "Server error: down"),
        (503, b"", Result.UnknownError, "HTTP 503: this is no answer of a Scaleout server"),
        (200, b"<html>", Result.UnknownError, "HTTP 200: this is no answer of a Scaleout server"),
        (200, [1], Result.UnknownError, "HTTP 200: this is no answer of a Scaleout server"),
    ],
)
def test_a_servers_answer_has_its_outcome(api: dict[str, Any], status: int, answer: Any, result: Result, with_it: Any) -> None:
    client, who = EdgeClient(), {"name": "mine", "package": "local"}
    api["answer"] = (status, answer)
    assert client.connect_to_api(api["url"], who, "secret") == (result, with_it)
    assert api["asked"] == [
        ("/api/auth/refresh", {"refresh_token": "secret", "role": "client"}, None),
        ("/api/v1/clients/add", who, "Bearer access"),
    ]
    assert (client.name, client.client_id) == (("mine", "c-1") if result is Result.Assigned else (None, None))


def test_a_server_that_is_not_there_is_an_unknown_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    result, text = EdgeClient().connect_to_api(f"http://127.0.0.1:{port}")
    assert result is Result.UnknownError
    assert "refused" in text
    assert EdgeClient().connect_to_api("nowhere")[0] is Result.UnknownError


def test_a_token_that_is_not_taken_is_unauthorized(api: dict[str, Any]) -> None:
    api["token"] = (401, b"")
    result, text = EdgeClient().connect_to_api(api["url"], {}, "secret")
    assert (result, text) == (Result.UnAuthorized, "the refresh token is invalid or expired; get a new one")
    api["token"] = (200, {})
    result, text = EdgeClient().connect_to_api(api["url"], {}, "secret")
    assert (result, "secret" in text) == (Result.UnknownError, False)


def test_without_a_token_none_is_sent(api: dict[str, Any]) -> None:
    api["answer"] = (200, ASSIGNED)
    EdgeClient().connect_to_api(api["url"])
    assert api["asked"] == [("/api/v1/clients/add", {}, None)]


def test_new_tokens_are_handed_over_with_the_time_that_they_last(api: dict[str, Any]) -> None:
    api["answer"], got = (200, ASSIGNED), list[Any]()
    EdgeClient().connect_to_api(api["url"], {}, "old", lambda *args: got.append(args))
    payload = base64.urlsafe_b64encode(json.dumps({"exp": 2_000_000_000}).encode()).decode().rstrip("=")
    api["token"] = (200, {"access": f"head.{payload}.signature"})
    EdgeClient().connect_to_api(api["url"], {}, "old", lambda *args: got.append(args))
    (first, second) = got
    assert first[:2] == ("access", "next")
    assert timedelta(seconds=50) < first[2] - datetime.now(UTC) <= timedelta(seconds=60)
    assert second == (f"head.{payload}.signature", "old", datetime.fromtimestamp(2_000_000_000, UTC))
