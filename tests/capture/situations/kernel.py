"""A running kernel, spoken to as a front end does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

# What the package says when it does not go on.
REFUSALS = ("CaptureError", "JobError", "ConfigError", "UsageError")
_INSIDE = Path(__file__).parent / "inside.py"
_TOOLS = f"""
import importlib.util as _util, sys as _sys
_spec = _util.spec_from_file_location("situation_tools", {str(_INSIDE)!r})
_sys.modules["situation_tools"] = _util.module_from_spec(_spec)
_spec.loader.exec_module(_sys.modules["situation_tools"])
import torch.nn
"""


@dataclass
class Said:
    """What a front end gets while a cell runs."""

    errors: list[dict[str, Any]] = field(default_factory=list)
    cards: list[str] = field(default_factory=list)

    def output(self, message: dict[str, Any]) -> None:
        """Takes one message."""
        match message["msg_type"]:
            case "error":
                self.errors.append(message["content"])
            case "display_data" | "execute_result":
                self.cards.append(message["content"]["data"]["text/plain"])

    @property
    def own(self) -> list[dict[str, Any]]:
        """The errors that the user's code raises."""
        return [error for error in self.errors if error["ename"] not in REFUSALS]

    @property
    def refusals(self) -> list[str]:
        """The package's errors, as they are shown."""
        return ["\n".join(error["traceback"]) for error in self.errors if error["ename"] in REFUSALS]


class Kernel:
    """A running kernel."""

    def __init__(self, client: BlockingKernelClient) -> None:
        self._client = client

    def run(self, cell: str) -> Said:
        """Runs a cell."""
        said = Said()
        self._client.execute_interactive(cell, output_hook=said.output, stop_on_error=False, timeout=60)
        return said

    def ask(self, expression: str) -> Any:
        """Evaluates something of inside.py, which leaves no trace in the kernel."""
        tools = f"__import__('sys').modules['situation_tools'].{expression}"
        answer = self._client.execute_interactive("", silent=True, user_expressions={"it": tools}, timeout=60)
        it = answer["content"]["user_expressions"]["it"]
        assert it["status"] == "ok", "\n".join(it["traceback"])
        return eval(it["data"]["text/plain"])


@contextmanager
def a_kernel(folder: Path, *options: str, tools: bool = True) -> Iterator[Kernel]:
    """A kernel in a folder of its own."""
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(cwd=str(folder), extra_arguments=list(options))
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        if tools:
            client.execute_interactive(_TOOLS, silent=True, timeout=60)
        yield Kernel(client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.context.destroy()
