"""A client's way to a Scaleout server, for code that asks for one itself."""

from __future__ import annotations

import base64
import enum
import json as json_
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

_TIMEOUT = 10  # seconds
_LIFETIME = 3600  # seconds of a token that does not say its own
Refreshed = Callable[[str, str, datetime], Any]


class NotOnNVFlare(RuntimeError):
    """A call of Scaleout's that has no meaning here, or not where it was made; the text says what to use."""


class ConnectToApiResult(enum.Enum):
    """What a Scaleout server answers to a client that wants to join."""

    Assigned = 0
    ComputePackageMissing = 1
    UnAuthorized = 2
    UnMatchedConfig = 3
    IncorrectUrl = 4
    UnknownError = 5


@dataclass
class GrpcConnectionOptions:
    """Where a client would find its combiner; `host` is the internal name if there is no public one."""

    host: str
    port: int
    internal_hostname: str = ""
    package: str = ""
    helper_type: str = ""

    def __post_init__(self) -> None:
        self.host = self.host or self.internal_hostname

    @classmethod
    def from_dict(cls, config: Mapping[str, Any]) -> GrpcConnectionOptions:
        """The options in a server's answer."""
        names = ("internal_hostname", "package", "helper_type")
        return cls(config.get("public_hostname", ""), config.get("port", 0), **{name: config.get(name, "") for name in names})


def connect(
    url: str, json: Mapping[str, Any], token: str | None, refreshed: Refreshed | None
) -> tuple[ConnectToApiResult, Any, dict[str, Any]]:
    """Asks a Scaleout server to take a client.

    Args:
        url: The server's address.
        json: Who the client is: name, client_id, package, preferred_combiner.
        token: A refresh token.
        refreshed: Called with the new access token, refresh token and time until which the first is good.

    Returns:
        The outcome, what Scaleout gives with it (the combiner's `GrpcConnectionOptions`, an answer or a text), and the answer.
    """
    import requests  # only who connects needs it

    try:
        headers = {"Authorization": f"Bearer {_access_token(url, token, refreshed)}"} if token else {}
        response = requests.post(_endpoint(url, "api/v1/clients/add"), json=dict(json), headers=headers, timeout=_TIMEOUT)
    except _Refused as exc:
        return ConnectToApiResult.UnAuthorized, str(exc), {}
    except (requests.RequestException, ValueError) as exc:
        return ConnectToApiResult.UnknownError, str(exc), {}
    answer = _answer(response)
    message = str(answer.get("message", "Unknown error"))
    match response.status_code:
        case 200 if "client_id" in answer:
            return ConnectToApiResult.Assigned, GrpcConnectionOptions.from_dict(answer), answer
        case 203:
            return ConnectToApiResult.ComputePackageMissing, answer, answer
        case 401:
            return ConnectToApiResult.UnAuthorized, "Unauthorized", answer
        case 400 | 406:
            return ConnectToApiResult.UnMatchedConfig, message, answer
        case 404:
            return ConnectToApiResult.IncorrectUrl, "Incorrect URL", answer
        case 500:
            return ConnectToApiResult.UnknownError, f"Server error: {answer.get('message', 'Unknown server error')}", answer
        case code:
            text = answer.get("message", "this is no answer of a Scaleout server")
            return ConnectToApiResult.UnknownError, f"HTTP {code}: {text}", answer


class _Refused(Exception):
    """The server takes the token no more."""


def _access_token(url: str, token: str, refreshed: Refreshed | None) -> str:
    import requests

    asked = {"refresh_token": token, "role": "client"}
    response = requests.post(_endpoint(url, "api/auth/refresh"), json=asked, timeout=_TIMEOUT)
    answer = _answer(response)
    access = answer.get("access_token") or answer.get("access")
    if response.status_code == 401:
        raise _Refused("the refresh token is invalid or expired; get a new one")
    if not access:
        raise ValueError(f"no access token came from {_endpoint(url, 'api/auth/refresh')} (HTTP {response.status_code})")
    if refreshed is not None:
        refresh = answer.get("refresh_token") or answer.get("refresh") or token
        refreshed(str(access), str(refresh), _good_until(str(access), answer))
    return str(access)


def _good_until(access: str, answer: Mapping[str, Any]) -> datetime:
    """What the token says itself if it is a JWT, else what the server said."""
    try:
        payload = access.split(".")[1]
        return datetime.fromtimestamp(
            json_.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["exp"], timezone.utc
        )
    except (IndexError, KeyError, TypeError, ValueError):
        return datetime.now(timezone.utc) + timedelta(seconds=answer.get("expires_in") or _LIFETIME)


def _endpoint(url: str, path: str) -> str:
    return f"{url.strip('/')}/{path}"


def _answer(response: Any) -> dict[str, Any]:
    try:
        answer = response.json()
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
