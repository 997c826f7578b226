"""Captures that are other than what the kernel has by now: the panel tells of them what the sidebar tells."""

from __future__ import annotations

from html import escape

import pytest
from IPython.core.interactiveshell import InteractiveShell

import reson_jupyter as reson
from reson_jupyter.notebook.capturing.cells import CellIds
from reson_jupyter.notebook.capturing.kernel import kernel_of
from reson_jupyter.notebook.sidebar.captures import capture_rows
from reson_jupyter.notebook.sidebar.stale import look_at_captures
from tests.notebook.sidebar.test_stale import MODEL
from tests.notebook.typed import run

from .page import Page


@pytest.fixture
def shell(shell: InteractiveShell) -> InteractiveShell:
    reson.session().kernel = kernel_of(shell)
    return shell


def cell(shell: InteractiveShell, source: str) -> str:
    """Runs a cell, after which the captures are looked at as in a kernel; returns its label."""
    result, text = run(shell, source)
    assert result.success, text
    look_at_captures(reson.session())
    return f"In[{result.execution_count}]"


def told_by_the_sidebar() -> list[tuple[str, str]]:
    """What does not count as well with the model, in its row of the sidebar."""
    model, *_ = capture_rows(reson.session(), CellIds(), lambda _: None)
    return [(check["level"], check["text"]) for check in model["checks"] if check["level"] != "ok"]


def test_a_stale_capture_is_told_as_in_the_sidebar_until_it_is_captured_anew(shell: InteractiveShell) -> None:
    first = cell(shell, "%%reson_model\n" + MODEL.format(features=3))
    page = Page(reson.session())
    assert told_by_the_sidebar() == [] and "since then changed" not in page.says()
    second = cell(shell, MODEL.format(features="1 + 2"))
    changed = f"the model Net was captured in {first}; since then changed: def features ({second})"
    assert told_by_the_sidebar() == [("warning", f"{changed}; the next submit takes what the kernel has now")]
    assert f"{changed}; the next submit takes what the kernel has now" in page.says() and "alert" not in page.says()
    reson.session().configure(stale_captures="refuse")
    assert told_by_the_sidebar() == [("error", f"{changed}; run that cell again, or set stale_captures to recapture")]
    assert f'role="alert">{changed}; run that cell again, or set stale_captures to recapture<' in page.says()
    cell(shell, "%%reson_model\n" + MODEL.format(features=3))
    assert told_by_the_sidebar() == [] and "since then changed" not in page.says()


def test_a_capture_that_cannot_ship_any_more_is_an_error(shell: InteractiveShell) -> None:
    cell(shell, "%%reson_model\n" + MODEL.format(features=3))
    page = Page(reson.session())
    cell(shell, "import threading\nlock = threading.Lock()\ndef features(): return len(repr(lock))")
    ((level, text),) = told_by_the_sidebar()
    assert level == "error" and "no longer holds" in text
    assert f'role="alert">{"<br>".join(map(escape, text.splitlines()))}<' in page.says()
