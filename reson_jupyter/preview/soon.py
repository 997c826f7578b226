"""Something that is looked up beside other work, and that nobody waits long for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from ..errors import ResonError

T = TypeVar("T")


class Soon(Generic[T]):
    """Looks on a daemon thread, which is left behind where it hangs.

    Args:
        look: What is looked up.
    """

    def __init__(self, look: Callable[[], T]) -> None:
        self._look = look
        self._found: list[T] = []
        self._raised: list[BaseException] = []
        self._begun = time.monotonic()
        self._thread = threading.Thread(target=self._carry, name="preview", daemon=True)
        self._thread.start()

    def within(self, seconds: float) -> T:
        """Returns what was found.

        Raises:
            ResonError: there is no answer so many seconds after the look began; and whatever `look` raised.
        """
        self._thread.join(max(0.0, self._begun + seconds - time.monotonic()))
        if self._raised:
            raise self._raised[0]
        if not self._found:
            raise ResonError("there was no answer for some seconds")
        return self._found[0]

    def _carry(self) -> None:
        try:
            self._found.append(self._look())
        except BaseException as error:
            self._raised.append(error)
