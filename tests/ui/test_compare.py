"""Runs beside each other in a browser: charts that can be used without a kernel, and HTML where nothing draws them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from .lab import Lab, Notebook, use_theme

pytestmark = pytest.mark.ui

LOAD = "%load_ext reson_jupyter\nfrom made_up_comparison import comparison"
MIME = "application/vnd.reson-jupyter.comparison+json"


def shown(page: Page) -> Locator:
    return page.get_by_role("region", name="Comparison of runs")


def compared(lab: Lab, page: Page, name: str) -> Notebook:
    book = lab.open(page, lab.notebook(name, LOAD, "comparison()"))
    book.start(0)
    book.start(1)
    expect(shown(page)).to_be_visible()
    return book


def test_runs_are_shown_as_charts_and_tables(lab: Lab, page: Page) -> None:
    book = compared(lab, page, "compared")
    region = shown(page)
    expect(region.get_by_text("wide is running and goes on: its values are those of round 9.")).to_be_visible()
    expect(book.chart("loss")).to_have_attribute("aria-label", re.compile("sgd .*adam .*wide"))
    expect(region.get_by_role("row", name=re.compile(r"^loss, final .*★"))).to_be_visible()
    expect(region.get_by_role("row", name=re.compile(r"^learning_rate 0\.1 0\.01 0\.001"))).to_be_visible()
    expect(region.get_by_text("batch_size")).to_have_count(0)


def test_a_value_is_told_under_the_pointer(lab: Lab, page: Page) -> None:
    book = compared(lab, page, "hovered")
    chart, tooltip = book.chart("loss"), page.locator(".reson-tooltip:visible")
    chart.scroll_into_view_if_needed()
    chart.hover(position={"x": 120, "y": 90})
    expect(tooltip).to_contain_text(re.compile(r"Round \d+.*sgd.*adam.*wide"))
    expect(tooltip).not_to_contain_text("weighted mean")


def test_the_saved_notebook_shows_it_again_without_a_kernel(lab: Lab, page: Page) -> None:
    book = compared(lab, page, "reopened")
    book.command("docmanager:save")
    book.shut_kernel_down()
    page.reload()
    expect(shown(page)).to_be_visible()
    expect(book.chart("accuracy")).to_be_visible()
    expect(page.get_by_text("model not found")).to_have_count(0)
    [output] = json.loads(book.path.read_text())["cells"][1]["outputs"]
    assert set(output["data"]) == {MIME, "text/html", "text/plain"}


def test_a_page_without_the_extension_shows_the_html(lab: Lab, page: Page) -> None:
    book = compared(lab, page, "elsewhere")
    book.command("docmanager:save")
    saved = json.loads(book.path.read_text())
    del saved["cells"][1]["outputs"][0]["data"][MIME]
    book.path.with_name("bare.ipynb").write_text(json.dumps(saved))
    lab.open(page, "bare.ipynb")
    expect(page.get_by_alt_text("loss of 3 runs over the rounds")).to_be_visible()
    expect(page.get_by_role("row", name=re.compile("loss, final"))).to_be_visible()


def test_data_from_anywhere_throws_nothing(lab: Lab, page: Page) -> None:
    book = compared(lab, page, "damaged")
    book.command("docmanager:save")
    saved = json.loads(book.path.read_text())
    saved["cells"][1]["outputs"][0]["data"][MIME] = {"runs": [{"id": 3}], "lines": 7, "tables": "x"}
    book.path.with_name("broken.ipynb").write_text(json.dumps(saved))
    lab.open(page, "broken.ipynb")
    expect(page.get_by_text("This is no comparison of runs")).to_be_visible()


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_it_is_drawn_in_both_themes(lab: Lab, browser: Browser, tmp_path: Path, theme: str) -> None:
    use_theme(lab.root.parent, f"JupyterLab {theme}")
    try:
        page = browser.new_page(viewport={"width": 1280, "height": 1100})
        compared(lab, page, f"theme_{theme.lower()}")
        picture = tmp_path / "compared.png"
        page.screenshot(path=picture)
        assert picture.stat().st_size > 20_000
        page.close()
    finally:
        use_theme(lab.root.parent, "JupyterLab Light")
