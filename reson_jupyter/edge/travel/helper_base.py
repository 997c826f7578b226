"""What a helper is: it writes a model's parameters to a file, reads them, and calculates with them."""

from __future__ import annotations

import os
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any


class HelperBase(ABC):
    """The base of all helpers, a user's own ones as well."""

    def __init__(self) -> None:
        self.name = type(self).__name__

    @abstractmethod
    def increment_average(self, m1: Any, m2: Any, n: float, N: float) -> Any:
        """Returns the weighted mean of models after one more has been taken in.

        Args:
            m1: The mean so far.
            m2: The parameters that are taken in.
            n: The examples behind `m2`.
            N: All examples, those behind `m2` included.
        """

    @abstractmethod
    def save(self, model: Any, path: Any = None) -> Any:
        """Writes parameters to a path or a binary file; returns that."""

    @abstractmethod
    def load(self, path: Any) -> Any:
        """Returns the parameters that a path or a binary file holds."""


class Arithmetic(HelperBase):
    """Arithmetic on parameters, one by one.

    Attributes:
        suffix: How the name of its files ends.
        namespace: What calculates: numpy or torch.
    """

    suffix: str
    namespace: Any

    @abstractmethod
    def each(self, function: Callable[..., Any], *models: Any) -> Any:
        """Returns the parameters that a function makes of those of the models, taken together one by one.

        Raises:
            ValueError: the models do not have the same parameters.
        """

    @abstractmethod
    def values(self, model: Any) -> list[Any]:
        """Returns the parameters as a list."""

    def get_tmp_path(self, suffix: str | None = None) -> str:
        """Makes an empty temporary file and returns its path; the caller removes it."""
        handle, path = tempfile.mkstemp(suffix=self.suffix if suffix is None else suffix)
        os.close(handle)
        return path

    def increment_average(self, m1: Any, m2: Any, n: float, N: float) -> Any:
        """Returns the weighted mean of models after `m2`, with `n` of all `N` examples, has been taken into the mean `m1`."""
        return self.each(lambda x, y: x + n * (y - x) / N, m1, m2)

    def add(self, m1: Any, m2: Any, a: float = 1.0, b: float = 1.0) -> Any:
        """Returns `a * m1 + b * m2`."""
        return self.each(lambda x, y: x * a + y * b, m1, m2)

    def subtract(self, m1: Any, m2: Any, a: float = 1.0, b: float = 1.0) -> Any:
        """Returns `a * m1 - b * m2`."""
        return self.add(m1, m2, a, -b)

    def multiply(self, m1: Any, m2: Any) -> Any:
        """Returns `m1 * m2`, element by element."""
        return self.each(lambda x, y: x * y, m1, m2)

    def divide(self, m1: Any, m2: Any) -> Any:
        """Returns `m1 / m2`, element by element."""
        return self.each(lambda x, y: x / y, m1, m2)

    def power(self, m1: Any, a: float) -> Any:
        """Returns `m1 ** a`, element by element."""
        return self.each(lambda x: x**a, m1)

    def sqrt(self, m1: Any) -> Any:
        """Returns the square roots, element by element."""
        return self.each(self.namespace.sqrt, m1)

    def sign(self, m: Any) -> Any:
        """Returns -1, 0 or 1 for every element."""
        return self.each(self.namespace.sign, m)

    def ones(self, m1: Any, a: float) -> Any:
        """Returns parameters of the same shapes, all elements `a`."""
        return self.each(lambda x: self.namespace.ones(tuple(x.shape)) * a, m1)

    def norm(self, m: Any) -> float:
        """Returns the sum of the parameters' 1-norms, which vectors and matrices have."""
        return float(sum(self.namespace.linalg.norm(value, 1) for value in self.values(m)))
