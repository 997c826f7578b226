"""A secret is in no message to a page, no notebook, no repr and no log."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient

from .canary import CELLS, ENVIRONMENT, SECRET

# What must not be reached is asked for again, patiently.
pytestmark = pytest.mark.slow

UI = Path(__file__).parent.parent / "ui"
OPS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("snapshot", {}),
    ("configure", {"fields": {"num_rounds": 2}}),
    ("configure", {"fields": {"store": "file:///dev/null/at/all"}}),
    ("configure", {"fields": {"s3_secret_access_key": "x"}}),
    ("configure", {"fields": {"store": None}}),
    ("runs", {}),
    ("check_shards", {}),
    ("preview", {}),
    ("submit", {}),
    ("compare", {"runs": ["a", "b"]}),
    ("nonsense", {}),
)


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in {**ENVIRONMENT, "PYTHONPATH": str(UI), "RESON_HOME": str(tmp_path / "home")}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[BlockingKernelClient]:
    manager = KernelManager(kernel_name="python3")
    with (tmp_path / "process.log").open("w") as log:
        manager.start_kernel(cwd=str(tmp_path), stdout=log, stderr=log, extra_arguments=["--HistoryManager.enabled=False"])
        client = manager.client()
        client.start_channels()
        client.wait_for_ready(timeout=60)
        yield client
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.context.destroy()


class Page:
    """A page with the sidebar open that keeps everything the kernel publishes."""

    def __init__(self, client: BlockingKernelClient) -> None:
        self.client = client
        self.seen: list[dict[str, Any]] = []

    def send(self, kind: str, content: dict[str, Any]) -> None:
        self.client.shell_channel.send(self.client.session.msg(kind, content))

    def run(self, cell: str) -> None:
        request = self.client.execute(cell, store_history=True)
        self.listen(lambda told: told["msg_type"] == "status" and told["content"]["execution_state"] == "idle", request)

    def listen(self, is_last: Any, parent: str = "") -> None:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            told = self.client.get_iopub_msg(timeout=60)
            self.seen.append({key: told[key] for key in ("msg_type", "content", "metadata")})
            if (not parent or told["parent_header"].get("msg_id") == parent) and is_last(told):
                return
        raise AssertionError("the kernel did not answer")

    def open_sidebar(self) -> None:
        self.send("comm_open", {"comm_id": "s", "target_name": "reson.state", "data": {}})
        self.send("comm_open", {"comm_id": "c", "target_name": "reson.command", "data": {"state": "s"}})

    def command(self, number: int, op: str, args: dict[str, Any]) -> None:
        self.send("comm_msg", {"comm_id": "c", "data": {"id": str(number), "op": op, "args": args}})
        self.listen(lambda told: _data(told).get("kind") == "reply" and _data(told).get("id") == str(number))


def _data(told: dict[str, Any]) -> dict[str, Any]:
    return told["content"].get("data") or {} if told["msg_type"] == "comm_msg" else {}


def everything_in(folder: Path) -> Iterator[tuple[Path, str]]:
    for path in folder.rglob("*"):
        if path.is_file():
            yield path, path.read_bytes().decode(errors="replace")


def test_no_message_of_the_kernel_and_no_log_of_it_has_a_secret(kernel: BlockingKernelClient, tmp_path: Path) -> None:
    page = Page(kernel)
    page.run(CELLS[0])
    page.open_sidebar()
    for cell in CELLS[1:]:
        page.run(cell)
    for number, (op, args) in enumerate(OPS):
        page.command(number, op, args)
    kinds = {told["msg_type"] for told in page.seen}
    assert {"comm_open", "comm_msg", "display_data", "execute_result", "error"} <= kinds
    # What the cells' own text has does not count; the kernel publishes it, too.
    leaks = [told for told in page.seen if told["msg_type"] != "execute_input" and SECRET in json.dumps(told, default=str)]
    assert leaks == []
    assert "DEBUG" in (tmp_path / "kernel.log").read_text()
    assert [path for path, text in everything_in(tmp_path) if SECRET in text] == []


def test_no_notebook_that_is_saved_with_its_widgets_state_has_a_secret(tmp_path: Path) -> None:
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    context = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(book, allow_errors=True, store_widget_state=True, resources=context, timeout=120).execute()
    saved = nbformat.writes(book)
    assert "application/vnd.jupyter.widget-state+json" in saved
    assert SECRET not in saved
