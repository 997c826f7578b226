"""What a user's code does wrong with its client: it is told at the line where it can be mended, and changes nothing."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from reson_jupyter.backend.failure.explain import explain
from reson_jupyter.edge.travel.client import EdgeClient
from reson_jupyter.edge.travel.connection import NotOnNVFlare
from reson_jupyter.edge.travel.site import Site

from .client_drivers import ENV, EXAMPLES, WEIGHTS, Logger


@pytest.fixture
def shipped(tmp_path: Path) -> Callable[[str], Site]:
    """A site whose startup is in a file of a project, as a job has it."""

    def site(text: str) -> Site:
        path = tmp_path / "app_site-1" / "custom" / "project" / "startup.py"
        path.parent.mkdir(parents=True)
        path.write_text(text)
        names: dict[str, Any] = {}
        exec(compile(text, str(path), "exec"), names)
        return Site(lambda: names["startup"], "numpyhelper")

    return site


def place_of(call: Callable[[], Any]) -> tuple[str, str]:
    """Message and place of what is raised, as a failure's card shows them."""
    with pytest.raises(Exception) as caught:
        call()
    text = "".join(traceback.format_exception(caught.value))
    failure = explain(f"{type(caught.value).__name__}: {caught.value}", text, {})
    return failure.message, failure.where.where if failure.where else ""


RETURNS = """import functools

def wrapped(function):
    @functools.wraps(function)
    def call(*args):
        return function(*args)
    return call

@wrapped
def train(model, settings):
    return {train}

class Client:
    def validate(self, model):
        return {validate}

def startup(client):
    client.set_train_callback(train)
    client.set_validate_callback(Client().validate)
"""


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        ("model", "TypeError: site-1, round 1: the train callback returned a ScaleoutModel"),
        ("[1, 2], {}", "TypeError: site-1, round 1: the train callback returned a list as model"),
        ("model, {}", "ValueError: site-1, round 1: the train callback returned num_examples=None"),
    ],
)
def test_what_train_must_not_return_is_told_at_its_definition(
    shipped: Callable[[str], Site], logger: Logger, returned: str, said: str
) -> None:
    site = shipped(RETURNS.format(train=returned, validate={}))
    message, place = place_of(lambda: site.train(WEIGHTS, ENV, logger))
    assert message.startswith(said)
    assert place == "project/startup.py, line 9"


def test_what_validate_must_not_return_is_told_at_its_definition(shipped: Callable[[str], Site], logger: Logger) -> None:
    site = shipped(RETURNS.format(train=None, validate="0.5"))
    message, place = place_of(lambda: site.validate(WEIGHTS, ENV, logger))
    assert message == "TypeError: site-1, round 1: the validate callback returned a float; it must return a dict of metrics"
    assert place == "project/startup.py, line 14"


class Answers:
    def __call__(self, model: Any) -> int:
        return 1


@pytest.mark.parametrize("callback", [repr, partial(lambda other, model: other, 1), Answers(), torch.nn.Identity()])
def test_a_callback_without_a_line_of_its_own_is_told_all_the_same(callback: Any, logger: Logger) -> None:
    site = Site(lambda: lambda client: client.set_validate_callback(callback), "numpyhelper")
    with pytest.raises(TypeError, match=r"the validate callback returned a .*; it must return a dict of metrics"):
        site.validate(WEIGHTS, ENV, logger)


REGISTERS = """def one(a):
    pass

async def later(model):
    pass

def startup(client):
    client.{call}
"""


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            "set_train_callback(one)",
            "the train callback is called as one(model, settings), and it is one(a): too many positional",
        ),
        ("set_inference_callback(one)", "the inference callback is called as one(model, params), and it is one(a): too many"),
        ("set_validate_callback(lambda: 1)", "the validate callback is called as <lambda>(model), and it is <lambda>(): too"),
        (
            "set_predict_callback(lambda a, b: 1)",
            "the predict callback is called as <lambda>(model), and it is <lambda>(a, b): miss",
        ),
        (
            "set_custom_callback('c', lambda *, a: 1)",
            "the custom callback is called as <lambda>(params), and it is <lambda>(*, a)",
        ),
        (
            "set_validate_callback(later)",
            "the validate callback later is async, and nobody would await it; define it with a plain",
        ),
    ],
)
def test_a_callback_that_cannot_be_called_is_told_where_it_is_registered(
    shipped: Callable[[str], Site], logger: Logger, call: str, said: str
) -> None:
    site = shipped(REGISTERS.format(call=call))
    message, place = place_of(lambda: site.started(ENV, logger))
    assert message.startswith(f"TypeError: {said}")
    assert place == "project/startup.py, line 8"


