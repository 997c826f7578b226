"""What the reporter writes, and what it refuses to."""

from __future__ import annotations

import json
import time
from typing import Any

import numpy as np
import pytest
from nvflare.apis.analytix import AnalyticsData, AnalyticsDataType
from nvflare.apis.dxo import DXO, DataKind, MetaKey
from nvflare.apis.event_type import EventType
from nvflare.apis.fl_constant import FLContextKey, ReservedKey
from nvflare.apis.shareable import ReturnCode, Shareable, make_reply
from nvflare.app_common.abstract.model import make_model_learnable
from nvflare.app_common.app_constant import AppConstants
from nvflare.app_common.app_event_type import AppEventType

from tests.patience import wait_for

from .loopback import Server


def event(type_: str, **data: Any) -> dict[str, Any]:
    return {"time": 5.0, "type": type_, "site": "somebody else", "round": 1, "data": data}


def report(server: Server, number: int, *events: dict[str, Any], sender: str = "a", site: str = "site-1") -> Shareable:
    request = Shareable({"site": "somebody else", "sender": sender, "batch": number, "events": json.dumps(events)})
    request.set_peer_props({ReservedKey.IDENTITY_NAME: site})
    with server.new_context() as fl_ctx:
        return server.topics["reson.report"]("reson.report", request, fl_ctx)


def log(text: str) -> dict[str, Any]:
    return event("log", level="info", message=text)


def logged(server: Server) -> list[str]:
    return [item["data"]["message"] for item in server.of("log")]


def model(**weights: Any) -> dict[str, Any]:
    return {AppConstants.GLOBAL_MODEL: make_model_learnable({key: np.asarray(value) for key, value in weights.items()}, {})}


def test_a_round_is_told_step_by_step(server: Server) -> None:
    server.fire(AppEventType.INITIAL_MODEL_LOADED, **model(w=[1.0]))
    server.fire(AppEventType.ROUND_STARTED, **{AppConstants.CURRENT_ROUND: 0})
    dxo = DXO(DataKind.WEIGHTS, {"w": np.ones(1)}, {MetaKey.NUM_STEPS_CURRENT_ROUND: 12})
    for site, accepted in (("site-1", True), ("site-2", False)):
        props = {AppConstants.TRAINING_RESULT: dxo.to_shareable(), AppConstants.AGGREGATION_ACCEPTED: accepted}
        server.fire(AppEventType.AFTER_CONTRIBUTION_ACCEPT, peer=site, **props)
    server.fire(AppEventType.AFTER_AGGREGATION)
    server.fire(AppEventType.AFTER_SHAREABLE_TO_LEARNABLE, **model(w=[2.0]))
    server.fire("reson.report", **{FLContextKey.EVENT_DATA: {"type": "saved", "round": 0, "data": {"file": "m.pt"}}})
    server.fire(EventType.END_RUN)
    told = [(item["type"], item["site"], item["round"]) for item in server.events()]
    assert told == [
        ("run_started", None, None),
        ("model", None, None),
        ("round_started", None, 0),
        ("contribution", "site-1", 0),
        ("contribution", "site-2", 0),
        ("aggregated", None, 0),
        ("model", None, 0),
        ("saved", None, 0),
        ("run_ended", None, None),
    ]
    assert [item["data"] for item in server.of("contribution")] == [
        {"accepted": True, "samples": 12.0},
        {"accepted": False, "samples": 0.0},
    ]
    assert server.of("aggregated")[0]["data"] == {"sites": ["site-1"]}
    assert server.of("run_started")[0]["data"]["num_rounds"] == 2


def test_a_sites_events_keep_their_time_and_round_and_get_the_name_of_who_sent_them(server: Server) -> None:
    assert report(server, 0, log("hello")).get_return_code() == ReturnCode.OK
    assert server.of("log") == [
        {"time": 5.0, "type": "log", "site": "site-1", "round": 1, "data": {"level": "info", "message": "hello"}}
    ]


def test_a_batch_that_is_sent_again_is_written_once(server: Server) -> None:
    for number, text in ((0, "a"), (0, "a"), (1, "b"), (0, "a"), (1, "b")):
        report(server, number, log(text))
    assert logged(server) == ["a", "b"]


def test_a_new_process_of_a_site_counts_anew(server: Server) -> None:
    report(server, 0, log("a"), sender="first")
    report(server, 0, log("b"), sender="second")
    assert logged(server) == ["a", "b"]


@pytest.mark.parametrize("type_", ["run_ended", "model", "contribution", "aggregated", "saved", "state", "nonsense"])
def test_a_site_cannot_speak_for_the_server(server: Server, type_: str) -> None:
    report(server, 0, event(type_, accepted=True, samples=1.0), log("after"))
    assert [item["type"] for item in server.events()] == ["run_started", "log", "log"]
    assert logged(server) == ["site-1 sent an event that makes no sense: KeyError", "after"]


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"type": "log"},
        event("log"),
        event("log", level="info", message="x") | {"round": "first"},
        event("log", level="info", message="x") | {"data": None},
        event("metrics", step=0, values=[1], stage="train"),
        event("metrics", step=0, values={"a": "b"}, stage="train"),
        {"type": ["log"], "round": 0, "time": 0, "data": {}},
        event("log", level="info", message="x") | {"round": float("inf")},
        event("metrics", step=float("inf"), values={}, stage="train"),
        event("metrics", step=0, values={"a": 10**400}, stage="train"),
    ],
)
def test_an_event_that_makes_no_sense_is_told_and_does_not_stop_the_others(server: Server, broken: dict[str, Any]) -> None:
    assert report(server, 0, broken, log("after")).get_return_code() == ReturnCode.OK
    assert len(logged(server)) == 2
    assert logged(server)[1] == "after"


