"""The site's end of a run: it starts the user's code once, and runs its callbacks for the executor and the agent."""

from __future__ import annotations

import json
import os
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from functools import partial
from math import inf
from numbers import Real
from typing import Any

from .callbacks import command_name
from .client import EdgeClient, StoppedException
from .connection import NotOnNVFlare
from .context import LoggingContext
from .helpers import get_helper
from .messages import ModelResponse, ModelStatus, TaskRequest
from .model import ScaleoutModel
from .places import raise_at
from .settings import Settings
from .weights import Value, from_params, to_params

Startup = Callable[[EdgeClient], Any]
_PROMISE = 'it must return (model, {"training_metadata": {"num_examples": n}})'
_MOST_TEXT = 2000  # characters of what validate returns beside numbers
_MOST_KEPT = 8  # models that were sent; each may be large, and a loop may send one in every step
_site: Site | None = None


def open_site(find_startup: Callable[[], Startup], helper: str) -> Site:
    """Makes the one site of this process.

    Args:
        find_startup: Returns the user's `startup(client)`; called when the first task comes.
        helper: "numpyhelper" or "torchhelper".
    """
    global _site
    _site = Site(find_startup, helper)
    return _site


def commands(env: Mapping[str, Any], logger: Any) -> dict[str, Callable[[Any], Any]]:
    """The commands that the site's user code has, by name; each takes the command's parameters.

    Args:
        env: What user functions get as `env`, as far as it is known between two rounds.
        logger: What a command logs to.
    """
    if _site is None:
        raise RuntimeError("this process is no site of a run")
    return _site.commands(env, logger)


