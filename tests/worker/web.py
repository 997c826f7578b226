"""An https server on loopback that answers as well or as badly as its paths say, and what is said of it."""

from __future__ import annotations

import ssl
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from reson_jupyter.worker import download

IMAGE = b"\x89PNG\r\n\x1a\n and so on"
SIGNED = "?X-Amz-Credential=key&X-Amz-Signature=canary"
Answer = Callable[[BaseHTTPRequestHandler, "Web"], None]


@dataclass
class Web:
    """An https server for localhost that does what the path says."""

    port: int = 0
    asked: list[str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    ended: threading.Event = field(default_factory=threading.Event)


def image(request: BaseHTTPRequestHandler, web: Web) -> None:
    plain(request, 200, {"Content-Type": "image/png", "Content-Length": len(IMAGE)}, IMAGE)


def jpeg_in_chunks(request: BaseHTTPRequestHandler, web: Web) -> None:
    head = {"Content-Type": "Image/JPEG; charset=binary", "Transfer-Encoding": "chunked"}
    plain(request, 200, head, b"3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n")


def without_length(request: BaseHTTPRequestHandler, web: Web) -> None:
    plain(request, 200, {"Content-Type": "image/png"}, IMAGE)


def redirect(request: BaseHTTPRequestHandler, web: Web) -> None:
    plain(request, 302, {"Location": f"https://localhost:{web.port}/image{SIGNED}", "Content-Length": 0}, b"")


def not_modified(request: BaseHTTPRequestHandler, web: Web) -> None:
    plain(request, 304, {}, b"")


def forbidden(request: BaseHTTPRequestHandler, web: Web) -> None:
    plain(request, 403, {"Content-Length": 0}, b"")


def strange_status(request: BaseHTTPRequestHandler, web: Web) -> None:
    plain(request, 299, {"Content-Type": "image/png", "Content-Length": len(IMAGE)}, IMAGE)


def html(request: BaseHTTPRequestHandler, web: Web) -> None:
    plain(request, 200, {"Content-Type": "text/html", "Content-Length": 4}, b"<b/>")


def no_type(request: BaseHTTPRequestHandler, web: Web) -> None:
    plain(request, 200, {"Content-Length": len(IMAGE)}, IMAGE)


def says_it_is_large(request: BaseHTTPRequestHandler, web: Web) -> None:
    plain(request, 200, {"Content-Type": "image/png", "Content-Length": 2_000_000}, b"x")


def endless(request: BaseHTTPRequestHandler, web: Web) -> None:
    plain(request, 200, {"Content-Type": "image/png"}, b"")
    while True:
        request.wfile.write(bytes(100_000))


def endless_in_chunks(request: BaseHTTPRequestHandler, web: Web) -> None:
    plain(request, 200, {"Content-Type": "image/png", "Transfer-Encoding": "chunked"}, b"")
    while True:
        request.wfile.write(b"186a0\r\n" + bytes(100_000) + b"\r\n")


def breaks_off(request: BaseHTTPRequestHandler, web: Web) -> None:
    plain(request, 200, {"Content-Type": "image/png", "Content-Length": 1_000}, IMAGE)


def breaks_off_in_chunks(request: BaseHTTPRequestHandler, web: Web) -> None:
    plain(request, 200, {"Content-Type": "image/png", "Transfer-Encoding": "chunked"}, b"ff\r\nab")


def repeats_what_it_hears(request: BaseHTTPRequestHandler, web: Web) -> None:
    request.wfile.write(request.requestline.encode() + b"\r\n\r\n")


def drip(request: BaseHTTPRequestHandler, web: Web) -> None:
    plain(request, 200, {"Content-Type": "image/png", "Content-Length": 1_000_000}, b"")
    while not web.ended.wait(0.02):
        request.wfile.write(b"x")


def drip_of_headers(request: BaseHTTPRequestHandler, web: Web) -> None:
    request.wfile.write(b"HTTP/1.1 200 OK\r\nX-Much: ")
    while not web.ended.wait(0.02):
        request.wfile.write(b"x")


def goes_on_and_on(request: BaseHTTPRequestHandler, web: Web) -> None:
    while not web.ended.wait(0.02):
        request.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")


def thinks(request: BaseHTTPRequestHandler, web: Web) -> None:
    web.ended.wait(1.5)
    image(request, web)


def silence(request: BaseHTTPRequestHandler, web: Web) -> None:
    web.ended.wait()


def plain(request: BaseHTTPRequestHandler, status: int, headers: dict[str, Any], body: bytes) -> None:
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name, str(value))
    request.end_headers()
    request.wfile.write(body)


class Handler(BaseHTTPRequestHandler):
    """Answers with the function that the path names, and closes."""

    web: Web

    def do_GET(self) -> None:
        self.web.asked.append(self.path)
        self.web.headers = dict(self.headers)
        answer: Answer = globals()[urlsplit(self.path).path.strip("/")]
        self.close_connection = True
        try:
            answer(self, self.web)
        except OSError:
            self.web.asked.append("the fetcher hung up")

    def log_message(self, *_: object) -> None:
        pass


class Quiet(ThreadingHTTPServer):
    """Some of its clients leave in the handshake."""

    def handle_error(self, *_: object) -> None:
        pass


@contextmanager
def serving(certificates: Path) -> Iterator[Web]:
    """Runs the server at localhost, with the certificate in this folder."""
    web = Web()
    server = Quiet(("127.0.0.1", 0), type("ThisHandler", (Handler,), {"web": web}))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "server.pem", certificates / "server.key")
    # The handshake takes place in the thread of the request.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    web.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield web
    finally:
        web.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()


def refusal(url: str, hosts: list[str]) -> str:
    """Why an address is not fetched, as one line, in which no signature stands, nor in any traceback."""
    with pytest.raises(ValueError) as caught:
        download._rt_fetch(url, hosts)
    assert "canary" not in "".join(traceback.format_exception(caught.value))
    assert "\n" not in str(caught.value)
    return str(caught.value)
