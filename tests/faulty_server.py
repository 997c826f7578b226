"""A server of S3 that is sound but for what a test says, and that counts what it is asked for."""

from __future__ import annotations

import http.client
import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlsplit

from tests.servers import serving


@dataclass
class Fault:
    """What happens to the next requests of one kind.

    Attributes:
        operation: Which requests, as in `operation_of`.
        times: How many of them.
        after: The connection is reset when so many bytes of the body have come.
        answer: A status and a code that are answered; the request goes nowhere. Without a code nothing else is said.
        lost: The request is carried out, but its answer never comes.
        edit: What is replaced in the answer, and by what.
        query: What is added to the request's query.
    """

    operation: str
    times: int = 1
    after: int | None = None
    answer: tuple[int, str] | None = None
    lost: bool = False
    edit: tuple[bytes, bytes] = (b"", b"")
    query: str = ""


class FaultyServer:
    """Passes requests on to the plain http server at `url`, counts them, and does to them what `faults` says.

    Attributes:
        faults: What is to happen; each goes when it has happened as often as it says.
        asked: The kinds of the requests, in order.
        received: The bytes of bodies by kind of request.
    """

    def __init__(self, url: str) -> None:
        self.faults: list[Fault] = []
        self.asked: list[str] = []
        self.received: Counter[str] = Counter()
        self._target = urlsplit(url).netloc
        self._lock = threading.Lock()

    def fault_of(self, operation: str) -> Fault:
        """Notes a request and returns what is to happen to it."""
        with self._lock:
            self.asked.append(operation)
            for fault in self.faults:
                if fault.operation == operation and fault.times:
                    fault.times -= 1
                    return fault
        return Fault(operation)

    def receive(self, handler: BaseHTTPRequestHandler, operation: str, limit: int) -> bytes:
        """Reads a request's body, or its begin."""
        body = bytearray()
        while len(body) < limit and (block := handler.rfile.read(min(65_536, limit - len(body)))):
            body += block
            with self._lock:
                self.received[operation] += len(block)
        return bytes(body)

    def pass_on(self, handler: BaseHTTPRequestHandler, body: bytes, query: str) -> tuple[int, dict[str, str], bytes]:
        """Asks the real server."""
        connection = http.client.HTTPConnection(self._target)
        path = f"{handler.path}{'&' if '?' in handler.path else '?'}{query}" if query else handler.path
        headers = {name: value for name, value in handler.headers.items() if name.lower() != "expect"}
        connection.request(handler.command, path, body, headers)
        answer = connection.getresponse()
        found = (answer.status, dict(answer.getheaders()), answer.read())
        connection.close()
        return found


def operation_of(command: str, path: str) -> str:
    """Returns what a request is for, by S3's name for it."""
    parts = urlsplit(path)
    query = parse_qs(parts.query, keep_blank_values=True)
    if "uploadId" in query:
        kinds = {"PUT": "UploadPart", "POST": "CompleteMultipartUpload", "GET": "ListParts", "DELETE": "AbortMultipartUpload"}
        return kinds[command]
    if "uploads" in query:
        return {"POST": "CreateMultipartUpload", "GET": "ListMultipartUploads"}[command]
    kinds = {"PUT": "PutObject", "GET": "GetObject", "HEAD": "HeadObject", "DELETE": "DeleteObject", "POST": "PostObject"}
    return kinds[command]


@contextmanager
def faulty_server(url: str) -> Iterator[tuple[str, FaultyServer]]:
    """Runs a `FaultyServer` before the server at `url`; yields its URL and itself."""
    faulty = FaultyServer(url)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def answer(self) -> None:
            operation = operation_of(self.command, self.path)
            fault = faulty.fault_of(operation)
            size = int(self.headers.get("Content-Length") or 0)
            body = faulty.receive(self, operation, size if fault.after is None else min(size, fault.after))
            if fault.after is not None:
                return self.reset()
            if fault.answer is not None:
                status, code = fault.answer
                text = f"<Error><Code>{code}</Code><Message>as told</Message></Error>" if code else ""
                return self.say(status, {}, text.encode())
            if len(body) < size:
                return self.reset()
            status, headers, found = faulty.pass_on(self, body, fault.query)
            if fault.lost:
                return self.reset()
            return self.say(status, headers, found.replace(*fault.edit) if fault.edit[0] else found)

        def say(self, status: int, headers: dict[str, str], body: bytes) -> None:
            length = headers.get("Content-Length", "0") if self.command == "HEAD" else str(len(body))
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in ("content-length", "transfer-encoding", "connection", "date", "server"):
                    self.send_header(name, value)
            self.send_header("Content-Length", length)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def reset(self) -> None:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = answer

        def handle(self) -> None:
            with suppress(OSError, ValueError):
                super().handle()

        def finish(self) -> None:
            with suppress(OSError, ValueError):
                super().finish()

        def log_message(self, *_: object) -> None:
            pass

    with serving(Handler) as own:
        yield own, faulty
