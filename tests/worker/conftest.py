"""What the tests of the worker files share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from nvflare.apis.event_type import EventType

from .loopback import Server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server with our reporter, in a run that ends with the test."""
    server = Server(tmp_path)
    yield server
    server.fire(EventType.END_RUN)
