"""One REST client: authorized, patient where a call may be repeated, and silent about secrets."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter

from ...config import ResonTechConfig
from ...config.urls import is_loopback
from ...errors import PlatformError, TargetError
from .answers import json_of, no_answer, problem_of
from .login import KeyAuth, LoginAuth
from .retries import patiently

_CONNECT, _READ = 10.0, 60.0  # seconds
_BLOCK = 1 << 18
_HOSTS = "https://api.reson.tech, or https://api.beta.reson.tech for beta"
_IS_IT_THE_API = f"Is RESON_BASE_URL the API's address, and not that of the pages? It should be like {_HOSTS}."
_MOST_REDIRECTS = 5


class Client:
    """Talks to the platform's API. Any thread may use it.

    Args:
        connection: Address and key, or e-mail and password.

    Raises:
        TargetError: these cannot be right; nothing was requested.
    """

    def __init__(self, connection: ResonTechConfig) -> None:
        if not connection.base_url:
            raise TargetError("no address of the platform is set", f"Set RESON_BASE_URL: {_HOSTS}.")
        self.base_url = connection.base_url
        self._allow_http = connection.allow_http
        self._session = _Session()
        key = connection.platform_api_key.get_secret_value()
        self._auth: KeyAuth | LoginAuth
        if not key and connection.email:
            self._auth = LoginAuth(connection.email, connection.password.get_secret_value(), self._log_in)
        else:
            self._auth = KeyAuth(key)

    def __repr__(self) -> str:
        return f"Client({self.base_url!r})"

    def get(self, path: str, **query: str | int) -> Any:
        """Returns the answer to a GET. Raises `PlatformError`."""
        return self._call("GET", path, repeatable=True, params=query)

    def post(self, path: str, body: Mapping[str, Any], *, repeatable: bool = False, timeout: float = _READ) -> Any:
        """Returns the answer to a POST, {} where it is empty.

        Args:
            path: Such as "/api/tasks".
            body: What is sent as JSON.
            repeatable: Whether it does no harm twice, so that it may be repeated when nobody can tell whether it arrived.
            timeout: Seconds that the answer may take.

        Raises:
            PlatformError: the platform refused it, or did not answer.
        """
        return self._call("POST", path, repeatable=repeatable, timeout=timeout, json=dict(body))

    def put(self, url: str, body: IO[bytes], stop: threading.Event) -> requests.Response:
        """Sends bytes to a presigned URL, without authorization, until `stop` is set.

        Returns:
            The answer, whatever it says.

        Raises:
            PlatformError: there was none, or the data must not go there.
        """
        try:
            parts = urlsplit(url)
        except ValueError:
            parts = urlsplit("")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise PlatformError("the platform named a place for an upload that is no URL")
        if parts.scheme == "http" and not self._allow_http and not is_loopback(parts.hostname):
            raise PlatformError(
                f"the platform wants the data at {parts.hostname} over plain http, for everybody on the way to see",
                "Set RESON_ALLOW_HTTP=1 for a network of your own.",
            )

        def send() -> requests.Response:
            body.seek(0)
            # Neither our key nor anything of a .netrc may go with it.
            return self._session.put(url, data=body, auth=_unchanged, allow_redirects=False, timeout=(_CONNECT, _READ))

        with _told(f"{parts.scheme}://{parts.netloc}"):
            return patiently(send, repeatable=True, stop=stop)

    def _call(self, method: str, path: str, repeatable: bool, timeout: float = _READ, **content: Any) -> Any:
        def send() -> requests.Response:
            return self._session.request(
                method, f"{self.base_url}{path}", auth=self._auth, timeout=(_CONNECT, timeout),
                allow_redirects=method == "GET", **content,
            )  # fmt: skip

        with _told(self.base_url):
            answer = patiently(send, repeatable=repeatable)
            if answer.status_code == 401 and self._auth.renew():
                answer = patiently(send, repeatable=repeatable)
        if not 200 <= answer.status_code < 300:
            raise problem_of(answer, self._auth)
        try:
            return json_of(answer) if answer.content else {}
        except ValueError:
            raise PlatformError(
                f"{self.base_url} answered {method} {path} with something that is no JSON to be read",
                _IS_IT_THE_API,
            ) from None

    def _log_in(self, path: str, body: Mapping[str, Any]) -> requests.Response:
        """Asks for a token; the session keeps the cookie by which the next one is had."""

        def send() -> requests.Response:
            return self._session.post(
                f"{self.base_url}{path}", json=dict(body), auth=_unchanged, allow_redirects=False, timeout=(_CONNECT, _READ)
            )

        return patiently(send, repeatable=True)


class _Session(requests.Session):
    """Follows redirects on the same server only: another one has no business with our key."""

    def __init__(self) -> None:
        super().__init__()
        self.headers["User-Agent"] = "reson-jupyter"
        self.max_redirects = _MOST_REDIRECTS
        for scheme in ("https://", "http://"):
            self.mount(scheme, _Adapter(pool_maxsize=16))

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Where an answer sends us on to, if it does."""
        here = urlsplit(resp.url)
        try:
            target = super().get_redirect_target(resp)
            there = urlsplit(urljoin(resp.url, target or ""))
        except ValueError:
            resp.close()
            raise PlatformError(
                f"{here.scheme}://{here.netloc} sends us on to something that is no URL", _IS_IT_THE_API, status=resp.status_code
            ) from None
        if target and (here.scheme, here.netloc) != (there.scheme, there.netloc):
            resp.close()
            raise PlatformError(
                f"{here.scheme}://{here.netloc} sends us on to {there.scheme}://{there.netloc[:100]}",
                "If that is the platform, set RESON_BASE_URL to it; keys and data are not sent on to another server.",
                status=resp.status_code,
            )
        return target


class _Adapter(HTTPAdapter):
    """Sends files in larger blocks than the 16 KiB of http.client."""

    def init_poolmanager(self, *args: Any, **more: Any) -> None:
        super().init_poolmanager(*args, **more, blocksize=_BLOCK)


@contextmanager
def _told(where: str) -> Iterator[None]:
    """Tells what goes wrong on the way there and back; the libraries' own words may hold what nobody may see."""
    try:
        yield
    except requests.RequestException as error:
        raise no_answer(error, where) from None
    except (ValueError, RecursionError) as error:
        raise PlatformError(f"{where} was asked in vain, or its answer cannot be read ({type(error).__name__})") from None


def _unchanged(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request
