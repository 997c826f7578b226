"""Servers of S3 for tests: moto in a process of its own on loopback, over http or https, and one that only ever fails."""

from __future__ import annotations

import datetime
import queue
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import boto3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class S3Endpoint:
    """A running server with an empty bucket in it."""

    url: str
    access_key: str
    secret_key: str
    bucket: str
    region: str
    ca_bundle: Path | None

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which a user names this server and its bucket."""
        variables = {
            "RESON_S3_ENDPOINT": self.url,
            "RESON_S3_KEY": self.access_key,
            "RESON_S3_SECRET": self.secret_key,
            "RESON_S3_BUCKET": self.bucket,
            "RESON_S3_REGION": self.region,
        }
        return variables | ({"AWS_CA_BUNDLE": str(self.ca_bundle)} if self.ca_bundle else {})


@contextmanager
def s3_server(tls: bool = False, bucket: str = "reson-test") -> Iterator[S3Endpoint]:
    """Runs moto's server in a process of its own; with `tls` behind a certificate of an authority made for this server."""
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
        ca_bundle = None
        if tls:
            ca_bundle = make_certificates(Path(folder))
            command += ["-c", str(Path(folder, "server.pem")), "-k", str(Path(folder, "server.key"))]
        # A file, not a pipe: nobody reads the log, and a full pipe would stop the server.
        log = Path(folder, "log")
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, cwd=folder)
        try:
            endpoint = S3Endpoint(_wait_for_url(process, log), "test-key", "test-secret", bucket, "garage", ca_bundle)
            client_of(endpoint).create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "garage"})
            yield endpoint
        finally:
            process.kill()  # it has nothing to put in order, and on a busy machine that takes it long
            process.wait()


def client_of(endpoint: S3Endpoint):
    """Returns a plain boto3 client, to look at the bucket without the package under test."""
    return boto3.session.Session().client(
        "s3",
        endpoint_url=endpoint.url,
        region_name=endpoint.region,
        aws_access_key_id=endpoint.access_key,
        aws_secret_access_key=endpoint.secret_key,
        verify=str(endpoint.ca_bundle) if endpoint.ca_bundle else None,
    )


def _wait_for_url(process: subprocess.Popen, log: Path) -> str:
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        for word in log.read_text(errors="replace").split():
            if word.startswith(("http://127.0.0.1:", "https://127.0.0.1:")):
                return word
        time.sleep(0.05)
    raise RuntimeError(f"moto's server did not start:\n{log.read_text(errors='replace')}")


def make_certificates(folder: Path) -> Path:
    """Writes an authority's ca.pem, and server.pem with server.key for 127.0.0.1 and localhost; returns ca.pem."""
    ca_key, ca = _certificate("test authority", None, None)
    key, certificate = _certificate("127.0.0.1", ca_key, ca)
    Path(folder, "ca.pem").write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    Path(folder, "server.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    file = Path(folder, "server.key")
    file.touch(mode=0o600)
    file.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    return Path(folder, "ca.pem")


def _certificate(
    name: str, issuer_key: ec.EllipticCurvePrivateKey | None, issuer: x509.Certificate | None
) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if issuer is not None:
        names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return key, builder.sign(issuer_key or key, hashes.SHA256())


@contextmanager
def failing_server(status: int, code: str) -> Iterator[str]:
    """Runs a server that answers every request with one S3 error; yields its URL."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>as told</Message></Error>".encode()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Or every answer waits 40 ms for a packet that is not full.
        disable_nagle_algorithm = True

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = answer

        def log_message(self, *_: object) -> None:
            pass

    with serving(Handler) as url:
        yield url


class Line:
    """Passes connections on to the plain http server at `url`; it can be cut and mended, be slow, and be long.

    Args:
        url: The server.
        bytes_per_second: How fast it sends what clients say; None: as fast as it comes.
        delay: Seconds that everything takes each way.

    Attributes:
        sent: The bytes that clients have sent so far, headers included.
    """

    def __init__(self, url: str, bytes_per_second: int | None = None, delay: float = 0.0) -> None:
        self._target = urlsplit(url)
        self._delay = delay
        self._rate = bytes_per_second
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        self.sent = 0
        self.port = 0
        self.mend()

    @property
    def url(self) -> str:
        """The URL of this end."""
        return f"http://127.0.0.1:{self.port}"

    def mend(self) -> None:
        """Takes connections, on the same port as before."""
        # Mended at once after a cut, the port may still have connections that are closing.
        listener = socket.create_server(("127.0.0.1", self.port), reuse_port=True)
        self.port = listener.getsockname()[1]
        self._sockets = [listener]
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def cut(self) -> None:
        """Ends all connections and refuses new ones."""
        for opened in self._sockets:
            with suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)
            opened.close()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection((self._target.hostname, self._target.port))
                # A small buffer, or the kernel would take megabytes at once and the line would not be slow.
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
                self._sockets.extend((client, server))
                for pump in ((client, server, self._slowly), (server, client, lambda _: None)):
                    threading.Thread(target=_pump, args=(*pump, self._delay), daemon=True).start()

    def _slowly(self, size: int) -> None:
        with self._lock:
            self.sent += size
        if self._rate:
            time.sleep(size / self._rate)


def _pump(source: socket.socket, sink: socket.socket, before: Callable[[int], None], delay: float) -> None:
    if delay:
        under_way: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
        threading.Thread(target=_arrive, args=(under_way, sink), daemon=True).start()
    with suppress(OSError):
        data = b" "
        while data:
            data = source.recv(65_536)
            before(len(data))
            if delay:
                under_way.put((time.monotonic() + delay, data))
            else:
                _pass_on(sink, data)


def _arrive(under_way: queue.SimpleQueue[tuple[float, bytes]], sink: socket.socket) -> None:
    with suppress(OSError):
        data = b" "
        while data:
            due, data = under_way.get()
            time.sleep(max(0.0, due - time.monotonic()))
            _pass_on(sink, data)


def _pass_on(sink: socket.socket, data: bytes) -> None:
    if data:
        sink.sendall(data)
    else:
        sink.shutdown(socket.SHUT_WR)


@contextmanager
def slow_line(url: str, bytes_per_second: int) -> Iterator[str]:
    """Passes connections on to the plain http server at `url`, sending no faster than told; yields the line's URL."""
    line = Line(url, bytes_per_second)
    try:
        yield line.url
    finally:
        line.cut()


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Runs a server of its own port on loopback; yields its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