@pytest.mark.parametrize("text", ["no JSON", "[" * 100_000, f"[{'1' * 5000}]", "5"])
def test_a_batch_that_makes_no_sense_is_told_and_does_not_stop_the_next_ones(server: Server, text: str) -> None:
    request = Shareable({"sender": "a", "batch": 0, "events": text})
    request.set_peer_props({ReservedKey.IDENTITY_NAME: "site-1"})
    with server.new_context() as fl_ctx:
        assert server.topics["reson.report"]("reson.report", request, fl_ctx).get_return_code() == ReturnCode.OK
    report(server, 1, log("after"))
    assert logged(server) == ["site-1 sent an event that makes no sense: TypeError", "after"]


def test_half_a_character_becomes_a_question_mark_and_whole_ones_stay(server: Server) -> None:
    report(server, 0, log("a\ud800b \U0001f600 \u2028"), event("metrics", step=0, values={"\udfff": 1}, stage="train"))
    assert logged(server) == ["a?b \U0001f600 \u2028"]
    assert server.of("metrics")[0]["data"]["values"] == {"?": 1.0}


def test_metric_names_and_values_are_made_sound(server: Server) -> None:
    names = {"  loss ": 1.0, "l<1": 2, "l>1": 3, "a\n\x1b[31m\u2028b": 4, "x" * 200: None, "": float("inf"), "val/acc-1.0": 0.5}
    report(server, 0, event("metrics", step=3, values=names, stage="train"))
    values = server.of("metrics")[0]["data"]["values"]
    # Different names stay different; whoever shows them takes them for text.
    kept = {"loss": 1.0, "l<1": 2.0, "l>1": 3.0, "a__[31m_b": 4.0, "x" * 128: None, "_": None, "val/acc-1.0": 0.5}
    assert values == kept


def test_attributes_become_plain_values_and_long_texts_short(server: Server) -> None:
    values = {"a": 1, "b": True, "c": None, "d": float("nan"), "e": "x" * 5000}
    report(server, 0, event("attributes", values=values), log("y" * 50_000))
    assert server.of("attributes")[0]["data"]["values"] == {"a": 1, "b": True, "c": None, "d": None, "e": "x" * 1000}
    assert len(logged(server)[0]) == 20_000


def test_control_characters_cannot_make_a_line_of_their_own(server: Server) -> None:
    report(server, 0, log('x\n{"type": "run_ended"}\r\u2028\x1b[2J'))
    assert len((server.run_dir / "events.ndjson").read_bytes().splitlines()) == 2


def test_reports_that_a_site_counted_but_that_never_came_are_lost(server: Server) -> None:
    report(server, 0, log("a"))
    reply = make_reply(ReturnCode.OK)
    reply.set_header("reson.report", {"sender": "a", "batches": 3})
    server.fire(EventType.BEFORE_PROCESS_SUBMISSION, peer="site-1", **{FLContextKey.TASK_RESULT: reply})
    server.fire(EventType.END_RUN)
    assert [(item["site"], item["data"]) for item in server.of("lost")] == [("site-1", {"batches": 2})]


def test_a_run_in_which_everything_came_has_lost_nothing(server: Server) -> None:
    report(server, 0, log("a"))
    reply = make_reply(ReturnCode.OK)
    reply.set_header("reson.report", {"sender": "a", "batches": 1})
    server.fire(EventType.BEFORE_PROCESS_SUBMISSION, peer="site-1", **{FLContextKey.TASK_RESULT: reply})
    server.fire(EventType.END_RUN)
    assert [item["type"] for item in server.events()] == ["run_started", "log", "run_ended"]


def test_an_executor_that_fails_without_a_word_is_an_error_of_its_site(server: Server) -> None:
    server.fire(AppEventType.ROUND_STARTED, **{AppConstants.CURRENT_ROUND: 1})
    reply = make_reply(ReturnCode.EXECUTION_EXCEPTION)
    server.fire(EventType.BEFORE_PROCESS_SUBMISSION, peer="site-2", **{FLContextKey.TASK_RESULT: reply})
    (error,) = server.of("error")
    assert (error["site"], error["round"]) == ("site-2", 1)
    assert "site-2 answered EXECUTION_EXCEPTION" in error["data"]["message"]


