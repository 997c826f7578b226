"""Scaleout's EdgeClient: what a user's `startup(client)` gets, registers its callbacks with and logs to."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Protocol

from .callbacks import Callbacks, Predict, Train, Validate
from .connection import ConnectToApiResult, GrpcConnectionOptions, NotOnNVFlare, Refreshed, connect
from .context import LoggingContext
from .messages import LogLevel, ModelResponse, TaskRequest
from .model import ScaleoutModel

_LEVELS = {LogLevel.DEBUG: "debug", LogLevel.WARNING: "warning", LogLevel.ERROR: "error"}


class StoppedException(Exception):
    """The task was aborted."""


class Site(Protocol):
    """What a client asks of the site that it belongs to."""

    @property
    def logger(self) -> Any:
        """Of the task that this thread runs, else of the newest one."""

    def check_abort(self) -> None:
        """Raises `StoppedException` if the task that this thread runs was aborted."""

    def model(self, model_id: str) -> ScaleoutModel:
        """A model that is at the site."""

    def keep(self, model: ScaleoutModel) -> ModelResponse:
        """Keeps a model at the site."""

    def infer(self, client: EdgeClient, model: ScaleoutModel, params: Any) -> Any:
        """What the predict callback makes of a model."""


class EdgeClient(Callbacks):
    """A site, as Scaleout's code knows it.

    The one that `startup(client)` gets belongs to the run: its callbacks are called and what it logs is seen in the notebook.
    One that is made elsewhere only holds its callbacks.

    Args:
        train_callback: (model, settings) -> (model, {"training_metadata": {"num_examples": n}}).
        validate_callback: (model) -> {name: number}.
        predict_callback: (model) -> anything that is JSON.

    Attributes:
        name: The site's.
        client_id: The same.
        package_path: The folder of the project.
        inference_callback: As `predict_callback`, but with parameters: (model, params).
        registered_callbacks: Those of the custom commands, by "Custom_" and the command's name.
    """

    def __init__(
        self,
        train_callback: Train | None = None,
        validate_callback: Validate | None = None,
        predict_callback: Predict | None = None,
    ) -> None:
        super().__init__(train_callback, validate_callback, predict_callback)
        self.name: str | None = None
        self.client_id: str | None = None
        self.package_path = "."
        self._site: Site | None = None
        self._thread = threading.local()
        self._said_that_context_misses = False

    if not TYPE_CHECKING:  # which finds wrong names itself

        def __getattr__(self, name: str) -> Any:
            """Raises AttributeError, with the name that was meant: only newer Pythons have that in a traceback that is sent."""
            close = get_close_matches(name, [other for other in (*dir(type(self)), *vars(self)) if other[0] != "_"], 1)
            meant = f"; did you mean {close[0]!r}?" if close else ""
            raise AttributeError(f"'EdgeClient' object has no attribute {name!r}{meant}")

    # The task

    def check_task_abort(self) -> None:
        """Raises `StoppedException` if the task that the calling thread runs was aborted; in any other thread it does nothing."""
        if self._site is not None:
            self._site.check_abort()

    @property
    def current_logging_context(self) -> LoggingContext | None:
        """Where the task stands that the calling thread runs; None in any other thread."""
        return getattr(self._thread, "context", None)

    @current_logging_context.setter
    def current_logging_context(self, context: LoggingContext | None) -> None:
        self._thread.context = context

    @contextmanager
    def logging_context(self, context: LoggingContext | None) -> Iterator[None]:
        """Has the calling thread log in a context, for a `with` statement."""
        before = self.current_logging_context
        self.current_logging_context = context
        try:
            yield
        finally:
            self.current_logging_context = before

    # What is logged

    def log_metric(
        self,
        metrics: Mapping[str, Any] | str,
        step: Any = None,
        commit: bool = True,
        check_task_abort: bool = True,
        context: LoggingContext | None = None,
    ) -> bool:
        """Logs numbers as points of curves.

        Args:
            metrics: {name: number}; or one name, and the number in place of `step`.
            step: Where the points stand, a number; the context goes on from here. None: where the context stands.
            commit: Whether the context's next step is one more.
            check_task_abort: Whether to stop, by `StoppedException`, a task that was aborted; what it logs here counts still.
            context: Where the task stands; None: that of the calling thread.

        Returns:
            Whether it was logged: False in a thread without a context.

        Raises:
            TypeError: a metric or the step is no number; a metric's step counts all the same.
        """
        if isinstance(metrics, str):
            metrics, step = {metrics: step}, None
        context = context or self.current_logging_context
        if context is None:
            if not self._said_that_context_misses:
                self._said_that_context_misses = True
                self._say("warning", _NO_CONTEXT)
            return False
        step = context.step if step is None else _step(step)
        context.step = step + 1 if commit else step
        self._logger.put_metric(_numbers(metrics), step=step)
        return self._logged(check_task_abort)

    def log_attributes(self, attributes: Mapping[str, Any], check_task_abort: bool = True) -> bool:
        """Logs facts about the site that are no curves, such as {"gpu": "A100"}."""
        self._logger.log_attributes(attributes)
        return self._logged(check_task_abort)

    def log_telemetry(
        self,
        telemetry: Mapping[str, Any] | None = None,
        check_task_abort: bool = True,
        *,
        key: str | None = None,
        payload: Mapping[str, Any] | None = None,
    ) -> bool:
        """Logs measurements of the site, which are metrics here; memory and CPU are measured without it.

        Args:
            telemetry: {name: number}.
            check_task_abort: Whether to stop a task that was aborted.
            key: One measurement's name, as Scaleout 1.1 has it.
            payload: Its numbers; {"value": number} if it is one.
        """
        numbers = dict(telemetry or {})
        for name, value in (payload or {}).items():
            numbers[f"{key}" if name == "value" else f"{key}.{name}"] = value
        self._logger.put_metric(_numbers(numbers))
        return self._logged(check_task_abort)

    def log_inference_result(self, key: str, payload: Mapping[str, Any]) -> bool:
        """Logs something that an inference found, as Scaleout 1.1 has it; a line of the run's log here."""
        self._logger.info(f"{key}: {dict(payload)}")
        return True

    def send_status(self, msg: str, log_level: LogLevel = LogLevel.INFO, type: str | None = None) -> None:
        """Writes a line to the run's log, with `type` before it."""
        getattr(self._logger, _LEVELS.get(LogLevel(log_level), "info"))(f"{type}: {msg}" if type else str(msg))

    def _logged(self, check_task_abort: bool) -> bool:
        if check_task_abort:
            self.check_task_abort()
        return True

    # Models

    def get_model_from_combiner(self, model_id: str) -> ScaleoutModel:
        """Returns a model that is at the site: the newest global one, or one that `send_model_to_combiner` took in this round.

        Raises:
            NotOnNVFlare: it is not here.
        """
        return self._of_the_run("get_model_from_combiner()").model(model_id)

    def send_model_to_combiner(self, model: ScaleoutModel) -> ModelResponse:
        """Keeps a model at the site until the next round; the server gets the one that the train callback returns."""
        return self._of_the_run("send_model_to_combiner()").keep(model)

    def stage_model(self, model: ScaleoutModel | str) -> ScaleoutModel:
        """Returns a model, or the one with this id that is at the site."""
        return self.get_model_from_combiner(model) if isinstance(model, str) else model

    def predict_global_model(self, request: TaskRequest) -> None:
        """Runs the predict callback with the model that the request names; what it returns is a line of the run's log."""
        site = self._of_the_run("predict_global_model()")
        site.logger.info(f"prediction: {site.infer(self, site.model(request.model_id), {})}")

    def run_inference(self, model: ScaleoutModel | str, params: Mapping[str, Any] | None = None) -> Any:
        """Returns what the inference callback makes of a model, as Scaleout 1.1 has it."""
        return self._of_the_run("run_inference()").infer(self, self.stage_model(model), dict(params or {}))

    # The network

    def set_name(self, name: str) -> None:
        """Takes a name; the site keeps its own in the run."""
        self.name = name

    def set_client_id(self, client_id: str) -> None:
        """Takes an id; the site keeps its own in the run."""
        self.client_id = client_id

    def connect_to_api(
        self,
        url: str,
        json: Mapping[str, Any] | None = None,
        token: str | None = None,
        token_refresh_callback: Refreshed | None = None,
    ) -> tuple[ConnectToApiResult, Any]:
        """In a run it is connected already: Assigned. Elsewhere it asks a Scaleout server, and returns what that answers.

        Args:
            url: The server's address.
            json: Who the client is: name, client_id, package, preferred_combiner.
            token: A refresh token.
            token_refresh_callback: Called with the new access token, refresh token and time until which the first is good.

        Returns:
            The outcome, and with it: GrpcConnectionOptions if it is Assigned, else the server's answer or a text.
        """
        if self._site is not None:
            return ConnectToApiResult.Assigned, GrpcConnectionOptions(host="", port=0, package="local")
        result, with_it, answer = connect(url, json or {}, token, token_refresh_callback)
        if result is ConnectToApiResult.Assigned:
            self.set_client_id(answer["client_id"])
            self.set_name((json or {}).get("name", answer["client_id"]))
        return result, with_it

    def init_grpchandler(
        self,
        config: GrpcConnectionOptions,
        token: str | None = None,
        url: str | None = None,
        token_refresh_callback: Refreshed | None = None,
    ) -> bool:
        """Returns True in a run, which NVFlare connects. Raises `NotOnNVFlare` elsewhere."""
        return self._of_the_run("init_grpchandler()") is not None

    def run(self, with_heartbeat: bool = False, with_polling: bool = True) -> None:
        """Returns at once in a run, which calls the callbacks itself. Raises `NotOnNVFlare` elsewhere."""
        self._of_the_run("run()")

    def _of_the_run(self, name: str) -> Site:
        if self._site is None:
            raise NotOnNVFlare(
                f"{name} needs a run, and this EdgeClient is in none: write startup(client), which registers the callbacks with "
                "the client that it gets, in a %%reson_startup cell or in a project, and submit it"
            )
        return self._site

    @property
    def _logger(self) -> Any:
        return self._of_the_run("logging").logger

    def _say(self, level: str, text: str) -> None:
        getattr(logging.getLogger("scaleout") if self._site is None else self._site.logger, level)(text)


_NO_CONTEXT = (
    "log_metric was called in a thread that runs no task, so nobody knows the round, and the metric is left out; take "
    "context = client.current_logging_context in the callback and pass context=context"
)


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    """Plain floats. A text is no number, even if it could be read as one."""
    if not isinstance(values, Mapping):
        raise TypeError(f"metrics are {{name: number}}, not a {type(values).__name__}")
    return {str(name): _number(name, value) for name, value in values.items()}


def _number(name: Any, value: Any) -> float:
    try:
        plain = value.item() if hasattr(value, "item") else value
        if not isinstance(plain, str | bytes):
            return float(plain)
    except (TypeError, ValueError, RuntimeError):
        pass
    except OverflowError:
        raise TypeError(f"the metric {name!r} is too large for a number with a point") from None
    raise TypeError(f"the metric {name!r} is {value!r:.80}, which is no number")


def _step(value: Any) -> Any:
    """A plain number."""
    try:
        plain = value.item() if hasattr(value, "item") else value
        if isinstance(plain, int | float) and math.isfinite(plain):
            return plain
    except (ValueError, RuntimeError, OverflowError):  # an array of many, a whole number beyond all others
        pass
    raise TypeError(f"the step is {value!r:.80}; it must be a whole number")
