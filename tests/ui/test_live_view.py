from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import Locator, Page, expect

from .lab import Lab
from .made_up_run import UNLUCKY_CELL

pytestmark = pytest.mark.ui

MADE_UP = "from made_up_run import *"
ENDS_WITHIN_MS = 90_000


def tooltip_over(page: Page, chart: Locator) -> Locator:
    """Hovers a chart until its tooltip shows: the view still grows, and moves away from below a pointer that stands still."""
    tooltip = page.locator(".reson-tooltip:visible")
    for _ in range(40):
        chart.hover(position={"x": 60, "y": 90})
        if tooltip.is_visible():
            break
        page.wait_for_timeout(100)
    return tooltip


def test_the_view_follows_the_run_while_another_cell_runs(lab: Lab, page: Page) -> None:
    run = "watched = Watched(MadeUpRun(30), holds=('2', '4'))"
    book = lab.open(page, lab.notebook("other_cell", MADE_UP, run, "wait_for('enough')"))
    for cell in range(3):
        book.start(cell)
    expect(book.view.get_by_text("running", exact=True)).to_be_visible()
    expect(book.view.get_by_text("Round 3 of 30")).to_be_visible()
    book.say("2")
    expect(book.view.get_by_text("Round 5 of 30")).to_be_visible()
    for name in ("loss", "accuracy"):
        expect(book.chart(name)).to_have_attribute("aria-label", re.compile(r"over 4 rounds. In round 4: weighted mean 0\.\d+"))
    hovered = tooltip_over(page, book.chart("accuracy"))
    expect(hovered).to_contain_text(re.compile(r"Round \d+weighted mean0\.\d+site-10\.\d+site-2"))
    row = book.view.get_by_role("row", name=re.compile("site-3"))
    expect(row).to_contain_text("718")
    expect(row).to_contain_text(re.compile("now|s ago"))
    assert book.is_running(2)


def test_the_view_misses_nothing_while_the_cell_that_shows_it_keeps_the_kernel_busy(lab: Lab, page: Page) -> None:
    cell = """run = MadeUpRun(8)
view = RunView(run.first(), on_command=print)
display(view)
for message in run.rounds_of_messages():
    view.push(message)
    time.sleep(0.05)
wait_for('enough')"""
    book = lab.open(page, lab.notebook("same_cell", MADE_UP, cell))
    book.start(0)
    book.start(1)
    expect(book.view.get_by_text("8 of 8 rounds done")).to_be_visible()
    for name in ("loss", "accuracy"):
        expect(book.chart(name)).to_have_attribute("aria-label", re.compile("over 8 rounds. In round 8: weighted mean 0"))
    assert book.is_running(1)


def test_a_reload_during_the_run_brings_every_point_back(lab: Lab, page: Page) -> None:
    book = lab.open(page, lab.notebook("reload", MADE_UP, "watched = Watched(MadeUpRun(40), 0.05, holds=('2', '6', '7'))"))
    book.start(0)
    book.start(1)
    expect(book.view.get_by_text("Round 3 of 40")).to_be_visible()
    # What a page had not received when it was saved cannot come back: the notebook would hold no view.
    book.command("docmanager:save")
    book.say("2")  # what is told from now on may find no page
    page.reload()
    book.wait_until_idle()
    expect(book.view.get_by_text("Round 7 of 40")).to_be_visible()
    expect(book.chart("loss")).to_have_attribute("aria-label", re.compile("over 6 rounds. In round 6: weighted mean 0"))
    book.say("6")
    expect(book.chart("loss")).to_have_attribute("aria-label", re.compile("over 7 rounds. In round 7: weighted mean 0"))


def test_the_finished_run_stays_in_the_saved_notebook_without_a_kernel(lab: Lab, page: Page) -> None:
    book = lab.open(page, lab.notebook("finished", MADE_UP, "watched = Watched(MadeUpRun(3), interval=0.05)"))
    book.start(0)
    book.start(1)
    picture = page.get_by_alt_text("loss over the rounds")
    expect(picture).to_be_visible(timeout=ENDS_WITHIN_MS)
    expect(book.view).to_have_count(0)
    book.command("docmanager:save")
    book.shut_kernel_down()
    page.reload()
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth > 400)")
    expect(page.get_by_text("Every round had its contributions")).to_be_visible()
    expect(page.get_by_role("row", name=re.compile("site-2 done"))).to_be_visible()
    outputs = json.loads(book.path.read_text())["cells"][1]["outputs"]
    assert [output["output_type"] for output in outputs] == ["display_data"]
    assert "application/vnd.jupyter.widget-view+json" not in outputs[0]["data"]


