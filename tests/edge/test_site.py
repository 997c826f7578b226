"""A site of a run: when the user's startup runs, what its callbacks get, and what is made of what they return."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from reson_jupyter.edge.travel import site as site_module
from reson_jupyter.edge.travel.client import EdgeClient, StoppedException
from reson_jupyter.edge.travel.connection import NotOnNVFlare
from reson_jupyter.edge.travel.helpers import get_helper
from reson_jupyter.edge.travel.messages import ModelStatus, TaskRequest
from reson_jupyter.edge.travel.model import ScaleoutModel
from reson_jupyter.edge.travel.site import Site

from .client_drivers import ENV, EXAMPLES, NUMPY, WEIGHTS, Logger, site_with, unchanged

pytestmark = pytest.mark.usefixtures("own_data_root")


def test_startup_runs_once_and_not_before_the_first_task(logger: Logger) -> None:
    clients = []

    def startup(client: EdgeClient) -> None:
        clients.append(client)
        client.set_train_callback(unchanged)
        client.set_validate_callback(lambda model: {})

    site = Site(lambda: startup, "numpyhelper")
    assert clients == []
    site.validate(WEIGHTS, ENV, logger)
    site.train(WEIGHTS, ENV, logger)
    site.commands(ENV, logger)
    (client,) = clients
    assert (client.name, client.client_id) == ("site-1", "site-1")


def test_the_data_root_stands_in_the_environment_before_startup(logger: Logger) -> None:
    seen = []
    Site(lambda: lambda client: seen.append(os.environ["RESON_DATA_ROOT"]), "numpyhelper").started(ENV, logger)
    assert seen == ["/data"]


def test_train_gets_the_global_model_and_the_settings(logger: Logger) -> None:
    seen: list[Any] = []

    def train(model: ScaleoutModel, settings: dict[str, Any]) -> Any:
        seen.append((model.get_model_params(NUMPY), model.get_model_params(), settings))
        settings.clear()  # it is the callback's own
        return model, EXAMPLES

    env = {**ENV, "learning_rate": 0.5}
    result = site_with(train).train(WEIGHTS, env, logger)
    ((params, again, _),) = seen
    for array, value in zip(params, WEIGHTS.values(), strict=True):
        assert array.dtype == value.dtype
        np.testing.assert_array_equal(array, value)
    assert len(again) == 2  # the model knows its helper
    assert env["learning_rate"] == 0.5
    assert {key: (value.dtype, value.tolist()) for key, value in result["weights"].items()} == {
        key: (value.dtype, value.tolist()) for key, value in WEIGHTS.items()
    }
    assert (result["samples"], len(result)) == (4, 2)


def test_a_state_dict_goes_through_the_torch_helper(logger: Logger) -> None:
    net, helper = torch.nn.Linear(2, 1), get_helper("torchhelper")

    def train(model: ScaleoutModel, settings: dict[str, Any]) -> Any:
        net.load_state_dict(model.get_model_params(helper))
        with torch.no_grad():
            net.weight += 1
        return ScaleoutModel.from_model_params(net.state_dict(), helper=helper), EXAMPLES

    weights = {"weight": np.array([[1.0, 2.0]], "float32"), "bias": np.array([3.0], "float32")}
    site = Site(lambda: lambda client: client.set_train_callback(train), "torchhelper")
    result = site.train(weights, ENV, logger)
    assert {key: value.tolist() for key, value in result["weights"].items()} == {"weight": [[2.0, 3.0]], "bias": [3.0]}


@given(arrays=st.lists(npst.arrays(st.sampled_from(["float32", "float64", "int64"]), npst.array_shapes(max_side=4)), max_size=4))
def test_a_model_goes_through_the_callback_as_it_is(arrays: list[Any]) -> None:
    weights = {str(number): array for number, array in enumerate(arrays)}
    result = site_with(unchanged).train(weights, ENV, Logger())["weights"]
    assert list(result) == list(weights)
    for key, array in weights.items():
        assert result[key].dtype == array.dtype
        np.testing.assert_array_equal(result[key], array)


def test_the_numbers_of_the_metadata_are_metrics(logger: Logger) -> None:
    meta = {"training_metadata": {"num_examples": 4, "loss": 0.5, "note": "x"}, "epochs": 2, "weights": 3, "samples": 9}
    result = site_with(lambda model, settings: (model, meta)).train(WEIGHTS, ENV, logger)
    assert {key: value for key, value in result.items() if key != "weights"} == {"loss": 0.5, "epochs": 2, "samples": 4}
    assert sorted(result["weights"]) == ["0", "1"]


def test_a_callback_knows_session_round_and_model(logger: Logger) -> None:
    seen = []
    site = Site(lambda: lambda client: client.set_train_callback(lambda model, settings: train(client, model)), "numpyhelper")

    def train(client: EdgeClient, model: ScaleoutModel) -> Any:
        context = client.current_logging_context
        assert context is not None and context.request is not None
        data = json.loads(context.request.data)["client_settings"]["CURRENT_ROUND"]
        seen.append((context.session_id, context.round_id, context.model_id == model.model_id, context.request.type, data))
        return model, EXAMPLES

    for round_ in range(2):
        site.train(WEIGHTS, {**ENV, "CURRENT_ROUND": round_}, logger)
    assert seen == [("job", "0", True, "Fedn_ModelUpdate", 0), ("job", "1", True, "Fedn_ModelUpdate", 1)]


def test_every_task_counts_its_steps_from_0(logger: Logger) -> None:
    def startup(client: EdgeClient) -> None:
        client.set_validate_callback(lambda model: {"logged": client.log_metric({"v": 1})})
        client.set_train_callback(lambda model, settings: (client.log_metric({"t": 1}), unchanged(model, settings))[1])

    site = Site(lambda: startup, "numpyhelper")
    site.validate(WEIGHTS, ENV, logger)
    site.train(WEIGHTS, ENV, logger)
    assert logger.metrics == [[{"v": 1.0}, 0], [{"t": 1.0}, 0]]


@pytest.mark.parametrize("ends", ["return", "raise", "stop"])
def test_an_aborted_task_is_an_abort_however_its_callback_ends(logger: Logger, ends: str) -> None:
    def train(model: ScaleoutModel, settings: dict[str, Any]) -> Any:
        logger.abort()
        if ends == "raise":
            raise RuntimeError("my loader died")
        if ends == "stop":
            raise StoppedException
        return None

    with pytest.raises(Logger.Aborted):
        site_with(train).train(WEIGHTS, ENV, logger)


def test_validate_gets_the_global_model_and_its_dict_is_returned(logger: Logger) -> None:
    def validate(model: ScaleoutModel) -> Any:
        return {"sum": float(model.get_model_params(NUMPY)[0].sum())}

    assert site_with(validate=validate).validate(WEIGHTS, ENV, logger) == {"sum": 3.0}


def test_what_is_no_number_in_a_validation_is_a_line(logger: Logger) -> None:
    site = site_with(validate=lambda model: {"a": 1, "matrix": [[1, 2]], "b": np.float32(2), "good": True})
    for _ in range(2):
        site.validate(WEIGHTS, ENV, logger)
    line = "info: the validate callback also returned {'matrix': [[1, 2]], 'good': True}"
    said = "warning: no metric is made of 'good', 'matrix', which the validate callback returned: no number"
    assert logger.lines == [line, said, line]


@pytest.mark.parametrize(("validate", "can"), [(len, True), (None, False)])
def test_a_site_knows_whether_it_can_validate(logger: Logger, validate: Any, can: bool) -> None:
    assert site_with(validate=validate).can_validate(ENV, logger) is can


def test_commands_go_by_their_plain_names(logger: Logger) -> None:
    site = site_with(unchanged, one=len, Custom_two=len)
    assert sorted(site.commands(ENV, logger)) == ["one", "two"]
    assert sorted(site_with(unchanged, predict=len).commands(ENV, logger)) == ["predict"]


def test_a_command_gets_its_params_and_an_empty_dict_if_there_are_none(logger: Logger) -> None:
    command = site_with(my_command=lambda params: ["got", params]).commands(ENV, logger)["my_command"]
    assert [command({"a": 1}), command(None), command([])] == [["got", {"a": 1}], ["got", {}], ["got", []]]


def test_the_commands_of_this_process_are_those_of_its_site(monkeypatch: pytest.MonkeyPatch, logger: Logger) -> None:
    monkeypatch.setattr(site_module, "_site", None)
    with pytest.raises(RuntimeError, match="no site of a run"):
        site_module.commands(ENV, logger)
    site_module.open_site(lambda: lambda client: client.set_custom_callback("f", len), "numpyhelper")
    assert site_module.commands(ENV, logger)["f"]([1, 2]) == 2


def test_predict_runs_with_the_newest_global_model(logger: Logger) -> None:
    def predict(model: ScaleoutModel) -> Any:
        return model.get_model_params(NUMPY)[0].tolist()

    site = site_with(unchanged, predict=predict)
    with pytest.raises(NotOnNVFlare, match="no global model has come to this site yet; ask again once the first round"):
        site.commands(ENV, logger)["predict"]({})
    site.train(WEIGHTS, ENV, logger)
    site.train({**WEIGHTS, "0": np.array([7.0, 8.0], "float32")}, {**ENV, "CURRENT_ROUND": 1}, logger)
    assert site.commands({**ENV, "CURRENT_ROUND": 1}, logger)["predict"](None) == [7.0, 8.0]


def test_an_inference_callback_gets_the_params_as_well(logger: Logger) -> None:
    def startup(client: EdgeClient) -> None:
        client.set_train_callback(unchanged)
        client.set_inference_callback(lambda model, params: [len(model.get_model_params(NUMPY)), params])

    site = Site(lambda: startup, "numpyhelper")
    site.train(WEIGHTS, ENV, logger)
    predict = site.commands(ENV, logger)["predict"]
    assert [predict({"a": 1}), predict(None)] == [[2, {"a": 1}], [2, {}]]


@pytest.fixture
def inside(logger: Logger) -> Any:
    """Runs a function of the client and the model in a train callback; has what it returned."""
    box = SimpleNamespace(result=None)

    def run(function: Callable[[EdgeClient, ScaleoutModel], Any], predict: Any = None) -> Any:
        def startup(client: EdgeClient) -> None:
            def train(model: ScaleoutModel, settings: dict[str, Any]) -> Any:
                box.result = function(client, model)
                return model, EXAMPLES

            client.set_train_callback(train)
            client.set_predict_callback(predict)

        Site(lambda: startup, "numpyhelper").train(WEIGHTS, ENV, logger)
        return box.result

    return run


def test_the_global_model_is_had_by_its_id_as_a_copy(inside: Any) -> None:
    def function(client: EdgeClient, model: ScaleoutModel) -> Any:
        again = client.get_model_from_combiner(str(model.model_id))
        assert client.stage_model(model) is model
        return (
            again is model,
            again.checksum == model.checksum,
            client.stage_model(str(model.model_id)).checksum == model.checksum,
        )

    assert inside(function) == (False, True, True)


def test_a_model_that_is_not_here_is_told_with_those_that_are(inside: Any) -> None:
    message = r"there is no model 'other' at this site; there are: job-0\. The models of earlier rounds .* run\.model\(\)"
    with pytest.raises(NotOnNVFlare, match=message):
        inside(lambda client, model: client.get_model_from_combiner("other"))


def test_a_model_that_is_sent_stays_at_the_site_and_says_so(inside: Any) -> None:
    def function(client: EdgeClient, model: ScaleoutModel) -> Any:
        mine = ScaleoutModel.from_model_params([np.array([9.0])], NUMPY)
        response = client.send_model_to_combiner(mine)
        assert mine.model_id
        return response, client.get_model_from_combiner(mine.model_id).get_model_params()[0].tolist()

    response, values = inside(function)
    assert response.status is ModelStatus.OK
    assert "the server gets the one that the train callback returns" in response.message
    assert values == [9.0]


def test_a_model_that_was_sent_is_gone_with_its_round(logger: Logger) -> None:
    sent = ScaleoutModel.from_model_params([np.ones(1)], NUMPY)
    sent.model_id = "mine"
    site = site_with(unchanged)
    site.train(WEIGHTS, ENV, logger)
    site.keep(sent)
    assert site.model("mine").checksum == sent.checksum
    site.train(WEIGHTS, {**ENV, "CURRENT_ROUND": 1}, logger)
    with pytest.raises(NotOnNVFlare, match="there are: job-1"):
        site.model("mine")


def test_a_model_that_is_sent_under_the_id_of_the_global_one_does_not_take_its_place(logger: Logger) -> None:
    sent = ScaleoutModel.from_model_params([np.array([9.0])], NUMPY)
    site = site_with(unchanged, predict=lambda model: model.get_model_params(NUMPY)[0].tolist())
    site.train(WEIGHTS, ENV, logger)
    sent.model_id = "job-0"
    site.keep(sent)
    assert site.commands(ENV, logger)["predict"](None) == [1.0, 2.0]
    assert sent.model_id != "job-0" and site.model(sent.model_id).checksum == sent.checksum


def test_of_the_models_that_were_sent_the_newest_stay(logger: Logger) -> None:
    site = site_with(unchanged)
    site.train(WEIGHTS, ENV, logger)
    models = [ScaleoutModel.from_model_params([np.array([float(number)])], NUMPY) for number in range(10)]
    for model in models:
        site.keep(model)
    for model in models[-8:]:
        assert site.model(str(model.model_id)).checksum == model.checksum
    with pytest.raises(NotOnNVFlare, match="there is no model"):
        site.model(str(models[1].model_id))


def test_a_prediction_that_the_code_asks_for_is_a_line(inside: Any, logger: Logger) -> None:
    request = TaskRequest(model_id="job-0")
    assert inside(lambda client, model: client.predict_global_model(request), predict=lambda model: {"p": 1}) is None
    assert logger.lines == ["info: prediction: {'p': 1}"]
    assert inside(lambda client, model: client.run_inference(model, {"x": 1}), predict=lambda model: 5) == 5


def test_a_prediction_needs_a_callback(inside: Any) -> None:
    with pytest.raises(NotOnNVFlare, match=r"there is no predict callback; startup\(client\) must call client\.set_predict_"):
        inside(lambda client, model: client.run_inference(model))
