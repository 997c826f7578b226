"""The account's bucket as the platform sees it."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator
from typing import Any

from tests.servers import S3Endpoint, client_of

# To make a client takes longer than most tests do.
client_at = functools.cache(client_of)


class Bucket:
    """The account's bucket as the platform sees it.

    Args:
        endpoint: Where it is.
    """

    def __init__(self, endpoint: S3Endpoint) -> None:
        self.name = endpoint.bucket
        self._client = client_at(dataclasses.replace(endpoint, bucket=""))

    def keys(self, prefix: str) -> list[str]:
        """Returns the keys below a prefix, without it."""
        return [item["Key"].removeprefix(prefix) for item in self._objects(prefix)]

    def sizes(self, prefix: str) -> dict[str, int]:
        """Returns the sizes of what lies below a prefix, by the rest of their keys."""
        return {item["Key"].removeprefix(prefix): item["Size"] for item in self._objects(prefix)}

    def get(self, key: str) -> bytes:
        """Returns an object."""
        return bytes(self._client.get_object(Bucket=self.name, Key=key)["Body"].read())

    def put(self, key: str, data: bytes) -> None:
        """Stores an object."""
        self._client.put_object(Bucket=self.name, Key=key, Body=data)

    def _objects(self, prefix: str) -> Iterator[Any]:
        for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix):
            yield from page.get("Contents", [])
