"""A shell and a session of its own for each test."""

from __future__ import annotations

import atexit
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module

import pytest
from IPython.core.interactiveshell import ExecutionResult, InteractiveShell
from IPython.utils.capture import capture_output
from traitlets.config import Config

from reson_jupyter.notebook.capturing.kernel import kernel_of
from reson_jupyter.notebook.capturing.magics import CaptureMagics
from reson_jupyter.session import Session

from .local_trees import tree as tree


@dataclass
class Outcome:
    """What a cell left behind: its result, what it printed, what it displayed."""

    result: ExecutionResult
    text: str
    cards: list[str]
    html: list[str]


class Notebook:
    """A shell in which cells run as in a notebook."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell

    def run(self, cell: str) -> Outcome:
        with capture_output() as captured:
            result = self.shell.run_cell(cell, store_history=True)
        text = re.sub(r"\x1b\[[0-9;]*m", "", captured.stdout + captured.stderr)
        bundles = [output.data for output in captured.outputs]
        return Outcome(result, text, [data["text/plain"] for data in bundles], [data.get("text/html", "") for data in bundles])


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Session:
    fresh = Session()
    # `reson_jupyter.session` as an attribute is the public function of that name.
    monkeypatch.setattr(import_module("reson_jupyter.session"), "_current", fresh)
    return fresh


@pytest.fixture(scope="session")
def shell() -> Iterator[InteractiveShell]:
    InteractiveShell.clear_instance()
    config = Config()
    config.HistoryManager.hist_file = ":memory:"
    config.HistoryManager.enabled = False
    shell = InteractiveShell.instance(config=config, colors="nocolor")
    shell.register_magics(CaptureMagics)
    yield shell
    atexit.unregister(shell.atexit_operations)
    shell.atexit_operations()
    InteractiveShell.clear_instance()


@pytest.fixture
def notebook(shell: InteractiveShell, session: Session) -> Iterator[Notebook]:
    """A notebook with an empty namespace and In[1] next."""
    shell.reset()
    shell.compile = shell.compiler_class()
    shell.execution_count = 1
    session.kernel = kernel_of(shell)
    yield Notebook(shell)
    for hook in [hook for hook in shell.events.callbacks["post_run_cell"] if "reson" in hook.__module__]:
        shell.events.unregister("post_run_cell", hook)
