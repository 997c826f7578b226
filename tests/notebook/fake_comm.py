"""A comm without a kernel: keeps what the widget sends, and lets a test play the page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import comm


class FakeComm(comm.base_comm.BaseComm):
    def __init__(self, **opened: Any) -> None:
        self.messages: list[dict[str, Any]] = []
        super().__init__(**opened)

    def publish_msg(self, msg_type: str, data: Any = None, **_rest: Any) -> None:
        # What cannot be JSON could not be sent by a kernel either.
        self.messages.append(json.loads(json.dumps(data, allow_nan=False)))

    def page_says(self, content: object) -> None:
        """Delivers a custom message of the page."""
        self.handle_msg({"content": {"data": {"method": "custom", "content": content}}, "buffers": []})

    def page_requests_state(self) -> dict[str, Any]:
        """What a page gets that opens now."""
        self.handle_msg({"content": {"data": {"method": "request_state"}}, "buffers": []})
        return next(dict(sent["state"]) for sent in reversed(self.messages) if "state" in sent)

    def page_updates(self, state: dict[str, Any]) -> None:
        """Delivers changed traits of the page."""
        self.handle_msg({"content": {"data": {"method": "update", "state": state}}, "buffers": []})


@contextmanager
def fake_comms() -> Iterator[None]:
    """Widgets that are made in here have a `FakeComm`."""
    with mock.patch.object(comm, "create_comm", FakeComm):
        yield
