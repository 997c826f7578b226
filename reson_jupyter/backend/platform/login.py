"""Who we are to the platform: by a platform key, or by the e-mail and password of older deployments."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from typing import Any

import requests
from requests.auth import AuthBase

from ...errors import PlatformError, TargetError
from .answers import json_of, problem_of

LOGIN, _REFRESH = "/api/auth/login", "/api/auth/refresh"
_KEY = re.compile(r"rsk_(live|dev)_[!-~]+")
_TOKEN = re.compile(r"[!-~]+")
_NEW_KEY = "Make one on the platform's pages, Profile -> Developer, and set RESON_API_KEY to it."


class KeyAuth(AuthBase):
    """Sends the platform key with every request.

    Raises:
        TargetError: it is none.
    """

    what = "the platform key"

    def __init__(self, key: str) -> None:
        key = key.strip()
        if not key:
            raise TargetError("no platform key is set", _NEW_KEY)
        if not _KEY.fullmatch(key):
            raise TargetError(
                "what RESON_API_KEY holds is no platform key: those begin with rsk_live_ or rsk_dev_",
                _NEW_KEY,
            )
        self.secrets = (key,)
        self.hint = (
            "It may have been revoked, or be of another environment: rsk_live_ is for api.reson.tech, rsk_dev_ for all others. "
            f"{_NEW_KEY}"
        )

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Authorizes a request."""
        request.headers["Authorization"] = f"Bearer {self.secrets[0]}"
        return request

    def renew(self) -> bool:
        """No: a key that is refused stays refused."""
        return False


class LoginAuth(AuthBase):
    """Logs in at the first request, and renews the token when it has run out.

    Args:
        email: The account.
        password: Its password.
        ask: Posts to a path of the platform.
    """

    what = "the e-mail or the password"
    hint = "Correct RESON_EMAIL and RESON_PASSWORD; newer deployments take a platform key only (RESON_API_KEY)."

    def __init__(self, email: str, password: str, ask: Callable[[str, Mapping[str, Any]], requests.Response]) -> None:
        self._email = email
        self._password = password
        self._ask = ask
        self._lock = threading.Lock()
        self._token = ""

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no message may show."""
        return tuple(filter(None, (self._password, self._token)))

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Authorizes a request."""
        with self._lock:
            if not self._token:
                self._log_in()
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request

    def renew(self) -> bool:
        """Gets a new token, by the cookie of the last one or else by a login."""
        with self._lock:
            answer = self._ask(_REFRESH, {})
            if answer.status_code in (200, 201) and self._take(answer):
                return True
            self._log_in()
        return True

    def _log_in(self) -> None:
        answer = self._ask(LOGIN, {"email": self._email, "password": self._password})
        if answer.status_code in (404, 405):
            raise PlatformError(f"the platform has no login by e-mail ({answer.status_code})", self.hint, status=401)
        if answer.status_code not in (200, 201):
            raise problem_of(answer, self)
        if not self._take(answer):
            raise PlatformError("the platform's login gave no token that can be sent", self.hint, status=401)

    def _take(self, answer: requests.Response) -> bool:
        try:
            token = json_of(answer)["accessToken"]
        except (ValueError, KeyError, TypeError):
            return False
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            return False
        self._token = token
        return True
