"""A model's weights between Scaleout's files and NVFlare: {key: array} on the wire, a list or a state_dict for a helper.

The numpy helper's arrays have the keys "0", "1", ..., as in its files; the torch helper's tensors those of their state_dict.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .npz import names_in_zip, read_npz

NUMPY = "numpyhelper"
TORCH = "torchhelper"
Value = np.ndarray[Any, Any] | torch.Tensor
Spec = dict[str, dict[str, Any]]


class SeedModel(torch.nn.Module):
    """What NVFlare's server holds in place of a model class: weights of these keys, shapes and dtypes, all zero until loaded.

    Args:
        helper: "numpyhelper" or "torchhelper".
        parameters: {key: {"shape": [...], "dtype": "float32"}}, as `spec_of` gives it. Floats are parameters, the rest buffers.

    Raises:
        ValueError: the helper or a dtype is not known.
    """

    def __init__(self, helper: str, parameters: Mapping[str, Mapping[str, Any]]) -> None:
        super().__init__()
        self._reson_helper = _known(helper)
        self._reson_keys = list(parameters)
        for key, spec in parameters.items():
            module: torch.nn.Module = self
            *path, name = key.split(".")
            for part in path:
                # Not through add_module and its like: a key may be called as a method of Module is.
                module = module._modules.setdefault(part, torch.nn.Module())  # type: ignore[assignment]
            value = torch.zeros(tuple(spec["shape"]), dtype=_dtype(spec["dtype"], key))
            if value.is_floating_point() or value.is_complex():
                module._parameters[name] = torch.nn.Parameter(value)
            else:
                module._buffers[name] = value
        self.register_state_dict_post_hook(_in_order)  # type: ignore[no-untyped-call]

    def forward(self, *_: Any) -> Any:
        """Nobody calls it.

        Raises:
            TypeError: always; the user's own code knows what to do with the weights.
        """
        raise TypeError("these are the weights of a Scaleout model without its code; only the callbacks of its startup use them")


def _in_order(module: torch.nn.Module, state_dict: dict[str, Any], prefix: str, _: Any) -> None:
    """Has the keys in the order of the seed, not parameters first: a list of the values is what some callbacks take."""
    keys: Any = module._reson_keys
    for key in keys:
        state_dict[prefix + key] = state_dict.pop(prefix + key)


def to_params(weights: Mapping[str, Value], helper: str) -> Any:
    """Returns weights as a helper's users know them.

    Args:
        weights: Arrays or tensors, by key.
        helper: "numpyhelper" or "torchhelper".

    Returns:
        A list of arrays in the order of their numbers, or an OrderedDict of tensors. They share no memory with `weights`.
    """
    if _known(helper) == TORCH:
        return OrderedDict((key, _tensor(value, key).clone()) for key, value in weights.items())
    return [_array(weights[key], key) for key in sorted(weights, key=int)]


def from_params(params: Any, helper: str) -> dict[str, np.ndarray[Any, Any]]:
    """Returns {key: array} of what a user's code made for a helper; bfloat16, which numpy has not, as float32.

    Args:
        params: A sequence of arrays, or a state_dict.
        helper: "numpyhelper" or "torchhelper".

    Raises:
        TypeError: it is neither, or something in it is no array.
    """
    if _known(helper) == TORCH:
        if not isinstance(params, Mapping):
            raise TypeError(f"the torch helper takes a state_dict, not a {type(params).__name__}")
        named = {str(key): value for key, value in params.items()}
    else:
        if not isinstance(params, Sequence) or isinstance(params, str | bytes):
            raise TypeError(f"the numpy helper takes a list of arrays, not a {type(params).__name__}")
        named = {str(number): value for number, value in enumerate(params)}
    return {key: _array(value, key) for key, value in named.items()}


def spec_of(weights: Mapping[str, Value]) -> Spec:
    """Returns {key: {"shape", "dtype"}} of arrays or tensors, for `SeedModel`. Raises `TypeError` if one holds no numbers."""
    tensors = {key: _tensor(value, key) for key, value in weights.items()}
    return {key: {"shape": list(value.shape), "dtype": str(value.dtype).removeprefix("torch.")} for key, value in tensors.items()}


def read_seed(path: str | os.PathLike[str]) -> tuple[str, dict[str, torch.Tensor]]:
    """Returns the helper that wrote a file of weights, and the weights. What the file is called says nothing; nothing in it runs.

    Args:
        path: A file of the numpy helper (an npz whose arrays are called 0, 1, ...) or of torch (a state_dict, or a dict with one
            under "model" or "state_dict").

    Raises:
        OSError: it cannot be read.
        ValueError: it is no such file.
    """
    with open(path, "rb"):
        pass  # neither of the two below says so when there is no file
    try:
        helper, found = (NUMPY, _arrays(path)) if is_npz(path) else (TORCH, _state_dict(path))
        return helper, {key: _usable(_tensor(value, key), key) for key, value in found.items()}
    except (ValueError, TypeError) as error:
        raise ValueError(f"{Path(path).name} is no model of Scaleout's numpy or torch helper: {error}") from None


def is_npz(path: str | os.PathLike[str]) -> bool:
    """Whether a file is one of numpy's archives; torch's are zips as well."""
    names = names_in_zip(path)
    return names is not None and all(name.endswith(".npy") for name in names)


def _arrays(path: str | os.PathLike[str]) -> dict[str, Any]:
    arrays = read_npz(path)
    if not arrays:
        raise ValueError("it has no arrays")
    return arrays


def _state_dict(path: str | os.PathLike[str]) -> dict[str, Any]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # torch says in many ways, and many lines, that it cannot
        raise ValueError("it is neither an npz nor what torch.save(model.state_dict(), path) writes") from None
    for key in ("model", "state_dict"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not content:
        raise ValueError(f"it holds no state_dict but {'an empty one' if content == {} else f'a {type(content).__name__}'}")
    if others := [key for key, value in content.items() if not isinstance(key, str) or not isinstance(value, torch.Tensor)]:
        raise ValueError(f"it holds {others[0]!r}, which is no tensor")
    return dict(content)


def _known(helper: str) -> str:
    if helper not in (NUMPY, TORCH):
        raise ValueError(f"models of the helper {helper!r} cannot be averaged; use {NUMPY!r} or {TORCH!r}")
    return helper


def _dtype(name: str, key: str) -> torch.dtype:
    found = getattr(torch, name, None)
    if not isinstance(found, torch.dtype):
        raise ValueError(f"{key} has the dtype {name!r}, which torch does not know")
    return found


def _tensor(value: Any, key: str) -> torch.Tensor:
    """A value as a tensor on the CPU, outside of any graph."""
    if isinstance(value, torch.Tensor):
        if value.is_meta:
            raise TypeError(f"{key} is on the device 'meta', where a tensor has no numbers")
        return value.detach().cpu()
    array = np.array(value, order="C")  # a copy: what NVFlare received is read-only, and a view may run backwards
    if not array.dtype.isnative:  # torch has no other byte order
        array = array.astype(array.dtype.newbyteorder("="))
    try:
        return torch.from_numpy(array)
    except TypeError:
        raise TypeError(f"{key} holds {array.dtype}, which no average can be made of") from None


def _usable(tensor: torch.Tensor, key: str) -> torch.Tensor:
    """A tensor whose numbers are all there, and such that sites can send them. Raises `TypeError` if it is another."""
    if tensor.layout != torch.strided or tensor.is_quantized:
        raise TypeError(f"{key} is sparse or quantized, which no average can be made of; save {key}.to_dense() or .dequantize()")
    if tensor.untyped_storage().nbytes() < tensor.numel() * tensor.element_size():
        raise TypeError(f"{key} is a view that repeats its numbers; save {key}.clone()")
    try:
        _array(torch.empty(0, dtype=tensor.dtype), key)
    except TypeError:
        name = str(tensor.dtype).removeprefix("torch.")
        raise TypeError(f"{key} holds {name}, which no average can be made of; save {key}.float()") from None
    return tensor


def _array(value: Any, key: str) -> np.ndarray[Any, Any]:
    """A value as an array of its own."""
    tensor = _tensor(value, key)
    if isinstance(value, torch.Tensor):
        tensor = tensor.float() if tensor.dtype == torch.bfloat16 else tensor.clone()
    return tensor.numpy()
