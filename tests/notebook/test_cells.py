"""Which cell it was, and what the sidebar hears of a cell that could not be captured."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import SimpleNamespace

import comm
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

import reson_jupyter as reson
from reson_jupyter.notebook import sidebar as sidebar_module
from reson_jupyter.notebook.capturing.cells import CellIds
from reson_jupyter.session import Refusal, Session
from tests.notebook.sidebar.fake_page import FakePage, fake_manager

TRAIN = "%%reson_train\ndef fl_train_model(payload):\n    return payload\n"


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    monkeypatch.setattr(sys.modules["reson_jupyter.session"], "_current", Session())
    instance = InteractiveShell.instance()
    with capture_output():
        instance.run_line_magic("load_ext", "reson_jupyter")
    yield instance
    instance.reset()


def run(shell: InteractiveShell, source: str, cell_id: str | None = None, store_history: bool = True) -> None:
    with capture_output():
        shell.run_cell(source, store_history=store_history, cell_id=cell_id)


def test_a_cell_is_found_by_the_number_that_it_had(shell: InteractiveShell) -> None:
    cells = CellIds()
    cells.watch(shell)
    run(shell, TRAIN, "cell-a")
    first = reson.session().captures["train"].cell
    run(shell, "1", "cell-b", store_history=False)
    run(shell, TRAIN, "cell-c")
    run(shell, TRAIN)
    assert cells.of(first) == "cell-a"
    number = int(first[3:-1])
    assert [cells.of(f"In[{number + more}]") for more in (1, 2)] == ["cell-c", ""]
    assert [cells.of(label) for label in ("", "In[x]", "a file.py")] == ["", "", ""]


def test_a_refused_cell_is_known_until_one_is_captured(shell: InteractiveShell) -> None:
    run(shell, TRAIN)
    captured = reson.session().captures["train"]
    run(shell, "%%reson_train\nx = 1\n")
    refusal = reson.session().refusals["train"]
    assert refusal.message.endswith("defines no train function") and refusal.cell in refusal.message
    assert refusal.hint.endswith(f"The train fl_train_model from {captured.cell} stays captured.")
    assert reson.session().captures["train"] is captured
    run(shell, "%%reson_command tell\nx = 1\n")
    assert isinstance(reson.session().refusals["command tell"], Refusal)
    run(shell, TRAIN)
    assert set(reson.session().refusals) == {"command tell"}


def test_loading_once_more_wakes_pages_and_keeps_what_they_see(shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sidebar_module, "_sidebar", None)
    monkeypatch.setattr(shell, "events", SimpleNamespace(register=lambda *_: None))
    with fake_manager() as manager:
        sidebar_module.start(shell)
        page = FakePage(manager)
        page.wait_for(lambda state: state["forms"])
        sidebar_module.start(shell)
        second = FakePage(manager)
        second.wait_for(lambda state: state["forms"])
        reson.session().configure(batch_size=7)
        for one in (page, second):
            one.wait_for(lambda state, one=one: one.form("training")["values"]["batch_size"] == 7)
            one.close()


def test_a_shell_without_a_kernel_has_no_sidebar(shell: InteractiveShell) -> None:
    assert not hasattr(shell, "kernel")
    assert "reson.state" not in comm.get_comm_manager().targets
