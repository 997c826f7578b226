"""The sidebar as a part of JupyterLab: its height, its tabs and its commands."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from .lab import Lab
from .sidebar import RUNS, compare, field, loaded, sidebar_of, with_a_pinned_run

pytestmark = pytest.mark.ui


def test_a_pinned_run_has_half_of_the_sidebar_and_is_there_again_after_a_reload(lab: Lab, page: Page) -> None:
    book = loaded(lab, page, "pinned_reload", RUNS)
    book.start(1)
    sidebar = with_a_pinned_run(page)
    view = sidebar.get_by_role("region", name="Training run")
    expect(view.get_by_text(re.compile("^Round 3 of 8"))).to_be_visible()
    pane, whole = sidebar.locator(".jp-Reson-run").bounding_box(), sidebar.bounding_box()
    assert pane and whole and 0.45 * whole["height"] < pane["height"] < 0.55 * whole["height"]
    book.command("docmanager:save")
    page.reload()
    expect(view.get_by_text(re.compile("^Round 3 of 8"))).to_be_visible()
    sidebar.get_by_role("button", name="Close: digits-1").click()
    page.reload()
    expect(field(page, "batch_size")).to_have_value("32")
    expect(view).to_have_count(0)


def test_a_comparison_has_charts_to_use_and_one_tab_however_often_it_is_asked_for(lab: Lab, page: Page) -> None:
    real = """from made_up_comparison import comparison
from reson_jupyter.notebook.comparison_bundle import comparison_bundle
reson_jupyter.api.compare = lambda *runs: comparison(("sgd", "adam"))
commands.comparison_bundle = comparison_bundle"""
    book = loaded(lab, page, "compared_in_tab", RUNS + "\n" + real)
    book.start(1)
    sidebar_of(page).get_by_role("button", name="Look for runs again").click()
    compare(page)
    region = page.locator("#jp-main-dock-panel").get_by_role("region", name="Comparison of runs")
    expect(region.locator("figure", has_text="loss").get_by_role("img")).to_be_visible()
    expect(region.locator("figure canvas").first).to_be_visible()
    sidebar_of(page).get_by_role("button", name="Compare 2 runs").click()
    expect(region).to_have_count(1)
    expect(page.get_by_role("main").get_by_role("tab", name=re.compile("compared$|^Comparison"))).to_have_count(1)


def test_the_command_submits_or_says_what_stands_in_the_way(lab: Lab, page: Page) -> None:
    book = loaded(lab, page, "submit_command")
    book.command("reson:submit")
    expect(page.get_by_text(re.compile("There is no model.*The run has no name")).first).to_be_visible()
