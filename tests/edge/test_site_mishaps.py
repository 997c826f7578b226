"""A site of a run where something is wrong, or several things happen at once."""

from __future__ import annotations

import json
import re
import threading
from typing import Any

import numpy as np
import pytest
import torch

from reson_jupyter.edge.travel.client import EdgeClient, StoppedException
from reson_jupyter.edge.travel.connection import NotOnNVFlare
from reson_jupyter.edge.travel.model import ScaleoutModel
from reson_jupyter.edge.travel.site import Site

from .client_drivers import ENV, EXAMPLES, NUMPY, WEIGHTS, Logger, site_with

pytestmark = pytest.mark.usefixtures("own_data_root")


def test_a_startup_that_fails_is_tried_again_by_the_next_task(logger: Logger) -> None:
    attempts = []

    def startup(client: EdgeClient) -> None:
        attempts.append(client)
        if len(attempts) == 1:
            raise ValueError("not yet")

    site = Site(lambda: startup, "numpyhelper")
    with pytest.raises(ValueError, match="not yet"):
        site.started(ENV, logger)
    assert site.started(ENV, logger) is attempts[1]


def test_startup_logs_before_any_task(logger: Logger) -> None:
    def startup(client: EdgeClient) -> None:
        client.send_status("ready")
        client.log_attributes({"gpu": "none"})
        client.check_task_abort()

    site = Site(lambda: startup, "numpyhelper")
    site.started(ENV, logger)
    assert (logger.lines, logger.attributes) == (["info: ready"], {"gpu": "none"})


def test_an_abort_ends_a_startup_that_looks_for_it(logger: Logger) -> None:
    went_on = []

    def startup(client: EdgeClient) -> None:
        client.check_task_abort()
        went_on.append(True)

    logger.abort()
    with pytest.raises(Logger.Aborted):
        Site(lambda: startup, "numpyhelper").started(ENV, logger)
    assert not went_on


def test_a_task_and_a_command_at_once_start_the_code_once(logger: Logger) -> None:
    began, go, clients = threading.Event(), threading.Event(), []

    def startup(client: EdgeClient) -> None:
        clients.append(client)
        began.set()
        assert go.wait(60)

    site = Site(lambda: startup, "numpyhelper")
    threads = [threading.Thread(target=site.started, args=(ENV, logger)) for _ in range(2)]
    threads[0].start()
    assert began.wait(60)
    threads[1].start()
    go.set()
    for thread in threads:
        thread.join()
    assert len(clients) == 1


MODEL = ScaleoutModel.from_model_params([np.ones(2)], NUMPY)


PROMISE = 'it must return (model, {"training_metadata": {"num_examples": n}})'


MISSING = f"returned num_examples=None; {PROMISE}, with n > 0"


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (None, f"returned a NoneType; {PROMISE}"),
        (MODEL, f"returned a ScaleoutModel; {PROMISE}"),
        ((MODEL,), f"returned a tuple; {PROMISE}"),
        ((None, EXAMPLES), "returned a NoneType as model; make one by ScaleoutModel.from_model_params"),
        (([np.ones(2)], EXAMPLES), "returned a list as model"),
        ((MODEL, None), MISSING),
        ((MODEL, {}), MISSING),
        ((MODEL, {"num_examples": 4}), MISSING),
        ((MODEL, {"training_metadata": 4}), MISSING),
        ((MODEL, {"training_metadata": {"num_examples": 0}}), "returned num_examples=0;"),
        ((MODEL, {"training_metadata": {"num_examples": -2}}), "returned num_examples=-2;"),
        ((MODEL, {"training_metadata": {"num_examples": True}}), "returned num_examples=True;"),
        ((MODEL, {"training_metadata": {"num_examples": "4"}}), "returned num_examples='4';"),
        ((MODEL, {"training_metadata": {"num_examples": float("nan")}}), "returned num_examples=nan;"),
        ((MODEL, {"training_metadata": {"num_examples": float("inf")}}), "returned num_examples=inf;"),
        ((ScaleoutModel(), EXAMPLES), "returned a model that numpyhelper cannot read: "),
    ],
)
def test_what_train_must_not_return_is_told_with_site_and_round(logger: Logger, returned: Any, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=re.escape(f"site-1, round 2: the train callback {message}")):
        site_with(lambda model, settings: returned).train(WEIGHTS, {**ENV, "CURRENT_ROUND": 1}, logger)


