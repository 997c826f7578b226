"""Train callbacks that are run by Scaleout's own EdgeClients and by ours; what they see and log must be the same.

This file is run as text under Scaleout's packages, too, so it imports nothing but the standard library. `t` has what the releases
call differently: `make(params)`, `read(model)`, `abort()` (as the server's word that the task is to stop), the class
`LoggingContext`, and `see(value)`, which notes something for the comparison.
"""

from __future__ import annotations

import threading
from typing import Any

GOOD = {"training_metadata": {"num_examples": 4}}


def in_a_thread(function: Any) -> None:
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


def attempt(t: Any, function: Any) -> None:
    """Notes what a call returns, or the name of what it raises."""
    try:
        t.see(function())
    except Exception as exc:
        t.see(type(exc).__name__)


def steps_and_commit(client: Any, model: Any, settings: Any, t: Any) -> Any:
    client.log_metric({"a": 1})
    client.log_metric({"b": 2}, commit=False)
    client.log_metric({"c": 3})
    client.log_metric({"d": 4}, step=10)
    client.log_metric({"e": 5})
    client.log_metric({"f": 6}, step=3, commit=False)
    client.log_metric({"g": 7, "h": 0.5})
    t.see(client.current_logging_context.step)
    return model, GOOD


def every_combination_of_step_and_commit(client: Any, model: Any, settings: Any, t: Any) -> Any:
    number = 0
    for first in (None, 0, 7):
        for second in (None, 0, 7):
            for commits in ((True, True), (True, False), (False, True), (False, False)):
                for step, commit in zip((first, second), commits, strict=True):
                    number += 1
                    client.log_metric({"n": number}, step=step, commit=commit)
                    t.see(client.current_logging_context.step)
    return model, GOOD


def a_context_of_ones_own(client: Any, model: Any, settings: Any, t: Any) -> Any:
    own = t.LoggingContext(step=20, model_id="m", round_id="r", session_id="s")
    t.see(client.log_metric({"a": 1}, context=own))
    t.see(client.log_metric({"b": 2}))
    t.see([own.step, client.current_logging_context.step])
    with client.logging_context(own):
        client.log_metric({"c": 3})
        t.see(client.current_logging_context is own)
    t.see([own.step, client.current_logging_context.step, client.current_logging_context is own])
    return model, GOOD


def a_context_of_a_request(client: Any, model: Any, settings: Any, t: Any) -> Any:
    request = client.current_logging_context.request
    derived = t.LoggingContext(request=request)
    t.see([derived.step, derived.request is request])
    t.see(
        [getattr(derived, key) == getattr(client.current_logging_context, key) for key in ("model_id", "round_id", "session_id")]
    )
    partly = t.LoggingContext(request=request, round_id="mine", step=2)
    t.see([partly.round_id, partly.model_id == request.model_id, partly.step])
    bare = t.LoggingContext()
    t.see([bare.model_id, bare.round_id, bare.session_id, bare.request, bare.step])
    return model, GOOD


def threads(client: Any, model: Any, settings: Any, t: Any) -> Any:
    context = client.current_logging_context
    in_a_thread(lambda: t.see(client.current_logging_context is None))
    in_a_thread(lambda: t.see(client.log_metric({"lost": 1})))
    in_a_thread(lambda: t.see(client.log_metric({"kept": 2}, context=context)))
    client.log_metric({"own": 3})
    t.abort()
    in_a_thread(lambda: attempt(t, client.check_task_abort))
    in_a_thread(lambda: t.see(client.log_metric({"after": 4}, context=context)))
    attempt(t, client.check_task_abort)
    raise RuntimeError("it was stopped")


def an_abort_that_nobody_looks_for(client: Any, model: Any, settings: Any, t: Any) -> Any:
    t.abort()
    t.see(client.log_metric({"a": 1}, check_task_abort=False))
    t.see(client.log_attributes({"color": "red"}, check_task_abort=False))
    client.log_metric({"b": 2})
    t.see("not reached")
    return model, GOOD


def an_abort_that_is_looked_for(client: Any, model: Any, settings: Any, t: Any) -> Any:
    attempt(t, client.check_task_abort)
    t.abort()
    attempt(t, client.check_task_abort)
    attempt(t, lambda: client.log_attributes({"color": "red"}))
    client.check_task_abort()
    t.see("not reached")
    return model, GOOD


def what_is_no_number(client: Any, model: Any, settings: Any, t: Any) -> Any:
    attempt(t, lambda: client.log_metric({"a": "1"}))
    attempt(t, lambda: client.log_metric({"a": [1]}))
    t.see(client.current_logging_context.step)
    client.log_metric({"b": True})
    return model, GOOD


def an_error(client: Any, model: Any, settings: Any, t: Any) -> Any:
    client.log_metric({"a": 1})
    raise ValueError("no data")


def no_model(client: Any, model: Any, settings: Any, t: Any) -> Any:
    return None, GOOD


def another_model(client: Any, model: Any, settings: Any, t: Any) -> Any:
    params = t.read(model)
    t.see([[float(value) for value in array] for array in params])
    return t.make([array + 1 for array in params]), GOOD


def callbacks_by_name(client: Any, model: Any, settings: Any, t: Any) -> Any:
    client.set_custom_callback("one", len)
    client.set_custom_callback("Custom_two", len)
    t.see(sorted(client.registered_callbacks))
    client.remove_custom_callback("Custom_one")
    client.remove_custom_callback("two")
    client.remove_custom_callback("three")
    t.see(sorted(client.registered_callbacks))
    return model, GOOD


def _examples(value: Any) -> Any:
    def train(client: Any, model: Any, settings: Any, t: Any) -> Any:
        return model, {"training_metadata": {"num_examples": value}}

    return train


SCENARIOS = {
    function.__name__: function
    for function in (
        steps_and_commit, every_combination_of_step_and_commit, a_context_of_ones_own, a_context_of_a_request, threads,
        an_abort_that_nobody_looks_for, an_abort_that_is_looked_for, what_is_no_number, an_error, no_model, another_model,
        callbacks_by_name,
    )
}  # fmt: skip
EXAMPLES = {repr(value): _examples(value) for value in (1, 2.5, 0, -1, None, "3", True, float("nan"))} | {
    "no training_metadata": lambda client, model, settings, t: (model, {})
}
