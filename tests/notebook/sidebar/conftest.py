"""A session with a sidebar, and pages that look at it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import comm
import pytest

from reson_jupyter.backend import observers
from reson_jupyter.notebook.capturing.cells import CellIds
from reson_jupyter.notebook.sidebar.comms import Sidebar
from reson_jupyter.session import Session

from .fake_page import FakePage, fake_manager


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    """The kernel's session, new, with nothing of the machine's user."""
    monkeypatch.setenv("RESON_HOME", str(tmp_path / "home"))
    for name in [name for name in os.environ if name.startswith("RESON_") and name != "RESON_HOME"]:
        monkeypatch.delenv(name)
    new = Session()
    monkeypatch.setattr(sys.modules["reson_jupyter.session"], "_current", new)
    return new


@pytest.fixture
def manager() -> Iterator[comm.base_comm.CommManager]:
    with fake_manager() as manager:
        yield manager


@pytest.fixture
def sidebar(session: Session, manager: comm.base_comm.CommManager, monkeypatch: pytest.MonkeyPatch) -> Sidebar:
    monkeypatch.setattr(observers, "_run_observers", [])
    monkeypatch.setattr(observers, "_rehearsal_observers", [])
    sidebar = Sidebar(session, CellIds())
    sidebar.listen()
    return sidebar


@pytest.fixture
def open_page(sidebar: Sidebar, manager: comm.base_comm.CommManager) -> Iterator[Callable[[], FakePage]]:
    """Opens pages, which are closed when the test is over."""
    pages: list[FakePage] = []

    def open_one() -> FakePage:
        pages.append(FakePage(manager))
        return pages[-1]

    yield open_one
    for page in pages:
        if page.state.comm_id in manager.comms:
            page.close()


@pytest.fixture
def page(open_page: Callable[[], FakePage]) -> FakePage:
    page = open_page()
    page.wait_for(lambda state: state["forms"])
    return page
