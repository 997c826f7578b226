"""Parameters as the state_dict of a torch module."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import torch

from .helper_base import Arithmetic
from .npz import opened

Tensors = OrderedDict[str, torch.Tensor]


class TorchHelper(Arithmetic):
    """Parameters as a state_dict: tensors by name, on the CPU. Arithmetic keeps every tensor's dtype."""

    suffix = ".pt"
    namespace = torch

    def __init__(self) -> None:
        super().__init__()
        self.name = "torchhelper"

    def each(self, function: Callable[..., Any], *models: Mapping[str, torch.Tensor]) -> Tensors:
        """Returns the tensors that a function makes of those of the models, taken together by their names.

        Raises:
            ValueError: the models do not have the same names.
        """
        first = models[0]
        for other in models[1:]:
            if different := sorted(first.keys() ^ other.keys()):
                raise ValueError(f"the models have not the same parameters: {', '.join(different)} are in one of them only")
        return OrderedDict((name, _as_before(function, [model[name] for model in models])) for name in first)

    def values(self, model: Mapping[str, torch.Tensor]) -> list[Any]:
        """Returns the parameters as a list of tensors."""
        return list(model.values())

    def save(self, model: Any, path: Any = None) -> Any:
        """Writes a state_dict to a file.

        Args:
            model: Tensors by name, as `module.state_dict()` gives them.
            path: A path or a binary file; None: a new temporary file.

        Returns:
            What was given as `path`, or the path of the new file.

        Raises:
            TypeError: it is no state_dict.
        """
        if isinstance(model, torch.nn.Module):
            raise TypeError("torchhelper saves a state_dict, and this is a module; pass module.state_dict()")
        _require_tensors(model, TypeError, "torchhelper saves a state_dict, tensors by name, and this is not one")
        target = path or self.get_tmp_path()
        torch.save(OrderedDict((name, value.detach().cpu()) for name, value in model.items()), target)
        return target

    def load(self, path: Any) -> Tensors:
        """Returns the state_dict of a file; nothing in it but tensors is unpickled.

        Args:
            path: A path, or a binary file.

        Raises:
            ValueError: it is no file of a state_dict.
        """
        with opened(path) as stream:
            try:
                found = torch.load(stream, map_location="cpu", weights_only=True)
            except Exception as error:  # torch says in many ways, and many lines, that it cannot
                raise ValueError("this is no file that torchhelper can read: it reads what it saved, a state_dict") from error
        _require_tensors(found, ValueError, "this torch file holds no state_dict, tensors by name")
        return OrderedDict(found)


def _require_tensors(found: Any, error: type[Exception], message: str) -> None:
    if not isinstance(found, Mapping):
        raise error(f"{message}, but a {type(found).__name__}")
    for name, value in found.items():
        if not isinstance(name, str) or not isinstance(value, torch.Tensor):
            raise error(f"{message}: {name!r} is a {type(value).__name__}")


def _as_before(function: Callable[..., Any], tensors: list[torch.Tensor]) -> torch.Tensor:
    """What a function makes of tensors, as the dtype of the first; of whole numbers in float64, rounded at the end."""
    dtype = tensors[0].dtype
    if dtype.is_floating_point or dtype.is_complex:
        made: torch.Tensor = function(*tensors)
        return made.to(dtype)
    whole: torch.Tensor = function(*(tensor.double() for tensor in tensors))
    return whole.round().to(dtype)
