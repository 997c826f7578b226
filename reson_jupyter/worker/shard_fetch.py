"""Fetches a shard's zip by a signed address, as often as it takes, each time from where it was cut off.

Whoever has the address has the data, so it stands in no message and no log; the errors of requests have it in their text.

This file travels to the sites below the executor's module, as zip_rules.py does; its names follow the same rules.
"""

import os as _reson_os
import re as _reson_re
import time as _reson_time
from collections.abc import Callable as _reson_Callable
from typing import Any as _reson_Any
from urllib.parse import urlsplit as _reson_urlsplit

import requests as _reson_requests

from .common import _reson_hide_queries

_reson_FETCH_TIMEOUT = (10.0, 30.0)  # seconds: to connect, and without a byte
_reson_FETCH_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)  # seconds after attempts that brought nothing
_reson_FETCH_BLOCK = 1 << 14  # what is lost of an answer that is cut off
_reson_TELL_SECONDS = 10.0  # between two notes of how far it is
_reson_AGAIN_LATER = (408, 425, 429, 500, 502, 503, 504)


class _reson_NoShard(Exception):
    """A shard cannot be had; the message says why, in a sentence without its end."""


class _reson_CutOff(Exception):
    """An attempt failed, and another may do better; the message says why it failed."""


class _reson_Download:
    """The way of one zip to this site.

    Args:
        shard: {"name", "url", "sha256", "bytes"}.
        path: The file; what is there already is its begin.
        check: Called several times a second while bytes come; raises where the site is to stop.
        tell: Told in a sentence how far it is.
    """

    def __init__(
        self,
        shard: dict[str, _reson_Any],
        path: str,
        check: _reson_Callable[[], None],
        tell: _reson_Callable[[str], None],
    ) -> None:
        self._url, self._name, self._bytes = shard["url"], shard["name"], shard["bytes"]
        self._path = path
        self._check = check
        self._tell = tell
        self._told = _reson_time.monotonic()

    def run(self) -> None:
        """Fetches what is missing of the file; its content is not checked.

        Raises:
            _reson_NoShard: the store refuses it, or does not answer.
            OSError: the disk fails.
        """
        _reson_hide_queries()
        failures = 0
        while (have := self._have()) < self._bytes:
            try:
                self._attempt(have)
            except _reson_CutOff as exc:
                failures = 0 if self._have() > have else failures + 1
                if failures > len(_reson_FETCH_PAUSES):
                    raise _reson_NoShard(f"the shard {self._name} cannot be fetched from {self._host}: {exc}") from None
                self._pause(_reson_FETCH_PAUSES[failures - 1] if failures else _reson_FETCH_PAUSES[0])

    @property
    def _host(self) -> str:
        parts = _reson_urlsplit(self._url)
        return f"{parts.hostname}:{parts.port}" if parts.port else f"{parts.hostname}"

    def _have(self) -> "int":
        return _reson_os.path.getsize(self._path) if _reson_os.path.exists(self._path) else 0

    def _attempt(self, have: "int") -> None:
        headers = {"Range": f"bytes={have}-", "Accept-Encoding": "identity"}
        try:
            with _reson_requests.get(self._url, headers=headers, stream=True, timeout=_reson_FETCH_TIMEOUT) as answer:
                self._take(answer, have)
        except _reson_requests.RequestException as exc:
            raise _reson_CutOff(f"the connection failed ({type(exc).__name__})") from None

    def _take(self, answer: _reson_Any, have: "int") -> None:
        """Writes an answer down, behind what is there if it is the rest."""
        status = answer.status_code
        if status in _reson_AGAIN_LATER:
            raise _reson_CutOff(f"the store answered {status}")
        if status not in (200, 206):
            said = _reson_re.search(rb"<Code>(\w{1,60})</Code>", answer.raw.read(4096) or b"")
            code = f" {said[1].decode()}" if said else ""
            raise _reson_NoShard(
                f"the store refuses the shard {self._name} ({status}{code}); the address that came with the run may have expired"
            )
        rest = status == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        if status == 206 and not rest:
            raise _reson_CutOff("the store sent another part than it was asked for")
        have = have if rest else 0
        with open(self._path, "ab" if rest else "wb") as file:
            for block in answer.iter_content(_reson_FETCH_BLOCK):
                self._check()
                have += len(block)
                if have > self._bytes:
                    raise _reson_NoShard(
                        f"the shard {self._name} is larger in the store than the {self._bytes:,} bytes submitted"
                    )
                file.write(block)
                self._say(have)
        if have < self._bytes:
            raise _reson_CutOff("the answer ended too early")

    def _say(self, have: "int") -> None:
        if _reson_time.monotonic() - self._told > _reson_TELL_SECONDS:
            self._told = _reson_time.monotonic()
            self._tell(f"fetched {have / 1e6:,.1f} of {self._bytes / 1e6:,.1f} MB of the shard {self._name}")

    def _pause(self, seconds: "float") -> None:
        until = _reson_time.monotonic() + seconds
        while _reson_time.monotonic() < until:
            self._check()
            _reson_time.sleep(0.1)