def test_a_run_that_went_wrong_says_where_and_keeps_its_cards_in_the_saved_notebook(lab: Lab, page: Page) -> None:
    unlucky = "watched = Watched(UnluckyRun(8), interval=0.05, holds=('stopping',))"
    book = lab.open(page, lab.notebook("unlucky", MADE_UP, UNLUCKY_CELL, unlucky))
    for cell in range(3):
        book.start(cell)
    expect(book.view.get_by_text("stopping", exact=True)).to_be_visible()
    expect(book.view.get_by_text(re.compile(r"^forced in \d+ s"))).to_be_visible()
    expect(book.view.get_by_text("The run was asked to stop and is ending.")).to_be_visible()
    expect(book.view.get_by_role("button", name="Abort", exact=True)).to_be_disabled()
    expect(book.view.get_by_text("no progress for 15 s in In[2], line 14")).to_be_visible()
    source = re.compile(r"> +9 \| +return self\.head")
    expect(book.view.get_by_text("site-1, round 4: RuntimeError at In[2], line 9 (forward)")).to_be_visible()
    expect(book.view.get_by_text(source)).to_be_hidden()
    book.say("stopping")
    expect(book.view).to_have_count(0, timeout=ENDS_WITHIN_MS)
    book.command("docmanager:save")
    book.shut_kernel_down()
    page.reload()
    expect(page.get_by_text("site-1, round 4: RuntimeError at In[2], line 9 (forward)")).to_be_visible()
    expect(page.get_by_text(source)).to_be_visible()
    expect(page.get_by_text("A Linear layer is made for 256 inputs")).to_be_visible()
    library = page.get_by_text("torch/nn/modules/linear.py")
    expect(library.first).to_be_hidden()
    page.get_by_text("1 call in torch").click()
    expect(library.first).to_be_visible()
    expect(page.get_by_text("The model of round 3 is kept")).to_be_visible()


def test_hostile_names_do_nothing_in_the_view_nor_in_the_report(lab: Lab, page: Page) -> None:
    run = "MadeUpRun(5, sites=(HOSTILE, '</script>', 'javascript:alert(1)'), metrics=(HOSTILE, '__proto__'))"
    book = lab.open(page, lab.notebook("hostile", MADE_UP, f"watched = Watched({run}, interval=0.05, holds=('3',))"))
    book.start(0)
    book.start(1)
    expect(book.view.get_by_text("Round 4 of 5")).to_be_visible()
    hostile = "<img src=x onerror=window.__x=1>"
    expect(book.view.locator("figcaption").get_by_text(hostile)).to_be_visible()
    expect(book.view.get_by_role("row", name=hostile).first).to_be_visible()
    expect(tooltip_over(page, book.chart("__proto__")).get_by_text(hostile)).to_be_visible()
    expect(book.view.locator("img")).to_have_count(0)
    book.say("3")
    expect(page.get_by_alt_text("__proto__ over the rounds")).to_be_visible(timeout=ENDS_WITHIN_MS)
    expect(page.get_by_role("row", name=hostile).first).to_be_visible()
    assert page.evaluate("window.__x === undefined")


def test_the_run_is_aborted_with_the_keyboard_alone(lab: Lab, page: Page) -> None:
    book = lab.open(page, lab.notebook("abort", MADE_UP, "watched = Watched(MadeUpRun(100), holds=('1',))"))
    book.start(0)
    book.start(1)
    button = book.view.get_by_role("button", name="Abort", exact=True)
    expect(button).to_be_enabled()
    button.focus()
    page.keyboard.press("Enter")
    expect(book.view.get_by_role("button", name="Keep running")).to_be_focused()
    page.keyboard.press("Escape")
    expect(button).to_be_focused()
    page.keyboard.press("Space")
    page.keyboard.press("Shift+Tab")
    expect(book.view.get_by_role("button", name="Yes, abort")).to_be_focused()
    page.keyboard.press("Enter")
    expect(book.view.get_by_text("aborted", exact=True).first).to_be_visible()
    expect(button).to_be_disabled()


def test_the_view_works_in_notebook_7(lab: Lab, page: Page) -> None:
    book = lab.open(page, lab.notebook("classic", MADE_UP, "watched = Watched(MadeUpRun(30), holds=('1',))"), app="notebooks")
    book.start(0)
    book.start(1)
    expect(book.view.get_by_text("Round 2 of 30")).to_be_visible()
