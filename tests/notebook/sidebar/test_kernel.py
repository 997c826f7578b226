"""The sidebar's comms with a real kernel, spoken to as JupyterLab does: comms over a subshell."""

from __future__ import annotations

import queue
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import start_new_kernel

Message = dict[str, Any]


class Front:
    """A front end of one kernel."""

    def __init__(self, client: BlockingKernelClient) -> None:
        self.client = client
        self.seen: list[Message] = []
        request = client.session.msg("create_subshell_request", {})
        client.control_channel.send(request)
        reply = client.get_control_msg(timeout=20)
        self._subshell = reply["content"]["subshell_id"]

    def run(self, code: str) -> Message:
        return self.client.execute_interactive(code, timeout=60, output_hook=self.seen.append)["content"]

    def begin(self, code: str, cell_id: str = "") -> str:
        """Runs a cell as a notebook does, and does not wait for it."""
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False, "stop_on_error": True}
        request = self.client.session.msg("execute_request", content, metadata={"cellId": cell_id})
        self.client.shell_channel.send(request)
        return str(request["header"]["msg_id"])

    def open(self, target: str, data: object) -> str:
        identity = uuid.uuid4().hex
        self._send("comm_open", {"comm_id": identity, "target_name": target, "data": data})
        return identity

    def say(self, identity: str, data: object) -> None:
        self._send("comm_msg", {"comm_id": identity, "data": data})

    def _send(self, kind: str, content: Message) -> None:
        message = self.client.session.msg(kind, content)
        message["header"]["subshell_id"] = self._subshell
        self.client.shell_channel.send(message)

    def wait_for(self, found: Callable[[Message], Any], timeout: float = 20.0) -> Message:
        """Returns the first message of the kernel, of those not looked at yet, of which `found` is true."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            try:
                message = self.seen.pop(0) if self.seen else self.client.get_iopub_msg(timeout=end - time.monotonic())
            except queue.Empty:
                break
            if found(message):
                return message
        raise AssertionError("the kernel did not say it")

    def comm(self, kind: str, identity: str, /, **data: Any) -> Message:
        """Waits for a message of a comm with such data."""

        def is_it(message: Message) -> bool:
            content = message["content"]
            return (
                message["msg_type"] == kind and content["comm_id"] == identity and data.items() <= content.get("data", {}).items()
            )

        return self.wait_for(is_it)["content"]["data"]


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RESON_HOME", str(tmp_path_factory.mktemp("home")))
        manager, client = start_new_kernel(cwd=str(tmp_path_factory.mktemp("work")))
    try:
        yield Front(client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_a_page_finds_nobody_is_woken_when_the_extension_is_loaded_and_is_served_while_a_cell_runs(
    front: Front, tmp_path: Path
) -> None:
    early = front.open("reson.state", {})
    front.comm("comm_close", early)

    assert front.run("%load_ext reson_jupyter")["status"] == "ok"
    ready = front.wait_for(lambda m: m["msg_type"] == "comm_open" and m["content"]["target_name"] == "reson.ready")
    front.comm("comm_close", ready["content"]["comm_id"])

    state = front.open("reson.state", {})
    first = front.comm("comm_msg", state, kind="state")
    assert (first["version"], first["full"]) == (1, True)
    command = front.open("reson.command", {"state": state})

    go_on = tmp_path / "go_on"
    cell = front.begin(
        f"import pathlib, time\nprint('begun')\nend = time.time() + 200\n"
        f"while not pathlib.Path({str(go_on)!r}).exists() and time.time() < end: time.sleep(0.01)"
    )
    front.wait_for(lambda m: m["msg_type"] == "stream" and "begun" in m["content"]["text"])
    delays = []
    front.say(command, {"id": "0", "op": "configure", "args": {"fields": {"batch_size": 8}}})
    front.comm("comm_msg", state, kind="reply", id="0", ok=True)
    for number in range(1, 6):
        asked = time.monotonic()
        front.say(command, {"id": f"{number}", "op": "here", "args": {}})
        front.comm("comm_msg", state, kind="reply", id=f"{number}", ok=True)
        delays.append(time.monotonic() - asked)
    assert not go_on.exists()
    go_on.touch()
    front.wait_for(
        lambda m: m["msg_type"] == "status" and m["content"]["execution_state"] == "idle" and m["parent_header"]["msg_id"] == cell
    )
    print("delays", delays)
    # Hundredths of a second; a cell that keeps the command waiting would take all of its minutes.
    assert max(delays) < 15

    front.run("%reload_ext reson_jupyter")
    front.wait_for(lambda m: m["msg_type"] == "comm_open" and m["content"]["target_name"] == "reson.ready")


def test_a_capture_knows_the_cell_it_was_made_in(front: Front) -> None:
    front.run("%load_ext reson_jupyter")
    state = front.open("reson.state", {})
    front.comm("comm_msg", state, kind="state")
    front.begin("%%reson_train\ndef fl_train_model(payload):\n    return payload", cell_id="cell-7")

    def is_train(message: Message) -> bool:
        rows = (
            message["content"].get("data", {}).get("parts", {}).get("captures", []) if message["msg_type"] == "comm_msg" else []
        )
        return any(row["key"] == "train" and row["name"] == "fl_train_model" for row in rows)

    message = front.wait_for(is_train)
    row = next(row for row in message["content"]["data"]["parts"]["captures"] if row["key"] == "train")
    assert (row["cell_id"], row["lines"]) == ("cell-7", 2)
    assert row["cell"].startswith("In[")
