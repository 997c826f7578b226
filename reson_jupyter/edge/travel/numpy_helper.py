"""Parameters as a list of numpy arrays: files with the keys "0", "1", ... (numpyhelper), or of bare numbers (binaryhelper)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .helper_base import Arithmetic
from .npz import read_npz

Arrays = list[npt.NDArray[Any]]

_TYPES = ("npz", "raw_binary")
_NUMBERS = "biufc"  # numpy's kinds of numbers


class NumpyHelper(Arithmetic):
    """Parameters as a list of numpy arrays."""

    suffix = ".npz"
    namespace = np

    def __init__(self) -> None:
        super().__init__()
        self.name = "numpyhelper"

    def each(self, function: Callable[..., Any], *models: Sequence[Any]) -> Arrays:
        """Returns the arrays that a function makes of those of the models, taken together one by one.

        Raises:
            ValueError: the models do not have the same number of arrays.
        """
        lists = [self.values(model) for model in models]
        if len({len(arrays) for arrays in lists}) > 1:
            raise ValueError(
                f"the models have {' and '.join(str(len(arrays)) for arrays in lists)} arrays; they need as many each"
            )
        return [function(*arrays) for arrays in zip(*lists, strict=True)]

    def values(self, model: Sequence[Any]) -> list[Any]:
        """Returns the parameters as a list of arrays."""
        return [np.asarray(value) for value in model]

    def save(self, weights: Any, path: Any = None, file_type: str = "npz") -> Any:
        """Writes arrays to a file.

        Args:
            weights: A sequence of arrays of numbers.
            path: A path or a binary file; None: a new temporary file.
            file_type: "npz", or "raw_binary": all numbers as float64, one after the other, without their shapes.

        Returns:
            What was given as `path`, or the path of the new file.

        Raises:
            TypeError: these are no arrays of numbers.
            ValueError: there is no such file type.
        """
        self.check_supported_file_type(file_type)
        arrays = _arrays(weights)
        if file_type == "npz":
            target = path or self.get_tmp_path()
            named: dict[str, Any] = {str(index): array for index, array in enumerate(arrays)}
            np.savez_compressed(target, **named)
            return target
        target = path or self.get_tmp_path(".bin")
        numbers = np.concatenate([np.ravel(array) for array in arrays] or [np.empty(0)]).astype(np.float64)
        if hasattr(target, "write"):
            target.write(numbers.tobytes())
        else:
            numbers.tofile(target)
        return target

    def load(self, path: Any, file_type: str = "npz") -> Arrays:
        """Returns the arrays of a file; nothing in it is unpickled.

        Args:
            path: A path, or a binary file.
            file_type: As it was saved.

        Raises:
            ValueError: it is no file of this helper, or there is no such file type.
        """
        self.check_supported_file_type(file_type)
        if file_type == "npz":
            try:
                return list(read_npz(path).values())
            except ValueError as error:
                raise ValueError(f"this is no file that numpyhelper can read: {error}") from error
        if not hasattr(path, "read"):
            return [np.fromfile(path, dtype=np.float64)]
        data = path.read()
        if len(data) % 8:
            raise ValueError(f"{len(data)} bytes are no whole number of float64, which binaryhelper reads")
        return [np.frombuffer(data, dtype=np.float64)]

    def check_supported_file_type(self, file_type: str) -> bool:
        """Returns True. Raises `ValueError` where a file type is neither "npz" nor "raw_binary"."""
        if file_type not in _TYPES:
            raise ValueError(f"there is no file type {file_type!r}; use one of {', '.join(_TYPES)}")
        return True


class BinaryHelper(NumpyHelper):
    """Parameters as files of bare float64 numbers, read as one array."""

    def __init__(self) -> None:
        super().__init__()
        self.name = "binaryhelper"

    def save(self, model: Any, path: Any = None, file_type: str = "raw_binary") -> Any:
        """Writes arrays to a file; as the numpy helper's, with another default."""
        return super().save(model, path, file_type)

    def load(self, path: Any, file_type: str = "raw_binary") -> Arrays:
        """Returns the arrays of a file; as the numpy helper's, with another default."""
        return super().load(path, file_type)


def _arrays(weights: Any) -> Arrays:
    if isinstance(weights, Mapping):
        raise TypeError(
            "numpyhelper saves a list of arrays, and this is a mapping of names; pass [value.numpy() for value in "
            'state_dict.values()], or use get_helper("torchhelper") for a state_dict'
        )
    try:
        values = list(weights)
    except TypeError:
        raise TypeError(f"numpyhelper saves a list of arrays, and this is a {type(weights).__name__}") from None
    return [_array(index, value) for index, value in enumerate(values)]


def _array(index: int, value: Any) -> npt.NDArray[Any]:
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"array {index} is a {type(value).__name__} that numpy cannot read: {error}") from None
    if array.dtype.kind not in _NUMBERS:
        raise TypeError(f"array {index} holds {array.dtype}, no numbers; a model file has arrays of numbers only")
    return array
