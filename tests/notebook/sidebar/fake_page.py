"""Pages without a browser, and a comm manager without a kernel."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import comm

Message = dict[str, Any]


class PageComm(comm.base_comm.BaseComm):
    """The kernel's end of a comm; what it sends waits for the page."""

    def __init__(self, **opened: Any) -> None:
        self.sent: list[tuple[str, Any]] = []
        self.arrived = threading.Condition()
        super().__init__(**opened)

    def publish_msg(self, msg_type: str, data: Any = None, **_rest: Any) -> None:
        # What a kernel could not send, nobody sends here.
        text = json.dumps(data, allow_nan=False, ensure_ascii=False).encode().decode()
        with self.arrived:
            self.sent.append((msg_type, json.loads(text)))
            self.arrived.notify_all()

    def wait_for(self, found: Callable[[list[Message]], Any], timeout: float = 60.0) -> Any:
        """Waits until `found` of all messages so far is true, and returns that."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: found(self.messages), timeout), self.messages
            return found(self.messages)

    @property
    def messages(self) -> list[Message]:
        return [data for kind, data in self.sent if kind == "comm_msg"]

    @property
    def closed(self) -> bool:
        return any(kind == "comm_close" for kind, _ in self.sent)


@contextmanager
def fake_manager() -> Iterator[comm.base_comm.CommManager]:
    """A comm manager, the only one, whose comms are `PageComm`s."""
    manager = comm.base_comm.CommManager()
    with mock.patch.object(comm, "get_comm_manager", lambda: manager), mock.patch.object(comm, "create_comm", PageComm):
        yield manager


class FakePage:
    """A page, which opens its two comms; and whatever else a test has it send."""

    def __init__(self, manager: comm.base_comm.CommManager) -> None:
        self.manager = manager
        self.state = self.open("reson.state", {})
        self.command = self.open("reson.command", {"state": self.state.comm_id})

    def open(self, target: str, data: object) -> PageComm:
        identity = uuid.uuid4().hex
        message = {"content": {"comm_id": identity, "target_name": target, "data": data}, "buffers": []}
        with mock.patch.object(self.manager, "register_comm", wraps=self.manager.register_comm) as registered:
            self.manager.comm_open(None, "", message)  # type: ignore[arg-type]
        opened = registered.call_args.args[0]
        assert isinstance(opened, PageComm)
        return opened

    def close(self, channel: PageComm | None = None) -> None:
        message = {"content": {"comm_id": (channel or self.state).comm_id, "data": {}}}
        self.manager.comm_close(None, "", message)  # type: ignore[arg-type]

    def say(self, data: object, channel: PageComm | None = None) -> None:
        """Sends anything."""
        (channel or self.command).handle_msg({"content": {"data": data}, "buffers": []})

    def send(self, op: str, **args: Any) -> str:
        """Sends a command; returns its id."""
        identity = uuid.uuid4().hex
        self.say({"id": identity, "op": op, "args": args})
        return identity

    def reply_to(self, identity: str, timeout: float = 60.0) -> Message:
        return self.state.wait_for(
            lambda sent: next((m for m in sent if m["kind"] == "reply" and m["id"] == identity), None), timeout
        )

    def ask(self, op: str, **args: Any) -> Any:
        """Sends a command and returns the value of its reply."""
        reply = self.reply_to(self.send(op, **args))
        assert reply["ok"], reply
        return reply["value"]

    def refused(self, op: str, **args: Any) -> Message:
        """Sends a command that is refused; returns why."""
        reply = self.reply_to(self.send(op, **args))
        assert not reply["ok"]
        return reply["error"]

    @property
    def states(self) -> list[Message]:
        return [message for message in self.state.messages if message["kind"] == "state"]

    @property
    def seen(self) -> Message:
        """What the page knows: every state message folded, each of them next in order."""
        folded: Message = {}
        for number, message in enumerate(self.states, 1):
            assert message["version"] == number
            folded = {**({} if message["full"] else folded), **message["parts"]}
        return folded

    def wait_for(self, found: Callable[[Message], Any], timeout: float = 60.0) -> Any:
        """Waits until `found` of what the page knows is true, and returns that."""
        return self.state.wait_for(lambda _: self.states and found(self.seen), timeout)

    def form(self, identity: str) -> Message:
        return next(form for form in self.seen["forms"] if form["id"] == identity)
