"""Captures that are other than what the kernel has by now."""

from __future__ import annotations

from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from reson_jupyter.capture.across.inputs import Kernel
from reson_jupyter.notebook.capturing.kernel import kernel_of
from reson_jupyter.notebook.capturing.magics import CaptureMagics
from reson_jupyter.notebook.sidebar.comms import Sidebar
from reson_jupyter.readiness import obstacles
from reson_jupyter.session import Session

from .fake_page import FakePage

MODEL = """from torch import nn

def features(): return {features}

class Net(nn.Module):
    def __init__(self, num_classes: int):
        super().__init__()
        self.head = nn.Linear(features(), num_classes)

    def forward(self, images):
        return self.head(images.mean(dim=(2, 3)))
"""
TRAIN = "%%reson_train\ndef fl_train(model, loader, env):\n    return {'weights': model.state_dict(), 'samples': 1}\n"


class Notebook:
    """A shell whose cells are followed by the sidebar, as in a kernel."""

    def __init__(self, sidebar: Sidebar) -> None:
        self._shell = InteractiveShell.instance()
        self._shell.reset()
        sidebar.session.kernel = kernel_of(self._shell)
        self._shell.register_magics(CaptureMagics)
        self._sidebar = sidebar

    def run(self, text: str) -> str:
        """Runs a cell; returns its label."""
        result = self._shell.run_cell(text, store_history=True)
        assert result.success
        self._sidebar.look_again()
        return f"In[{result.execution_count}]"


@pytest.fixture
def notebook(sidebar: Sidebar) -> Notebook:
    return Notebook(sidebar)


def checks(state: dict[str, Any], row: int = 0) -> list[tuple[str, str]]:
    return [(check["level"], check["text"]) for check in state["captures"][row]["checks"] if check["level"] != "ok"]


def test_a_class_that_a_plain_cell_defines_anew_is_told_until_it_is_captured(
    notebook: Notebook, page: FakePage, session: Session
) -> None:
    session.configure(num_classes=2)
    first = notebook.run("%%reson_model\n" + MODEL.format(features=3))
    second = notebook.run(MODEL.format(features="1 + 2"))
    said = (
        f"the model Net was captured in {first}; since then changed: def features ({second}); "
        "the next submit takes what the kernel has now"
    )
    page.wait_for(lambda state: checks(state) == [("warning", said)])
    assert obstacles(session)["check"] == []
    session.configure(stale_captures="refuse")
    page.wait_for(lambda state: [level for level, _ in checks(state)] == ["error"])
    assert obstacles(session)["check"] == [f"The model Net was captured in {first}; since then changed: def features ({second})."]
    notebook.run("%%reson_model\n" + MODEL.format(features=3))
    page.wait_for(lambda state: checks(state) == [] and state["submit"]["obstacles"]["check"] == [])


def test_a_cell_that_changes_nothing_of_it_is_not_told(notebook: Notebook, session: Session) -> None:
    notebook.run("%%reson_model\n" + MODEL.format(features=3))
    notebook.run("other = 3")
    notebook.run(MODEL.format(features=3))
    assert not session.outdated


def test_what_cannot_be_shipped_any_more_is_an_error_of_its_row_alone(
    notebook: Notebook, page: FakePage, session: Session
) -> None:
    session.configure(num_classes=2)
    notebook.run("%%reson_model\n" + MODEL.format(features=3))
    notebook.run(TRAIN)
    notebook.run("import threading\nlock = threading.Lock()\ndef features(): return len(repr(lock))")
    page.wait_for(lambda state: [level for level, _ in checks(state)] == ["error"])
    assert "no longer holds" in checks(page.seen)[0][1] and list(session.outdated) == ["model"]
    assert len(obstacles(session)["check"]) == 1
    session.forget("model")
    assert not session.outdated


def test_a_failure_of_the_look_itself_is_no_failure_of_the_cell(notebook: Notebook, session: Session, caplog: Any) -> None:
    notebook.run("%%reson_model\n" + MODEL.format(features=3))
    session.kernel = Kernel({}, None)  # type: ignore[arg-type]
    session.kernel.namespace["Net"] = object  # type: ignore[index]
    notebook.run("other = 3")
    assert "could not be held against the kernel" in caplog.text
