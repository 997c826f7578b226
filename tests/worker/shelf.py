"""A web server that gives one file, as well or as badly as a test says."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from tests.servers import serving

SECRET = "X-Amz-Signature=sesame"


@dataclass
class Shelf:
    """What lies there, and what happens to the next requests.

    Attributes:
        content: The file.
        faults: Of each the first still to come: bytes after which the connection is cut, or a status that is answered.
        ranges: Whether parts can be asked for.
        asked: The Range of each request.
        before: Called before each answer.
    """

    content: bytes
    faults: list[tuple[str, int]] = field(default_factory=list)
    ranges: bool = True
    asked: list[str] = field(default_factory=list)
    before: Callable[[], None] = lambda: None
    url: str = ""


@contextmanager
def shelf(content: bytes) -> Iterator[Shelf]:
    """Runs the server; the address of the file has a signature that must be told to nobody."""
    found = Shelf(content)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.append(self.headers.get("Range", ""))
            found.before()
            kind, number = found.faults.pop(0) if found.faults else ("", 0)
            if kind == "status":
                body = b"<Error><Code>AccessDenied</Code><Message>Request has expired: sesame</Message></Error>"
                self.answer(number, body, len(body))
                return
            asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            begin = int(asked[1]) if asked and found.ranges else 0
            body = found.content[begin:]
            if found.ranges and begin < len(found.content):
                self.answer(206, body, number if kind == "cut" else len(body), begin)
            else:
                self.answer(200, body, number if kind == "cut" else len(body))

        def answer(self, status: int, body: bytes, sent: int, begin: int = 0) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            if status == 206:
                self.send_header("Content-Range", f"bytes {begin}-{len(found.content) - 1}/{len(found.content)}")
            self.end_headers()
            self.wfile.write(body[:sent])

        def log_message(self, *_: object) -> None:
            pass

    with serving(Handler) as url:
        found.url = f"{url}/shard.zip?{SECRET}"
        yield found
