"""What tests of uploads in parts share."""

from __future__ import annotations

import hashlib
from pathlib import Path

from reson_jupyter.backend.store import Store
from tests.servers import S3Endpoint, client_of

MIB = 1 << 20
PART_BYTES = 5 * MIB  # the least that a server takes; half a second less for each test than with the real one
SIZE = 3 * PART_BYTES + 5
KEY = "shards/sha256/0a.zip"


def same(store: Store, path: Path) -> bool:
    return hashlib.sha256(store.get(KEY)).digest() == hashlib.sha256(path.read_bytes()).digest()


def begin(store: Store, large: Path, moto_http: S3Endpoint, parts: dict[int, bytes]) -> str:
    """Leaves an upload as a killed one would; returns its id."""
    client = client_of(moto_http)
    place = {"Bucket": moto_http.bucket, "Key": f"{store.url.removeprefix(f's3://{moto_http.bucket}/')}/{KEY}"}
    upload_id = client.create_multipart_upload(**place)["UploadId"]
    for number, data in parts.items():
        client.upload_part(**place, UploadId=upload_id, PartNumber=number, Body=data)
    return str(upload_id)


def part(path: Path, number: int) -> bytes:
    return path.read_bytes()[(number - 1) * PART_BYTES : number * PART_BYTES]
