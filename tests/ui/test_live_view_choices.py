"""What a reader can do with the live view, and what it does with long runs and with states that nobody feeds any more."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import nbformat
import pytest
from nbclient import NotebookClient
from playwright.sync_api import Page, expect

from .lab import HERE, Lab, Notebook
from .made_up_run import MadeUpRun

pytestmark = pytest.mark.ui

MADE_UP = "from made_up_run import *"
# A run that has been going on for long when the view opens, as somebody finds it who attaches to it.
LONG = """sites = [f'hospital-{n}' for n in range(50)]
run = MadeUpRun(1_200, sites=sites)
view = RunView(run.first(), on_command=print)
display(view)
numbers = range(1_000)
lines = [
    {'name': name, 'site': site, 'rounds': [*numbers], 'values': [run.value(name, place, number) for number in numbers]}
    for name in run.metrics for place, site in [*enumerate(sites), (1.3, None)]
]
rows = [run.row(site, 999, phase='returned', metrics={'loss': 0.5}) for site in sites]
view.push(run.message(run={'round': 1_000}, sites=rows, lines=lines))"""


def started(lab: Lab, page: Page, name: str, *cells: str) -> Notebook:
    book = lab.open(page, lab.notebook(name, MADE_UP, *cells))
    for cell in range(len(cells) + 1):
        book.start(cell)
    return book


def test_metrics_and_the_scale_are_chosen_with_the_keyboard_and_stay_so_after_a_reload(lab: Lab, page: Page) -> None:
    book = started(lab, page, "choose", "watched = Watched(MadeUpRun(5, metrics=('loss', 'accuracy', 'lr')), 0.02, holds=('3',))")
    expect(book.view.get_by_text("Round 4 of 5")).to_be_visible()
    expect(book.view.locator("figure")).to_have_count(3)
    menu = book.view.get_by_text("Metrics: all")
    menu.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(book.view.locator("figcaption")).to_have_text(["loss", "lr"])
    page.keyboard.press("Escape")
    expect(book.view.get_by_text("Metrics: 2 of 3")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    log = book.view.get_by_role("button", name="Log scale")
    expect(log).to_have_attribute("aria-pressed", "true")
    book.command("docmanager:save")
    page.reload()
    book.wait_until_idle()
    expect(book.view.locator("figcaption")).to_have_text(["loss", "lr"])
    expect(log).to_have_attribute("aria-pressed", "true")


def test_a_site_is_picked_with_the_keyboard_in_the_table_and_in_the_legend(lab: Lab, page: Page) -> None:
    book = started(lab, page, "pick", "watched = Watched(MadeUpRun(5), 0.02, holds=('3',))")
    table, legend = book.view.get_by_role("table"), book.view.get_by_role("list", name="Lines of the charts")
    in_table, in_legend = table.get_by_role("button", name="site-2"), legend.get_by_role("button", name="site-2")
    expect(book.view.get_by_text("Round 4 of 5")).to_be_visible()
    in_table.focus()
    page.keyboard.press("Enter")
    expect(in_table).to_have_attribute("aria-pressed", "true")
    expect(in_legend).to_have_attribute("aria-pressed", "true")
    # What is told meanwhile takes nothing from below the finger.
    book.say("3")
    expect(book.view.get_by_text("Round 4 of 5")).to_be_hidden()
    in_legend.focus()
    page.keyboard.press("Space")
    expect(in_legend).to_have_attribute("aria-pressed", "false")


def test_the_stages_of_the_round_say_how_many_sites_have_done_each(lab: Lab, page: Page) -> None:
    cell = """run = MadeUpRun(3)
view = RunView(run.first(), on_command=print)
display(view)
steps = run.rounds_of_messages()"""
    book = started(lab, page, "stages", cell, "view.push(next(steps))", "view.push(next(steps))")
    stages = book.view.get_by_role("list", name="Stages of the round").get_by_role("listitem")
    expected = ["initialise", "distribute3 of 3 sites", "local train1 of 3 sites", "return1 of 3 sites", "aggregate"]
    states = ["done", "done", "under way", "under way", "to come"]
    expect(stages).to_have_text([f"{name}{state}" for name, state in zip(expected, states, strict=True)])
    expect(book.view.locator("[aria-current=step]")).to_have_count(2)


def test_a_thousand_rounds_of_fifty_sites_show_the_true_values_under_the_pointer(lab: Lab, page: Page) -> None:
    book = started(lab, page, "long", LONG)
    expect(book.chart("loss")).to_have_attribute(
        "aria-label", re.compile(r"over 1000 rounds. In round 1000: weighted mean 0\.\d+")
    )
    chart = book.chart("loss")
    tooltip = chart.locator(".reson-tooltip:visible")
    for x in (101, 155, 212):
        chart.hover(position={"x": x, "y": 90})
        expect(tooltip).not_to_contain_text("…")
        number = int(re.findall(r"Round (\d+)", tooltip.inner_text())[0])
        for row in tooltip.locator(".reson-tooltip-row").all():
            name, said = row.inner_text().split("\n")
            site = 1.3 if name == "weighted mean" else int(name.removeprefix("hospital-"))
            assert said == f"{MadeUpRun.value('loss', site, number - 1):#.4g}"
    book.view.get_by_role("searchbox", name="Filter sites").fill("hospital-4")
    expect(book.view.get_by_role("table").get_by_role("rowheader")).to_have_count(11)


def test_the_view_fits_a_sidebar(lab: Lab, page: Page) -> None:
    book = started(lab, page, "narrow", "watched = Watched(MadeUpRun(5), 0.02, holds=('3',))")
    expect(book.view.get_by_text("Round 4 of 5")).to_be_visible()
    book.view.evaluate("view => view.style.width = '250px'")
    page.wait_for_function("document.querySelector('.reson-plot canvas').clientWidth < 250")
    wider = """view => [...view.querySelectorAll(':scope *')]
        .filter(node => !node.closest('.reson-scroller table, .reson-tooltip, .reson-unseen') && node.getClientRects().length)
        .filter(node => node.getBoundingClientRect().right > view.getBoundingClientRect().right + 1)
        .map(node => node.className)"""
    assert book.view.evaluate(wider) == []


def test_a_saved_state_opened_without_its_kernel_is_the_last_picture_and_commands_nothing(lab: Lab, page: Page) -> None:
    cell = """run = MadeUpRun(5)
view = RunView(run.first(), on_command=print)
display(view)
for message in run.rounds_of_messages():
    view.push(message)
view.push(run.last())"""
    name = lab.notebook("executed", MADE_UP, cell)
    book = nbformat.read(lab.root / name, as_version=4)
    NotebookClient(book, resources={"metadata": {"path": str(HERE)}}, store_widget_state=True, timeout=60).execute()
    nbformat.write(book, lab.root / name)
    data = lab.root.parent / "jupyter" / "data"
    environment = {**os.environ, "JUPYTER_DATA_DIR": str(data)}
    subprocess.run([sys.executable, "-m", "jupyter", "trust", lab.root / name], env=environment, check=True, timeout=60)
    view = lab.open(page, name).view
    expect(view.get_by_text("5 of 5 rounds done")).to_be_visible()
    expect(view.locator("figure [role=img]").first).to_have_attribute("aria-label", re.compile("over 5 rounds"))
    expect(view.get_by_role("button", name="Abort")).to_have_count(0)
    expect(view.get_by_role("list", name="Stages of the round")).to_have_count(0)