def test_an_executor_that_told_its_error_is_not_told_twice(server: Server) -> None:
    server.fire(AppEventType.ROUND_STARTED, **{AppConstants.CURRENT_ROUND: 1})
    report(server, 0, event("error", message="ValueError: x", traceback="..."))
    reply = make_reply(ReturnCode.EXECUTION_EXCEPTION)
    server.fire(EventType.BEFORE_PROCESS_SUBMISSION, peer="site-1", **{FLContextKey.TASK_RESULT: reply})
    assert [item["data"]["message"] for item in server.of("error")] == ["ValueError: x"]


def log_shareable(text: str) -> dict[str, Any]:
    shareable = AnalyticsData("error", text, AnalyticsDataType.TEXT).to_dxo().to_shareable()
    shareable.set_peer_props({ReservedKey.IDENTITY_NAME: "site-1"})
    return {FLContextKey.EVENT_DATA: shareable}


def test_a_relayed_traceback_shows_its_last_line(server: Server) -> None:
    text = "[identity=site-1, run=job]: Traceback (most recent call last):\n  File 'x', line 1\nKeyError: 'images'"
    server.fire("fed._error_log_available", **log_shareable(text))
    data = server.of("error")[0]["data"]
    assert data["message"] == "KeyError: 'images'"
    assert data["traceback"].startswith("Traceback")


def test_scalars_of_other_executors_are_metrics(server: Server) -> None:
    for name, value, kind in (
        ("loss", 0.5, AnalyticsDataType.SCALAR),
        ("many", {"a": 1.0, "b": 2.0}, AnalyticsDataType.SCALARS),
        ("note", "text", AnalyticsDataType.TEXT),
    ):
        shareable = AnalyticsData(name, value, kind, global_step=4).to_dxo().to_shareable()
        shareable.set_peer_props({ReservedKey.IDENTITY_NAME: "site-1"})
        server.fire("fed.analytix_log_stats", **{FLContextKey.EVENT_DATA: shareable})
    assert [item["data"] for item in server.of("metrics")] == [
        {"step": 4, "values": {"loss": 0.5}, "stage": "train"},
        {"step": 4, "values": {"a": 1.0, "b": 2.0}, "stage": "train"},
    ]


def test_only_the_first_fatal_reason_counts(server: Server) -> None:
    server.fire(EventType.FATAL_SYSTEM_ERROR, **{FLContextKey.EVENT_DATA: "the cause"})
    server.fire(EventType.FATAL_SYSTEM_ERROR, **{FLContextKey.EVENT_DATA: "a consequence"})
    assert [item["data"]["message"] for item in server.of("error")] == ["the cause"]


def test_what_the_server_makes_of_a_sites_error_is_no_second_one(server: Server) -> None:
    server.fire(AppEventType.ROUND_STARTED, **{AppConstants.CURRENT_ROUND: 1})
    report(server, 0, event("error", message="ValueError: x", traceback="..."))
    server.fire(EventType.FATAL_SYSTEM_ERROR, **{FLContextKey.EVENT_DATA: "Result from site-1 is bad"})
    assert [item["data"]["message"] for item in server.of("error")] == ["ValueError: x"]
    assert "Result from site-1 is bad" in logged(server)


def test_the_end_waits_for_a_site_in_a_task_but_not_for_ever(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reson_jupyter.worker.reporter._reson_FAREWELL", 0.3)
    report(server, 0, event("site", phase="training"))
    began = time.monotonic()
    server.fire(EventType.END_RUN)
    assert time.monotonic() - began > 0.2
    assert server.events()[-1]["type"] == "run_ended"


def test_after_the_end_nothing_is_written_and_nobody_gets_an_error(server: Server) -> None:
    server.fire(EventType.END_RUN)
    assert report(server, 0, log("late")).get_return_code() == ReturnCode.OK
    assert server.events()[-1]["type"] == "run_ended"


def test_a_file_named_stop_triggers_the_abort_signal_once(server: Server) -> None:
    assert not server.abort_signal.triggered
    (server.run_dir / "STOP").touch()
    wait_for(lambda: server.abort_signal.triggered)
    time.sleep(0.6)
    assert logged(server) == ["The run was asked to stop."]


def digests(server: Server) -> list[str]:
    return [item["data"]["digest"] for item in server.of("model")]


def test_the_digest_changes_with_values_only_and_not_with_what_averaging_does_to_dtypes(server: Server) -> None:
    half, count = np.array([1.5, 2.5], "float16"), np.array(3, "int64")
    for weights in (
        {"half": half, "count": count},
        {"count": np.array(3.0), "half": half.astype("float32")},
        {"half": half, "count": np.array(4, "int64")},
        {"half": half.reshape(2, 1), "count": count},
    ):
        server.fire(AppEventType.INITIAL_MODEL_LOADED, **model(**weights))
    first, same, other, shaped = digests(server)
    assert first == same
    assert len({first, other, shaped}) == 3


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_model_that_is_not_finite_is_told(server: Server, value: float) -> None:
    server.fire(AppEventType.INITIAL_MODEL_LOADED, **model(a=[1.0], b=[[value]]))
    server.fire(AppEventType.AFTER_SHAREABLE_TO_LEARNABLE, **model(a=[1.0], b=[[2.0]]))
    assert [item["data"]["finite"] for item in server.of("model")] == [False, True]