class Site:
    """A site with its client; the arguments are those of `open_site`.

    `env` is what user functions get as env, `logger` that of the task, `weights` {key: array or tensor}, all as the executor has
    them.
    """

    def __init__(self, find_startup: Callable[[], Startup], helper: str) -> None:
        self._find_startup = find_startup
        self._helper = get_helper(helper)
        self._helper_name = helper
        self._client: EdgeClient | None = None
        self._starting = threading.Lock()
        self._thread = threading.local()
        self._newest: Any = None  # logger of the newest task
        self._global: ScaleoutModel | None = None
        self._kept: dict[str, ScaleoutModel] = {}
        self._no_metrics: set[str] = set()  # what validate returns that is no number, once it was said

    def started(self, env: Mapping[str, Any], logger: Any) -> EdgeClient:
        """The client, with the user's callbacks; what `startup` raises passes through, and the next task tries again."""
        with self._starting:
            self._newest = self._newest or logger
            if self._client is None:
                os.environ["RESON_DATA_ROOT"] = env["DATA_ROOT"]
                client = EdgeClient()
                client._site = self
                client.set_name(env["SITE_NAME"])
                client.set_client_id(env["SITE_NAME"])
                with self._logging_to(logger):
                    self._find_startup()(client)
                self._client = client
            return self._client

    def train(self, weights: Mapping[str, Value], env: Mapping[str, Any], logger: Any) -> dict[str, Any]:
        """What the train callback makes of the global model: {"weights", "samples", and the numbers of its metadata}.

        Raises:
            ValueError, TypeError: it did not return what it must; the text says where, and what it must return.
        """
        client = self.started(env, logger)
        where = f"{_where(env)}: the train callback"
        if client.train_callback is None:
            raise NotOnNVFlare(f"{where} is missing; startup(client) must call client.set_train_callback(...)")
        settings = Settings(env)
        request = self._new_round("Fedn_ModelUpdate", weights, env, {"client_settings": settings})
        with self._task(client, logger, request):
            returned = client.train_callback(self.model(request.model_id), settings)
        try:
            return self._contribution(returned, where)
        except (TypeError, ValueError) as exc:
            raise_at(client.train_callback, exc)

    def can_validate(self, env: Mapping[str, Any], logger: Any) -> bool:
        """Whether the user's code has a validate callback."""
        return self.started(env, logger).validate_callback is not None

    def validate(self, weights: Mapping[str, Value], env: Mapping[str, Any], logger: Any) -> dict[str, Any]:
        """What the validate callback returned about the global model; what of it is no number becomes a line of the log.

        Raises:
            TypeError: it returned no dict.
        """
        client = self.started(env, logger)
        assert client.validate_callback is not None
        request = self._new_round("Fedn_Validation", weights, env, {})
        with self._task(client, logger, request):
            metrics: Any = client.validate_callback(self.model(request.model_id))
        if metrics is not None and not isinstance(metrics, Mapping):
            text = f"{_where(env)}: the validate callback returned a {type(metrics).__name__}; it must return a dict of metrics"
            raise_at(client.validate_callback, TypeError(text))
        found = dict(metrics or {})
        if others := {name: value for name, value in found.items() if not _is_number(value)}:
            logger.info(f"the validate callback also returned {others}"[:_MOST_TEXT])
            if new := sorted({str(name) for name in others} - self._no_metrics):
                self._no_metrics.update(new)
                names = ", ".join(map(repr, new))
                logger.warning(f"no metric is made of {names}, which the validate callback returned: no number"[:_MOST_TEXT])
        return found

    def commands(self, env: Mapping[str, Any], logger: Any) -> dict[str, Callable[[Any], Any]]:
        """As the function of this name."""
        client = self.started(env, logger)
        found: dict[str, Callable[[Any], Any]] = {
            command_name(name): partial(self._command, client, name, env, logger) for name in client.registered_callbacks
        }
        if client.predict_callback or client.inference_callback:
            found["predict"] = partial(self._predict, client, env, logger)
        return found

    # What the client asks for

    @property
    def logger(self) -> Any:
        """Of the task that this thread runs, else of the newest one."""
        return getattr(self._thread, "logger", None) or self._newest

    def check_abort(self) -> None:
        """Raises `StoppedException` if the task that this thread runs was aborted."""
        if logger := getattr(self._thread, "logger", None):
            try:
                logger.check_task_abort()
            except logger.Aborted:
                raise StoppedException("Aborted by server") from None

    def model(self, model_id: str) -> ScaleoutModel:
        """A copy of a model that is at the site."""
        there = [*([self._global] if self._global else []), *self._kept.values()]
        for model in there:
            if model.model_id == model_id:
                with model.get_stream() as stream:
                    copy = ScaleoutModel.from_stream(stream)
                copy.model_id, copy.helper = model_id, self._helper
                return copy
        raise NotOnNVFlare(
            f"there is no model {model_id!r} at this site; there are: {', '.join(str(one.model_id) for one in there) or 'none'}. "
            "The models of earlier rounds are had in the notebook, by run.model()"
        )

    def keep(self, model: ScaleoutModel) -> ModelResponse:
        """Keeps a model at the site until the next round, or until many others were sent after it.

        It is kept under its id; it gets one if it has none, or that of the global model, which stays what it is.
        """
        if not model.model_id or (self._global is not None and model.model_id == self._global.model_id):
            model.model_id = str(uuid.uuid4())
        self._kept.pop(model.model_id, None)
        self._kept[model.model_id] = model
        for name in list(self._kept)[:-_MOST_KEPT]:
            self._kept.pop(name, None)
        text = "the model stays at the site; the server gets the one that the train callback returns"
        return ModelResponse(status=ModelStatus.OK, message=text)

    def infer(self, client: EdgeClient, model: ScaleoutModel, params: Any) -> Any:
        """What the predict callback makes of a model."""
        if client.predict_callback is not None:
            return client.predict_callback(model)
        if client.inference_callback is not None:
            return client.inference_callback(model, params)
        raise NotOnNVFlare("there is no predict callback; startup(client) must call client.set_predict_callback(...)")

    # Tasks

    def _command(self, client: EdgeClient, name: str, env: Mapping[str, Any], logger: Any, params: Any) -> Any:
        params = {} if params is None else params
        with self._task(client, logger, _request(name, env, params)):
            return client.registered_callbacks[name](params)

    def _predict(self, client: EdgeClient, env: Mapping[str, Any], logger: Any, params: Any) -> Any:
        if self._global is None:
            raise NotOnNVFlare("no global model has come to this site yet; ask again once the first round has begun")
        params = {} if params is None else params
        with self._task(client, logger, _request("Fedn_Prediction", env, params)):
            return self.infer(client, self.model(str(self._global.model_id)), params)

    def _new_round(self, task: str, weights: Mapping[str, Value], env: Mapping[str, Any], data: Any) -> TaskRequest:
        """Takes the global model, unless it is here already because it was validated before."""
        request = _request(task, env, data)
        if self._global is None or self._global.model_id != request.model_id:
            self._global = ScaleoutModel.from_model_params(to_params(weights, self._helper_name), helper=self._helper)
            self._global.model_id = request.model_id
            self._kept.clear()
        return request

    @contextmanager
    def _task(self, client: EdgeClient, logger: Any, request: TaskRequest) -> Iterator[None]:
        """Has the thread run a task; whatever it raises once it is aborted, or returns, is an abort."""
        if not request.type.startswith(("Custom_", "Fedn_Prediction")):
            self._newest = logger
        with self._logging_to(logger), client.logging_context(LoggingContext(request=request)):
            yield

    @contextmanager
    def _logging_to(self, logger: Any) -> Iterator[None]:
        """Has this thread's code log to `logger`, and stop when its task is aborted."""
        before = getattr(self._thread, "logger", None)
        self._thread.logger = logger
        try:
            yield
        except Exception:
            logger.check_task_abort()
            raise
        finally:
            self._thread.logger = before
        logger.check_task_abort()

    def _contribution(self, returned: Any, where: str) -> dict[str, Any]:
        if not isinstance(returned, tuple) or len(returned) != 2:
            raise TypeError(f"{where} returned a {type(returned).__name__}; {_PROMISE}")
        model, meta = returned
        if not isinstance(model, ScaleoutModel):
            raise TypeError(f"{where} returned a {type(model).__name__} as model; make one by ScaleoutModel.from_model_params")
        training = meta.get("training_metadata") if isinstance(meta, Mapping) else None
        examples: Any = None
        if (
            not isinstance(training, Mapping)
            or not _is_number(examples := training.get("num_examples"))
            or not 0 < examples < inf
        ):
            raise ValueError(f"{where} returned num_examples={examples!r}; {_PROMISE}, with n > 0, the examples it trained on")
        try:
            weights = from_params(model.get_model_params(self._helper), self._helper_name)
        except Exception as exc:
            raise ValueError(f"{where} returned a model that {self._helper_name} cannot read: {exc}") from exc
        numbers = {name: value for name, value in {**meta, **training}.items() if _is_number(value) and name != "num_examples"}
        return {**numbers, "weights": weights, "samples": examples}


def _where(env: Mapping[str, Any]) -> str:
    round_ = env["CURRENT_ROUND"]
    return f"{env['SITE_NAME']}, " + ("final validation" if round_ == env["NUM_ROUNDS"] else f"round {round_ + 1}")


def _request(task: str, env: Mapping[str, Any], data: Any) -> TaskRequest:
    """A request in this round; its model is the global one that the round began with."""
    round_ = env.get("CURRENT_ROUND")
    number = "" if round_ is None else str(round_)
    return TaskRequest(
        model_id=f"{env['JOB_ID']}-{number}" if number else "",
        data=json.dumps(data, default=str),
        correlation_id=str(uuid.uuid4()),
        timestamp=datetime.now(timezone.utc).isoformat(),
        session_id=env["JOB_ID"],
        round_id=number,
        type=task,
        client_id=env["SITE_NAME"],
    )


def _is_number(value: Any) -> bool:
    """Whether a value is one number: int, float, numpy or torch scalar; True and False are not."""
    plain = value.item() if hasattr(value, "item") and getattr(value, "ndim", 0) == 0 else value
    return isinstance(plain, Real) and not isinstance(plain, bool)
