"""When a request is sent again, and how long that waits.

urllib3's own retrying writes the whole address of every repetition to the log, and that of a presigned URL is a secret.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

import requests
from urllib3.exceptions import InvalidHeader, MaxRetryError, NewConnectionError
from urllib3.util import Retry

_ATTEMPTS = 5
_FIRST_PAUSE = 0.5  # seconds; doubled each time, and never the same for two clients
# A server may ask for a pause of hours; nobody should wait for that without hearing of it.
_LONGEST_PAUSE = 30.0
_BUSY = (429, 500, 502, 503, 504)
_FOR_GOOD = (
    requests.exceptions.SSLError,
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidHeader,
    requests.exceptions.TooManyRedirects,
    requests.exceptions.ContentDecodingError,
)


def patiently(
    send: Callable[[], requests.Response], *, repeatable: bool, stop: threading.Event | None = None
) -> requests.Response:
    """Sends a request until it is answered; the last answer may still be that the server has too much to do.

    Args:
        send: Sends it.
        repeatable: Whether it does no harm twice; else only what never reached the server is sent again.
        stop: Once set, nothing is sent again.

    Raises:
        requests.RequestException: there was no answer.
    """
    stop = stop or threading.Event()
    for attempt in range(1, _ATTEMPTS + 1):
        asked = 0.0
        try:
            answer = send()
        except requests.RequestException as error:
            hopeless = isinstance(error, _FOR_GOOD) or not (repeatable or never_sent(error))
            # An address where nobody listens is mostly a wrong one, and a user waits.
            if hopeless or attempt == _ATTEMPTS or (never_sent(error) and attempt > 2):
                raise
        else:
            if answer.status_code not in _BUSY or not repeatable or attempt == _ATTEMPTS:
                return answer
            asked = _asked_pause(answer)
        pause = _FIRST_PAUSE * 2 ** (attempt - 1) * random.uniform(0.5, 1.5)
        if stop.wait(min(max(pause, asked), _LONGEST_PAUSE)):
            raise requests.ConnectionError("stopped")
    raise AssertionError("the last attempt returns or raises")


def never_sent(error: requests.RequestException) -> bool:
    """Whether a request did not even reach a server."""
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return True
    cause = error.args[0] if error.args else None
    return isinstance(cause, MaxRetryError) and isinstance(cause.reason, NewConnectionError)


def _asked_pause(answer: requests.Response) -> float:
    """The seconds that a server asks for before the next request."""
    try:
        return Retry().parse_retry_after(answer.headers.get("Retry-After", "0"))
    except (InvalidHeader, ValueError, OverflowError):
        return 0.0
