"""The sidebar follows the notebook, its kernel and what happens to it. What it shows of a kernel is in test_sidebar_forms."""

from __future__ import annotations

import os
import re
import signal

import nbformat
import pytest
from playwright.sync_api import Page, expect

from .lab import Lab, Notebook
from .sidebar import NOT_LOADED, RUNS, SETUP, compare, field, loaded, open_sidebar, show, sidebar_of, with_a_pinned_run

pytestmark = pytest.mark.ui

PID = "import os; print('pid', os.getpid())"
HIDDEN = """import sys

class Missing:
    def find_spec(self, name, *_):
        if name == "reson_jupyter":
            raise ModuleNotFoundError("No module named 'reson_jupyter'")

sys.meta_path.insert(0, Missing())
print("hidden")"""


def pid_in(book: Notebook, index: int) -> int:
    book.start(index)
    text = book.page.get_by_text(re.compile(r"^pid \d+"))
    expect(text).to_be_visible()
    return int(text.inner_text().split()[1])


def test_the_sidebar_loads_the_extension_where_it_is_not_loaded(lab: Lab, page: Page) -> None:
    lab.open(page, lab.notebook("not_loaded"))
    page.get_by_role("tab", name="Reson", exact=True).click()
    sidebar = sidebar_of(page)
    expect(sidebar).to_contain_text(NOT_LOADED)
    expect(sidebar).to_contain_text("not_loaded.ipynb")
    sidebar.get_by_role("button", name="Load the extension").click()
    expect(field(page, "batch_size")).to_have_value("32")
    expect(sidebar).not_to_contain_text(NOT_LOADED)
    assert page.evaluate("window.jupyterapp.shell.currentWidget.content.widgets[0].model.executionCount") is None


def test_the_sidebar_says_that_reson_jupyter_is_not_installed_in_a_kernel(lab: Lab, page: Page) -> None:
    book = lab.open(page, lab.notebook("not_installed", HIDDEN))
    sidebar = open_sidebar(page)
    book.start(0)
    expect(page.get_by_text("hidden", exact=True)).to_be_visible()
    sidebar.get_by_role("button", name="Load the extension").click()
    expect(sidebar.get_by_role("alert")).to_contain_text("reson_jupyter is not installed where this kernel runs.")
    expect(sidebar.get_by_role("alert")).to_contain_text("%pip install reson-jupyter")


def test_the_sidebar_wakes_when_a_cell_loads_the_extension_and_follows_what_cells_do(lab: Lab, page: Page) -> None:
    book = lab.open(page, lab.notebook("late", SETUP, "%reson config batch_size=77"))
    sidebar = open_sidebar(page)
    expect(sidebar).to_contain_text(NOT_LOADED)
    book.start(0)
    expect(field(page, "batch_size")).to_have_value("32")
    book.start(1)
    expect(field(page, "batch_size")).to_have_value("77")


def test_the_command_opens_the_sidebar_and_puts_the_focus_into_it(lab: Lab, page: Page) -> None:
    lab.open(page, lab.notebook("focus"))
    page.keyboard.press("Escape")
    page.keyboard.press("Alt+Shift+R")
    expect(sidebar_of(page)).to_be_focused()
    page.keyboard.press("Tab")
    expect(sidebar_of(page).get_by_role("button", name="Load the extension")).to_be_focused()


def test_without_a_notebook_or_a_kernel_the_sidebar_says_so(lab: Lab, page: Page) -> None:
    book = lab.open(page, lab.notebook("no_kernel"))
    sidebar = open_sidebar(page)
    book.shut_kernel_down()
    expect(sidebar).to_contain_text("This notebook has no kernel.")
    sidebar.get_by_role("button", name="Start a kernel").click()
    expect(sidebar).to_contain_text(NOT_LOADED)
    book.command("docmanager:save")
    book.command("application:close-all")
    expect(sidebar).to_contain_text("Open a notebook")


def test_a_reload_brings_the_sidebar_back_even_while_the_kernel_runs_a_cell(lab: Lab, page: Page) -> None:
    cells = ("%reson config batch_size=48", "from made_up_run import wait_for; wait_for('enough'); print('over')")
    book = loaded(lab, page, "sidebar_reload", *cells)
    book.start(1)
    expect(field(page, "batch_size")).to_have_value("48")
    book.start(2)
    page.wait_for_function(
        "window.jupyterapp.shell.currentWidget.content.widgets[2].inputArea.promptNode.textContent.includes('*')"
    )
    page.reload()
    expect(field(page, "batch_size")).to_have_value("48")
    field(page, "batch_size").fill("96")
    field(page, "batch_size").press("Enter")
    expect(sidebar_of(page).get_by_role("button", name="Back to 32")).to_be_visible()
    # All of that came to pass while the cell ran.
    assert page.get_by_text("over", exact=True).count() == 0
    book.say("enough")


def test_the_sidebar_follows_to_another_notebook_and_back_and_stays_with_it_beside_other_tabs(lab: Lab, page: Page) -> None:
    lab.notebook("switch_b", SETUP, "%reson config batch_size=99")
    loaded(lab, page, "switch_a")
    sidebar = sidebar_of(page)
    show(page, "switch_b.ipynb")
    second = Notebook(page, lab.root / "switch_b.ipynb")
    second.wait_until_idle()
    expect(sidebar).to_contain_text(NOT_LOADED)
    second.start(0)
    second.start(1)
    expect(field(page, "batch_size")).to_have_value("99")
    show(page, "switch_a.ipynb")
    expect(field(page, "batch_size")).to_have_value("32")
    page.evaluate("window.jupyterapp.commands.execute('fileeditor:create-new').then(() => null)")
    expect(page.locator(".jp-FileEditor")).to_be_visible()
    expect(sidebar).to_contain_text("switch_a.ipynb")
    expect(field(page, "batch_size")).to_have_value("32")