@pytest.mark.parametrize("callback", [lambda *args: None, lambda model, settings, more=1: None, print, max, partial(max, 1)])
def test_a_callback_may_take_more_than_it_gets(callback: Any) -> None:
    assert EdgeClient(callback).train_callback is callback


@pytest.mark.parametrize("name", ["", " ", "Custom_", "two\nlines", 3, None])
def test_a_command_needs_a_name_that_it_can_be_called_by(name: Any) -> None:
    client = EdgeClient()
    with pytest.raises(ValueError, match="a command's name is a text in one line, not "):
        client.set_custom_callback(name, len)
    assert client.registered_callbacks == {}


def test_a_wrong_name_of_the_client_is_told_with_the_one_that_was_meant() -> None:
    client: Any = EdgeClient()
    with pytest.raises(AttributeError, match=r"no attribute 'set_train_callbak'; did you mean 'set_train_callback'\?$"):
        client.set_train_callbak(print)
    with pytest.raises(AttributeError, match=r"no attribute 'nothing_like_it'$"):
        _ = client.nothing_like_it
    assert not hasattr(client, "grpc_handler")


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("epochs", r"did you mean 'local_epochs'\? Else set it before the run is submitted: %reson config epochs=VALUE"),
        ("gamma", r"settings has no 'gamma'; set it before the run is submitted: %reson config gamma=VALUE"),
    ],
)
def test_a_setting_that_is_not_there_is_told_with_how_it_is_set(logger: Logger, key: str, said: str) -> None:
    seen: list[Any] = []

    def train(model: Any, settings: Any) -> Any:
        seen.append((settings.get(key), key in settings, dict(settings)["local_epochs"]))
        return model, {"training_metadata": {"num_examples": settings[key]}}

    site = Site(lambda: lambda client: client.set_train_callback(train), "numpyhelper")
    with pytest.raises(KeyError, match=said):
        site.train(WEIGHTS, {**ENV, "local_epochs": 2}, logger)
    assert seen == [(None, False, 2)]


@pytest.fixture
def training(logger: Logger) -> Callable[[Callable[[EdgeClient], Any]], None]:
    """Runs a function of the client in a train callback."""

    def run(function: Callable[[EdgeClient], Any]) -> None:
        def startup(client: EdgeClient) -> None:
            client.set_train_callback(lambda model, settings: (function(client), (model, EXAMPLES))[1])

        Site(lambda: startup, "numpyhelper").train(WEIGHTS, ENV, logger)

    return run


@pytest.mark.parametrize("step", ["3", float("nan"), float("inf"), [1], np.ones(2), {}, torch.tensor(float("inf"))])
def test_a_step_that_is_no_number_leaves_the_context_as_it_was(logger: Logger, training: Any, step: Any) -> None:
    def function(client: EdgeClient) -> None:
        client.log_metric({"a": 1})
        with pytest.raises(TypeError, match=r"^the step is .*; it must be a whole number$"):
            client.log_metric({"a": 2}, step=step)
        client.log_metric({"a": 3})

    training(function)
    assert logger.metrics == [[{"a": 1.0}, 0], [{"a": 3.0}, 1]]


def test_a_step_may_be_a_number_of_numpy_or_torch(logger: Logger, training: Any) -> None:
    training(lambda client: [client.log_metric({"a": 1}, step=step) for step in (np.int64(3), torch.tensor(5), 7.0)])
    assert logger.metrics == [[{"a": 1.0}, 3], [{"a": 1.0}, 5], [{"a": 1.0}, 7.0]]


def test_a_metric_beyond_all_numbers_is_refused_as_any_other_that_is_none(logger: Logger, training: Any) -> None:
    def function(client: EdgeClient) -> None:
        with pytest.raises(TypeError, match="the metric 'a' is too large for a number"):
            client.log_metric({"a": 10**400})
        client.log_metric({"a": 1})

    training(function)
    assert logger.metrics == [[{"a": 1.0}, 1]]


def test_predict_without_a_callback_is_told(training: Any) -> None:
    with pytest.raises(NotOnNVFlare, match="there is no predict callback"):
        training(lambda client: client.run_inference("job-0"))
