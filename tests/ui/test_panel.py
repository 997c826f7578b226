from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from .lab import Lab, Notebook

pytestmark = pytest.mark.ui

LOAD = "%load_ext reson_jupyter"
BUTTONS = ("Check", "Preview", "Submit")
SLOW_CHECK = """import reson_jupyter as reson
from made_up_run import wait_for

def check():
    wait_for("go")
    raise reson.ResonError("It did not pass.")

reson.api.check = check"""


def opened(lab: Lab, page: Page, name: str, *cells: str) -> Notebook:
    """A notebook in which the panel is shown, with cells that are still to run."""
    book = lab.open(page, lab.notebook(name, LOAD, "%reson panel", *cells))
    book.start(0)
    book.start(1)
    expect(page.locator(".jp-Reson-widgets").get_by_label("batch_size")).to_be_visible()
    return book


def test_an_edit_in_the_panel_is_made_in_the_session_and_one_by_magic_appears_in_the_panel(lab: Lab, page: Page) -> None:
    book = opened(lab, page, "panel_both_ways", "%reson config", "%reson config batch_size=16 dropout=0.25 num_rounds=7")
    batch_size = page.locator(".jp-Reson-widgets").get_by_label("batch_size")
    expect(batch_size).to_have_value("32")
    batch_size.fill("64")
    batch_size.press("Enter")
    expect(page.locator(".jp-Reson-widgets").get_by_label("learning_rate")).to_have_value("0.001")
    book.start(2)
    expect(page.get_by_text("batch_size = 64")).to_be_visible()
    book.start(3)
    expect(batch_size).to_have_value("16")
    expect(page.locator(".jp-Reson-widgets").get_by_label("dropout")).to_have_value("0.25")


def test_a_refused_edit_is_told_at_the_field_and_the_old_value_is_back(lab: Lab, page: Page) -> None:
    opened(lab, page, "panel_refused")
    batch_size = page.locator(".jp-Reson-widgets").get_by_label("batch_size")
    for given, why in (("0", "greater than or equal to 1"), ("many", "valid integer"), ("0", "greater than or equal to 1")):
        batch_size.fill(given)
        batch_size.press("Tab")
        expect(page.get_by_role("alert")).to_contain_text(why)
        expect(batch_size).to_have_value("32")
    batch_size.fill("8")
    batch_size.press("Tab")
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(batch_size).to_have_value("8")


def test_a_button_keeps_the_focus_while_it_works_and_afterwards(lab: Lab, page: Page) -> None:
    book = opened(lab, page, "panel_focus", SLOW_CHECK, "%reson config model_class=package.Net")
    book.start(2)
    book.start(3)
    check = page.locator(".jp-Reson-widgets").get_by_role("button", name="Check", exact=True)
    expect(check).to_be_enabled()
    check.press("Enter")
    expect(page.get_by_text("check: building the job")).to_be_visible()
    expect(check).to_be_focused()
    book.say("go")
    expect(page.get_by_text("It did not pass.")).to_be_visible()
    expect(check).to_be_focused()
    tops = {page.locator(".jp-Reson-widgets").get_by_role("button", name=name).bounding_box()["y"] for name in BUTTONS}  # type: ignore[index]
    assert len(tops) == 1