def test_a_restarted_kernel_is_another_that_has_to_load_the_extension_again(lab: Lab, page: Page) -> None:
    book = loaded(lab, page, "restarted", "%reson config batch_size=50")
    book.start(1)
    expect(field(page, "batch_size")).to_have_value("50")
    page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.restartKernel().then(() => null)")
    expect(sidebar_of(page)).to_contain_text(NOT_LOADED)
    expect(field(page, "batch_size")).to_have_count(0)
    book.start(0)
    expect(field(page, "batch_size")).to_have_value("32")


def test_a_killed_kernel_comes_back_without_what_it_knew(lab: Lab, page: Page) -> None:
    book = loaded(lab, page, "killed", PID)
    os.kill(pid_in(book, 1), signal.SIGKILL)
    page.get_by_role("dialog").get_by_role("button", name="Ok").click()
    expect(sidebar_of(page)).to_contain_text(NOT_LOADED)
    book.wait_until_idle()
    book.start(0)
    expect(field(page, "batch_size")).to_have_value("32")


def test_a_run_is_pinned_shown_in_a_tab_and_survives_its_kernel_as_a_picture(lab: Lab, page: Page) -> None:
    book = loaded(lab, page, "pinned", RUNS)
    book.start(1)
    sidebar = with_a_pinned_run(page)
    view = sidebar.get_by_role("region", name="Training run")
    expect(view.get_by_text(re.compile("^Round 3 of 8"))).to_be_visible()
    sidebar.get_by_role("button", name="Open as tab: digits-1").click()
    tab = page.locator("#jp-main-dock-panel").get_by_role("region", name="Training run")
    expect(tab.get_by_text(re.compile("^Round 3 of 8"))).to_be_visible()
    page.get_by_role("main").get_by_role("tab", name="pinned.ipynb").click()
    page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.restartKernel().then(() => null)")
    for picture in (view, tab):
        expect(picture.get_by_text(re.compile("^Round 3 of 8"))).to_be_visible()
    expect(sidebar.get_by_text(f"{NOT_LOADED} This is the last that was heard of the run.")).to_be_visible()
    book.wait_until_idle()
    book.start(0)
    book.start(1)
    book.say("go")
    expect(view.get_by_text("8 of 8 rounds done").or_(view.get_by_text("Round 8 of 8"))).to_be_visible()
    sidebar.get_by_role("button", name="Close: digits-1").click()
    expect(view).to_have_count(0)


def test_a_document_opens_beside_the_notebook_and_nothing_in_it_runs(lab: Lab, page: Page) -> None:
    book = loaded(lab, page, "documents", RUNS)
    book.start(1)
    sidebar_of(page).get_by_role("button", name="Look for runs again").click()
    compare(page)
    expect(page.get_by_role("tab", name="Comparison of 2")).to_be_visible()
    document = page.locator(".jp-Reson-document")
    expect(document.get_by_text("The comparison")).to_be_visible()
    assert "var(--jp-error-color1)" in (document.locator("details").get_attribute("style") or "")
    document.get_by_text("here").click()
    assert document.locator("script").count() == 0
    assert page.evaluate("window.__x === undefined")


def test_nothing_of_the_sidebar_lands_in_the_saved_notebook(lab: Lab, page: Page) -> None:
    book = loaded(lab, page, "saved", RUNS)
    book.start(1)
    sidebar = with_a_pinned_run(page)
    expect(sidebar.get_by_role("region", name="Training run").get_by_text(re.compile("^Round 3 of 8"))).to_be_visible()
    field(page, "batch_size").fill("51")
    field(page, "batch_size").press("Enter")
    expect(sidebar.get_by_role("button", name="Back to 32")).to_be_visible()
    before = nbformat.read(book.path, as_version=4)
    book.command("docmanager:save")
    saved = nbformat.read(book.path, as_version=4)
    assert [cell.source for cell in saved.cells] == [cell.source for cell in before.cells]
    assert [cell.outputs for cell in saved.cells] == [[], []]
    assert "widgets" not in saved.metadata
    for cell in saved.cells:
        cell.source = ""
    assert not re.search(r"reson\.|digits-1|batch_size", nbformat.writes(saved))


def test_the_sidebar_works_in_notebook_7(lab: Lab, page: Page) -> None:
    book = lab.open(page, lab.notebook("classic_sidebar", SETUP, RUNS), app="notebooks")
    sidebar = open_sidebar(page)
    expect(sidebar).to_contain_text(NOT_LOADED)
    book.start(0)
    expect(field(page, "batch_size")).to_have_value("32")
    field(page, "batch_size").fill("64")
    field(page, "batch_size").press("Enter")
    expect(sidebar.get_by_role("button", name="Back to 32")).to_be_visible()
    book.start(1)
    sidebar.get_by_role("button", name="Look for runs again").click()
    sidebar.get_by_role("button", name="digits 2", exact=True).click()
    expect(sidebar.get_by_role("region", name="Training run").get_by_text(re.compile("^Round 3 of 8"))).to_be_visible()
    expect(sidebar.get_by_role("button", name="Open as tab")).to_have_count(0)
    compare(page)
    expect(page.get_by_role("dialog").get_by_text("The comparison")).to_be_visible()
    page.get_by_role("dialog").get_by_role("button", name="Close").last.click()
    expect(page.get_by_role("dialog")).to_have_count(0)
