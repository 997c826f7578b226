"""A platform to test against: its REST API as documented, strictly, before a bucket of moto, with workers that really train.

    with s3_server() as s3, platform_server(s3) as platform:
        ...  # platform.environment names it as a user's environment would

What it takes and answers is in tests/platform/; here is the HTTP server around it.
"""

from __future__ import annotations

import dataclasses
import json
import re
import socket
import struct
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.faulty_server import faulty_server
from tests.platform.answers import Refused, invalid
from tests.platform.app import Answer, Asked, Platform
from tests.servers import S3Endpoint, serving

_WITH_ID = re.compile(r"(/api/tasks|/api/customer/dashboard/jobs)/([^/]+)(/\w+)?")


@contextmanager
def platform_server(endpoint: S3Endpoint) -> Iterator[Platform]:
    """Runs a platform whose bucket is that of `endpoint`, an http server; clients reach both by wires that can be broken."""
    with faulty_server(endpoint.url) as (s3_url, s3):
        platform = Platform(endpoint, dataclasses.replace(endpoint, url=s3_url), s3)
        with serving(_handler_of(platform)) as platform.base_url:
            try:
                yield platform
            finally:
                platform.close()


def _handler_of(platform: Platform) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Or every answer waits 40 ms for a packet that is not full.
        disable_nagle_algorithm = True

        def answer(self) -> None:
            parts = urlsplit(self.path)
            found = _WITH_ID.fullmatch(parts.path)
            path, job = (f"{found[1]}/{{id}}{found[3] or ''}", found[2]) if found else (parts.path, "")
            route = f"{self.command} {path}"
            fault = platform.fault_of(route)
            time.sleep(fault.delay)
            if fault.until is not None:
                fault.until.wait(200)
            data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if fault.reset:
                return self.reset()
            if fault.answer is not None:
                return self.say(*fault.answer, fault.headers)
            try:
                asked = Asked(route, job, _query_of(parts.query), self.body_of(data), self.headers)
                answered = platform.answer(asked)
            except Refused as refused:
                answered = Answer(refused.body, refused.status)
            if fault.lost:
                return self.reset()
            return self.say(answered.status, fault.edit(answered.body), answered.headers)

        def body_of(self, data: bytes) -> Any:
            if not data:
                return None
            if (self.headers.get("Content-Type") or "").partition(";")[0] != "application/json":
                raise Refused(415, "", "The body must be application/json")
            try:
                return json.loads(data)
            except ValueError as error:
                raise invalid(f"The body is no JSON: {error}") from None

        def say(self, status: int, body: Any, headers: Mapping[str, str]) -> None:
            data = b"" if body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "text/html" if isinstance(body, str) else "application/json; charset=utf-8")
            if status != 204:
                self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def reset(self) -> None:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()

        do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = answer

        def handle(self) -> None:
            with suppress(OSError, ValueError):
                super().handle()

        def finish(self) -> None:
            with suppress(OSError, ValueError):
                super().finish()

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def _query_of(text: str) -> dict[str, str]:
    return dict(parse_qsl(text, keep_blank_values=True))
