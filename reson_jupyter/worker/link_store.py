"""What the link says to the store, and hears from it.

This file travels to the server, as link.py does; its names follow the same rules.
"""

import json as _reson_json
import os as _reson_os
import re as _reson_re
import time as _reson_time
from typing import Any as _reson_Any

import requests as _reson_requests
from urllib3.exceptions import HTTPError as _reson_HTTPError

from .lines import _reson_LineReader

_reson_POST_BYTES = 1 << 20  # of lines at once
_reson_TELEMETRY_PAUSE = 2.0  # seconds between two posts of telemetry
_reson_LINK_TIMEOUT = (5.0, 10.0)  # seconds: to connect, and without a byte
_reson_ASKED_BYTES = 8 << 20  # of all requests


class _reson_Refused(Exception):
    """The store does not do what it is asked for; the message says why, without any address."""


class _reson_Posts:
    """What the server reports, on its way into the store: `events.ndjson` in order, and the newest `telemetry.json`.

    Args:
        form: {"url", "fields", "prefix"}.
        run_dir: The server's run folder.
    """

    def __init__(self, form: dict[str, _reson_Any], run_dir: str) -> None:
        self._form = form
        self._session = _reson_requests.Session()
        self._lines = _reson_LineReader(_reson_os.path.join(run_dir, "events.ndjson"))
        self._next = 0  # line that is not in the store yet
        self._telemetry_file = _reson_os.path.join(run_dir, "telemetry.json")
        self._telemetry = b""
        self._telemetry_due = 0.0

    def post(self) -> "bool":
        """Posts some of what is new, and says whether there were new lines. Raises _reson_Refused."""
        lines = self._lines.read(self._next, _reson_POST_BYTES)
        if lines:
            self._put(f"{self._next:010d}.ndjson", lines)
            # Only now: what the store may not have is sent again by the same name, perhaps with more.
            self._next += lines.count(b"\n")
        if _reson_time.monotonic() >= self._telemetry_due:
            self._post_telemetry()
        return len(lines) > 0

    def _post_telemetry(self) -> None:
        try:
            with open(self._telemetry_file, "rb") as file:
                content = file.read()
        except OSError:
            return  # there is none yet
        if content != self._telemetry:
            self._put("telemetry.json", content)
            self._telemetry, self._telemetry_due = content, _reson_time.monotonic() + _reson_TELEMETRY_PAUSE

    def _put(self, name: str, content: bytes) -> None:
        fields = {**self._form["fields"], "key": self._form["prefix"] + name}
        file = {"file": (name, content, "application/octet-stream")}  # which has to come last
        try:
            answer = self._session.post(
                self._form["url"], data=fields, files=file, timeout=_reson_LINK_TIMEOUT, allow_redirects=False
            )
        except _reson_requests.RequestException as exc:
            raise _reson_Refused(f"the connection failed ({type(exc).__name__})") from None
        _reson_check(answer.status_code, answer.content, (200, 201, 204))


class _reson_Asking:
    """What the notebook asks for, as it lies in the store.

    Args:
        url: Its address.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._session = _reson_requests.Session()
        self._tag = ""

    def ask(self) -> dict[str, _reson_Any]:
        """{"stop", "requests"} if it has changed, else {}. Raises _reson_Refused."""
        headers = {"If-None-Match": self._tag} if self._tag else {}
        try:
            with self._session.get(self._url, headers=headers, timeout=_reson_LINK_TIMEOUT, stream=True) as answer:
                status = answer.status_code
                if status in (304, 403, 404):  # 403: nothing is there, for whoever may not know what is
                    return {}
                content = answer.raw.read(_reson_ASKED_BYTES, decode_content=True)
        except (_reson_requests.RequestException, _reson_HTTPError) as exc:
            raise _reson_Refused(f"the connection failed ({type(exc).__name__})") from None
        _reson_check(status, content, (200,))
        try:
            asked = _reson_json.loads(content)
        except (ValueError, RecursionError):
            asked = None
        if not isinstance(asked, dict) or not isinstance(asked.get("requests"), list):
            raise _reson_Refused("what is there is no list of requests")
        self._tag = answer.headers.get("ETag", "")
        return asked


def _reson_check(status: "int", content: bytes, good: "tuple[int, ...]") -> None:
    if status not in good:
        code = _reson_re.search(rb"<Code>(\w{1,60})</Code>", content[:4096])
        raise _reson_Refused(f"it answered {status}{f' {code[1].decode()}' if code else ''}")
