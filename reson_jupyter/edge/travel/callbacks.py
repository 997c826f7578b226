"""The callbacks of a client: what a user's code registers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from .model import ScaleoutModel

Train = Callable[[ScaleoutModel, dict[str, Any]], tuple[ScaleoutModel | None, dict[str, Any]]]
Validate = Callable[[ScaleoutModel], dict[str, Any]]
Predict = Callable[[ScaleoutModel], Any]
Infer = Callable[[ScaleoutModel, dict[str, Any]], Any]
Custom = Callable[[Any], Any]
_PREFIX = "Custom_"
_PREDICT = "predict"  # the command that runs the predict callback
_LOGGER = logging.getLogger("scaleout")


class Callbacks:
    """The functions that a client is to call; the arguments are `EdgeClient`'s."""

    def __init__(
        self,
        train_callback: Train | None = None,
        validate_callback: Validate | None = None,
        predict_callback: Predict | None = None,
    ) -> None:
        self.train_callback = _callable(train_callback)
        self.validate_callback = _callable(validate_callback)
        self.predict_callback = _callable(predict_callback)
        self.inference_callback: Infer | None = None
        self.registered_callbacks: dict[str, Custom] = {}

    def set_train_callback(self, callback: Train | None) -> None:
        """Takes the function that trains a model: (model, settings) -> (model, {"training_metadata": {"num_examples": n}})."""
        self.train_callback = _callable(callback)

    def set_validate_callback(self, callback: Validate | None) -> None:
        """Takes the function that validates a model: (model) -> {name: number}."""
        self.validate_callback = _callable(callback)

    def set_predict_callback(self, callback: Predict | None) -> None:
        """Takes the function that the command "predict" runs with the newest global model: (model) -> anything that is JSON."""
        self.predict_callback = _callable(callback)

    def set_inference_callback(self, callback: Infer | None) -> None:
        """As `set_predict_callback`, by the name of Scaleout 1.1; it gets the command's parameters, too: (model, params)."""
        self.inference_callback = _callable(callback)

    def set_custom_callback(self, callback_name: str, callback: Custom) -> None:
        """Takes the function of a command: (params) -> anything that is JSON.

        Raises:
            ValueError: the name is that of the predict callback's command.
            TypeError: the callback is no function.
        """
        name = command_name(callback_name)
        if name == _PREDICT:
            raise ValueError(f"the command {_PREDICT!r} runs the predict callback; use set_predict_callback, or another name")
        if callback is None:
            raise TypeError(f"the callback of {name!r} is None; it must be a function that takes the command's parameters")
        self.registered_callbacks[_PREFIX + name] = _callable(callback)

    def remove_custom_callback(self, callback_name: str) -> None:
        """Forgets the function of a command, if there is one."""
        if self.registered_callbacks.pop(_PREFIX + command_name(callback_name), None) is None:
            _LOGGER.warning("there is no custom callback %r to remove", command_name(callback_name))


def command_name(callback_name: str) -> str:
    """A command's plain name; Scaleout has it with a prefix as well."""
    return callback_name.removeprefix(_PREFIX)


def _callable(callback: Any) -> Any:
    if callback is not None and not callable(callback):
        raise TypeError(f"a callback must be a function, not {callback!r}")
    return callback
