"""The callbacks of a client: what a user's code registers."""

from __future__ import annotations

import inspect
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
_FORMS = {
    "train": "(model, settings)",
    "validate": "(model)",
    "predict": "(model)",
    "inference": "(model, params)",
    "custom": "(params)",
}
_LOGGER = logging.getLogger("scaleout")


class Callbacks:
    """The functions that a client is to call; the arguments are `EdgeClient`'s."""

    def __init__(
        self,
        train_callback: Train | None = None,
        validate_callback: Validate | None = None,
        predict_callback: Predict | None = None,
    ) -> None:
        self.train_callback = _callable(train_callback, "train")
        self.validate_callback = _callable(validate_callback, "validate")
        self.predict_callback = _callable(predict_callback, "predict")
        self.inference_callback: Infer | None = None
        self.registered_callbacks: dict[str, Custom] = {}

    def set_train_callback(self, callback: Train | None) -> None:
        """Takes the function that trains a model: (model, settings) -> (model, {"training_metadata": {"num_examples": n}}).

        Raises:
            TypeError: it is no function, or none that can be called so. The other callbacks are looked at likewise.
        """
        self.train_callback = _callable(callback, "train")

    def set_validate_callback(self, callback: Validate | None) -> None:
        """Takes the function that validates a model: (model) -> {name: number}."""
        self.validate_callback = _callable(callback, "validate")

    def set_predict_callback(self, callback: Predict | None) -> None:
        """Takes the function that the command "predict" runs with the newest global model: (model) -> anything that is JSON."""
        self.predict_callback = _callable(callback, "predict")

    def set_inference_callback(self, callback: Infer | None) -> None:
        """As `set_predict_callback`, by the name of Scaleout 1.1; it gets the command's parameters, too: (model, params)."""
        self.inference_callback = _callable(callback, "inference")

    def set_custom_callback(self, callback_name: str, callback: Custom) -> None:
        """Takes the function of a command: (params) -> anything that is JSON.

        Raises:
            ValueError: the name is that of the predict callback's command, or cannot be called by in a notebook.
            TypeError: the callback is no function, or none of one argument.
        """
        if not isinstance(callback_name, str) or not (plain := command_name(callback_name)).strip() or not plain.isprintable():
            raise ValueError(f"a command's name is a text in one line, not {callback_name!r:.80}")
        name = command_name(callback_name)
        if name == _PREDICT:
            raise ValueError(f"the command {_PREDICT!r} runs the predict callback; use set_predict_callback, or another name")
        if callback is None:
            raise TypeError(f"the callback of {name!r} is None; it must be a function that takes the command's parameters")
        self.registered_callbacks[_PREFIX + name] = _callable(callback, "custom")

    def remove_custom_callback(self, callback_name: str) -> None:
        """Forgets the function of a command, if there is one."""
        if self.registered_callbacks.pop(_PREFIX + command_name(callback_name), None) is None:
            _LOGGER.warning("there is no custom callback %r to remove", command_name(callback_name))


def command_name(callback_name: str) -> str:
    """A command's plain name; Scaleout has it with a prefix as well."""
    return callback_name.removeprefix(_PREFIX)


def _callable(callback: Any, role: str) -> Any:
    """A callback, if it can be called as this role is: here the traceback still has the user's line."""
    if callback is None:
        return None
    if not callable(callback):
        raise TypeError(f"a callback must be a function, not {callback!r}")
    name, form = getattr(callback, "__name__", type(callback).__name__), _FORMS[role]
    if inspect.iscoroutinefunction(callback):
        raise TypeError(f"the {role} callback {name} is async, and nobody would await it; define it with a plain def")
    try:
        signature = inspect.signature(callback)
    except ValueError:  # some of those that are built in have none to look at
        return callback
    try:
        signature.bind(*form.split(","))
    except TypeError as error:
        raise TypeError(f"the {role} callback is called as {name}{form}, and it is {name}{signature}: {error}") from None
    return callback
