"""The helpers by their names, and the files of metadata and metrics beside a model's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from .helper_base import Arithmetic

# torch is imported only where its helper is asked for: the commands of a project each start a Python of their own.
_HELPERS = {
    "numpyhelper": (".numpy_helper", "NumpyHelper"),
    "binaryhelper": (".numpy_helper", "BinaryHelper"),
    "torchhelper": (".torch_helper", "TorchHelper"),
}


def get_helper(helper_module_name: str) -> Arithmetic:
    """Returns a new helper.

    Args:
        helper_module_name: "numpyhelper" (a list of arrays as npz), "binaryhelper" (bare float64 numbers) or "torchhelper" (a
            state_dict).

    Raises:
        ModuleNotFoundError: there is no such helper.
    """
    if helper_module_name not in _HELPERS:
        raise ModuleNotFoundError(f"there is no helper {helper_module_name!r} here; use one of {', '.join(_HELPERS)}")
    module, name = _HELPERS[helper_module_name]
    helper: Arithmetic = getattr(import_module(module, __package__), name)()
    return helper


def save_metadata(metadata: Mapping[str, Any], filename: str) -> None:
    """Writes metadata as JSON beside a model's file, to `filename` with "-metadata" behind it."""
    _write(metadata, f"{filename}-metadata")


def load_metadata(filename: str) -> Any:
    """Returns what `save_metadata` wrote beside a model's file."""
    with open(f"{filename}-metadata", encoding="utf-8") as file:
        return json.load(file)


def save_metrics(metrics: Mapping[str, Any], filename: str) -> None:
    """Writes metrics as JSON to a file."""
    _write(metrics, filename)


def _write(content: Mapping[str, Any], filename: str) -> None:
    text = json.dumps(content)  # first, so that what JSON cannot say leaves no half file
    with open(filename, "w", encoding="utf-8") as file:
        file.write(text)