@pytest.mark.parametrize("examples", [1, 0.5, np.int64(3), np.float32(3), torch.tensor(3)])
def test_examples_may_be_any_number_above_0(logger: Logger, examples: Any) -> None:
    meta = {"training_metadata": {"num_examples": examples}}
    assert site_with(lambda model, settings: (model, meta)).train(WEIGHTS, ENV, logger)["samples"] == examples


def test_a_startup_without_a_train_callback_is_told(logger: Logger) -> None:
    with pytest.raises(NotOnNVFlare, match=r"site-1, round 1: the train callback is missing; startup\(client\) must call"):
        site_with().train(WEIGHTS, ENV, logger)


def test_a_callback_that_stops_by_itself_is_a_failure(logger: Logger) -> None:
    def train(model: ScaleoutModel, settings: dict[str, Any]) -> Any:
        raise StoppedException("enough")

    with pytest.raises(StoppedException, match="enough"):
        site_with(train).train(WEIGHTS, ENV, logger)


def test_a_validation_may_return_nothing_but_no_list(logger: Logger) -> None:
    assert site_with(validate=lambda model: None).validate(WEIGHTS, ENV, logger) == {}
    with pytest.raises(TypeError, match="site-1, round 1: the validate callback returned a list; it must return a dict"):
        site_with(validate=lambda model: [1]).validate(WEIGHTS, ENV, logger)
    with pytest.raises(TypeError, match="site-1, final validation: the validate callback returned a float"):
        site_with(validate=lambda model: 0.5).validate(WEIGHTS, {**ENV, "CURRENT_ROUND": 2}, logger)


def test_an_exception_in_a_validation_is_one(logger: Logger) -> None:
    def validate(model: ScaleoutModel) -> Any:
        raise KeyError("labels")

    with pytest.raises(KeyError, match="labels"):
        site_with(validate=validate).validate(WEIGHTS, ENV, logger)


def test_an_exception_in_a_command_is_one(logger: Logger) -> None:
    with pytest.raises(ZeroDivisionError):
        site_with(f=lambda params: 1 / 0).commands(ENV, logger)["f"]({})


def test_a_command_knows_where_it_stands_also_before_the_first_round(logger: Logger) -> None:
    seen = []

    def startup(client: EdgeClient) -> None:
        client.set_custom_callback("f", lambda params: seen.append(vars(client.current_logging_context)))

    env = {key: value for key, value in ENV.items() if "ROUND" not in key}
    Site(lambda: startup, "numpyhelper").commands(env, logger)["f"]({"a": 1})
    (context,) = seen
    assert (context["session_id"], context["round_id"], context["model_id"]) == ("job", "", "")
    assert (context["request"].type, json.loads(context["request"].data)) == ("Custom_f", {"a": 1})


def test_a_command_beside_a_task_logs_to_its_own_logger(logger: Logger) -> None:
    other = Logger()

    def startup(client: EdgeClient) -> None:
        client.set_custom_callback("f", lambda params: client.log_metric({"command": 1}))
        client.set_train_callback(lambda model, settings: train(client, model))

    def train(client: EdgeClient, model: ScaleoutModel) -> Any:
        context = client.current_logging_context
        for call in (lambda: site.commands(ENV, other)["f"]({}), lambda: client.log_metric({"thread": 2}, context=context)):
            thread = threading.Thread(target=call)
            thread.start()
            thread.join()
        client.log_metric({"task": 3})
        return model, EXAMPLES

    site = Site(lambda: startup, "numpyhelper")
    site.train(WEIGHTS, ENV, logger)
    assert other.metrics == [[{"command": 1.0}, 0]]
    assert logger.metrics == [[{"thread": 2.0}, 0], [{"task": 3.0}, 1]]
