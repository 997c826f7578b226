"""What the platform answers when it does not do what it is asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


class Refused(Exception):
    """An error answer, in the platform's envelope.

    Args:
        status: The HTTP status.
        code: The platform's word for it; "" is left out, as where the framework answers and not the platform.
        message: A text, or a list of texts as the check of a body gives.
        hint: What to do.
    """

    def __init__(self, status: int, code: str, message: str | list[str], hint: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.body = {name: value for name, value in (("code", code), ("message", message), ("hint", hint)) if value}


def invalid(*messages: str) -> Refused:
    """What a request gets that is not as documented."""
    return Refused(400, "validation_error", list(messages))


@dataclass
class WireFault:
    """What happens to the next requests of one kind.

    Attributes:
        request: Which requests, as in `Platform.asked`: "POST /api/tasks"; "*" is every one.
        times: How many of them.
        reset: The connection is reset before the request is looked at.
        lost: The request is carried out, but its answer never comes.
        answer: A status and a body that are answered; the request is not carried out. Text is answered as it is.
        headers: What goes with that answer.
        delay: Seconds before anything else happens.
        until: What else nothing happens before.
        edit: Makes of the answer what is answered.
    """

    request: str
    times: int = 1
    reset: bool = False
    lost: bool = False
    answer: tuple[int, Mapping[str, Any] | str] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    until: threading.Event | None = None
    edit: Callable[[Any], Any] = lambda body: body
