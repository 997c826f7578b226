"""A server of S3 that is faster than any client, for benchmarks: it takes what is sent and keeps only how much that was.

On the wire it is as others are: uploads in one and in parts, their lists, sizes, tags and deletions. It checks no signature and
no checksum, and its tags are those of numbers and sizes, not of bytes; what was sent cannot be read again.
"""

from __future__ import annotations

import hashlib
import itertools
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from tests.servers import S3Endpoint

_BLOCK = 1 << 20
_WHEN = "2026-01-01T00:00:00.000Z"
# Of each object, and of each part by its upload and number: its bytes and its tag.
_objects: dict[str, tuple[int, str]] = {}
_uploads: dict[str, tuple[str, dict[int, tuple[int, str]]]] = {}
_ids = itertools.count(1)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_PUT(self) -> None:
        key, query = self.asked()
        size = self.swallow()
        number = int(query.get("partNumber", 0))
        tag = hashlib.md5(f"{number} {size}".encode(), usedforsecurity=False).hexdigest()
        if number:
            _uploads[query["uploadId"]][1][number] = size, tag
        else:
            _objects[key] = size, tag
        self.say(headers={"ETag": f'"{tag}"'})

    def do_POST(self) -> None:
        key, query = self.asked()
        if "uploads" in query:
            upload = f"upload-{next(_ids)}"
            _uploads[upload] = key, {}
            return self.tell("InitiateMultipartUploadResult", f"<UploadId>{upload}</UploadId>")
        wanted = ElementTree.fromstring(self.rfile.read(int(self.headers["Content-Length"])))
        numbers = [int(found.text or "") for found in wanted.iterfind(".//{*}PartNumber")]
        _, parts = _uploads.pop(query["uploadId"])
        tags = bytes.fromhex("".join(parts[number][1] for number in numbers))
        tag = f"{hashlib.md5(tags, usedforsecurity=False).hexdigest()}-{len(numbers)}"
        _objects[key] = sum(parts[number][0] for number in numbers), tag
        return self.tell("CompleteMultipartUploadResult", f"<ETag>&quot;{tag}&quot;</ETag>")

    def do_GET(self) -> None:
        _, query = self.asked()
        if "uploadId" in query:
            found = "".join(
                f"<Part><PartNumber>{number}</PartNumber><ETag>&quot;{tag}&quot;</ETag><Size>{size}</Size></Part>"
                for number, (size, tag) in sorted(_uploads[query["uploadId"]][1].items())
            )
            return self.tell("ListPartsResult", found)
        prefix = query.get("prefix", "")
        if "uploads" in query:
            found = "".join(
                f"<Upload><Key>{escape(of)}</Key><UploadId>{upload}</UploadId><Initiated>{_WHEN}</Initiated></Upload>"
                for upload, (of, _) in list(_uploads.items())
                if of.startswith(prefix)
            )
            return self.tell("ListMultipartUploadsResult", found)
        found = "".join(
            f"<Contents><Key>{escape(name)}</Key><ETag>&quot;{tag}&quot;</ETag><Size>{size}</Size></Contents>"
            for name, (size, tag) in sorted(_objects.items())
            if name.startswith(prefix)
        )
        return self.tell("ListBucketResult", found)

    def do_HEAD(self) -> None:
        key, _ = self.asked()
        if key not in _objects:
            return self.say(404)
        size, tag = _objects[key]
        return self.say(headers={"ETag": f'"{tag}"', "Content-Length": str(size)})

    def do_DELETE(self) -> None:
        key, query = self.asked()
        if "uploadId" in query:
            _uploads.pop(query["uploadId"], None)
        else:
            _objects.pop(key, None)
        self.say(204)

    def asked(self) -> tuple[str, dict[str, str]]:
        """Returns the key and the query."""
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        return unquote(parts.path).lstrip("/").partition("/")[2], query

    def swallow(self) -> int:
        """Takes a body and returns its bytes."""
        size = left = int(self.headers["Content-Length"])
        block = memoryview(bytearray(min(_BLOCK, max(1, size))))
        while left and (got := self.rfile.readinto(block[:left])):
            left -= got
        return size - left

    def tell(self, kind: str, found: str) -> None:
        """Answers with a document."""
        body = f"<?xml version='1.0'?><{kind}><IsTruncated>false</IsTruncated>{found}</{kind}>".encode()
        self.say(headers={"Content-Type": "application/xml"}, body=body)

    def say(self, status: int = 200, headers: Mapping[str, str] = {}, body: bytes = b"") -> None:
        """Answers."""
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | dict(headers)).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@contextmanager
def bare_server(bucket: str = "reson-test") -> Iterator[S3Endpoint]:
    """Runs it in a process of its own."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.bare_server"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdin is not None and server.stdout is not None
        try:
            yield S3Endpoint(server.stdout.readline().strip(), "key", "secret", bucket, "garage", None)
        finally:
            server.terminate()


if __name__ == "__main__":
    own = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    print(f"http://127.0.0.1:{own.server_port}", flush=True)
    own.serve_forever()
