"""Keys where the focus is in the sidebar or in a live view: what they still do to the notebook."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Locator, Page, expect

from .lab import Lab
from .sidebar import RUNS, loaded, with_a_pinned_run

pytestmark = pytest.mark.ui

# JupyterLab's own for a cell below or above, for cutting and deleting it, and for restarting or interrupting the kernel.
PLAIN = ("a", "b", "d", "d", "x", "0", "0", "i", "i", "Escape")
TENTHS_OF_SECONDS = 200


def only_ctrl_s_counts(page: Page, path: Path, place: Locator, text: str) -> None:
    """Presses keys in `place`: plain ones do nothing, and Ctrl+S writes the file, whose first cell is `text` by now."""
    cells = page.evaluate("window.jupyterapp.shell.currentWidget.content.widgets.length")
    place.focus()
    for key in PLAIN:
        page.keyboard.press(key)
    page.evaluate("text => window.jupyterapp.shell.currentWidget.content.widgets[0].model.sharedModel.setSource(text)", text)
    page.keyboard.press("Control+s")
    for _ in range(TENTHS_OF_SECONDS):
        if nbformat.read(path, as_version=4).cells[0].source == text:
            break
        page.wait_for_timeout(100)
    assert nbformat.read(path, as_version=4).cells[0].source == text
    # By now a shortcut that did get through has shown what it does.
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert page.evaluate("window.jupyterapp.shell.currentWidget.content.widgets.length") == cells
    expect(place).to_be_focused()


def test_ctrl_s_saves_from_the_sidebar_where_plain_keys_do_nothing_to_the_notebook(lab: Lab, page: Page) -> None:
    book = loaded(lab, page, "saved_by_key", RUNS)
    book.start(1)
    sidebar = with_a_pinned_run(page)
    places = (
        sidebar.get_by_role("button", name="Submit", exact=True),
        sidebar.get_by_role("button", name="Data", exact=True),
        sidebar.get_by_role("button", name="Close: digits-1"),
        sidebar.get_by_role("group", name="Table of sites"),
    )
    for number, place in enumerate(places):
        only_ctrl_s_counts(page, book.path, place, f"# {number}")


def test_ctrl_s_saves_from_the_view_of_a_running_run_where_plain_keys_do_nothing_to_the_notebook(lab: Lab, page: Page) -> None:
    watched = "watched = Watched(MadeUpRun(4), holds=('3',))"
    book = lab.open(page, lab.notebook("view_saved_by_key", "from made_up_run import *", watched))
    book.start(0)
    book.start(1)
    expect(book.view.get_by_text("Round 4 of 4")).to_be_visible()
    abort = book.view.get_by_role("button", name="Abort", exact=True)
    for number, place in enumerate(
        (abort, book.view.get_by_role("group", name="Table of sites"), book.view.get_by_role("button", name="Log scale"))
    ):
        only_ctrl_s_counts(page, book.path, place, f"# {number}")
    expect(abort).to_be_enabled()
