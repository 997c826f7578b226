"""What a person sees of a run on other machines: where it is, what its sites have, and what is wrong there."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from .lab import Lab
from .test_live_view import ENDS_WITHIN_MS, MADE_UP

pytestmark = pytest.mark.ui

HOSTILE_SITES = "{HOSTILE: {'device': HOSTILE, 'problems': [HOSTILE], 'notes': [HOSTILE]}, '\\x1b[31m\\u2028b': {}}"


def test_sites_that_are_sound_are_one_line_that_opens_with_the_keyboard_and_stays_in_the_saved_notebook(
    lab: Lab, page: Page
) -> None:
    book = lab.open(
        page, lab.notebook("federated", MADE_UP, "watched = Watched(FederatedRun(12), 0.05, holds=('preparing', '3'))")
    )
    book.start(0)
    book.start(1)
    expect(book.view.get_by_text("on flare, federation.example.org:8002")).to_be_visible()
    expect(book.view.get_by_text("The sites get ready")).to_be_visible()
    expect(book.view.get_by_text("Before round 1 of 12")).to_be_visible()
    expect(book.view.get_by_role("row", name=re.compile("site-3 preparing"))).to_be_visible()
    book.say("preparing")
    line = book.view.get_by_text("3 sites prepared: Python 3.11, torch 2.13, NVIDIA A100, 1,200 samples")
    expect(line).to_be_visible()
    table = book.view.get_by_label("Table of what the sites have")
    expect(table).to_be_hidden()
    line.focus()
    page.keyboard.press("Enter")
    expect(table.get_by_role("row", name=re.compile("site-2 3.11.9 2.13.0.cu128 2.9.0 NVIDIA A100 812 GB shard"))).to_be_visible()
    expect(book.view.get_by_text("Round 4 of 12")).to_be_visible()
    expect(table).to_be_visible()
    link = book.view.get_by_role("link", name="https://app.example.org/jobs/clx1?tab=log")
    assert link.get_attribute("rel") == "noopener noreferrer"
    book.say("3")
    expect(book.view).to_have_count(0, timeout=ENDS_WITHIN_MS)
    book.command("docmanager:save")
    book.shut_kernel_down()
    page.reload()
    closed = page.get_by_text("3 sites prepared: Python 3.11")
    expect(closed).to_be_visible()
    expect(page.get_by_role("cell", name="NVIDIA A100").first).to_be_hidden()
    closed.click()
    expect(page.get_by_role("cell", name="NVIDIA A100").first).to_be_visible()


def test_what_is_wrong_at_a_site_is_open_and_named_and_stays_so_in_the_saved_notebook(lab: Lab, page: Page) -> None:
    book = lab.open(
        page, lab.notebook("mismatched", MADE_UP, "watched = Watched(FederatedRun(8, MISMATCHED), 0.05, holds=('1',))")
    )
    book.start(0)
    book.start(1)
    table = book.view.get_by_label("Table of what the sites have")
    expect(table.get_by_text("clinic-c cannot train: the package scipy is missing")).to_be_visible()
    expect(table.get_by_text("clinic-d", exact=True)).to_be_visible()
    assert table.locator("mark").all_text_contents() == ["CPU", "3.12.4", "scipy is missing"]
    book.say("1")
    expect(book.view).to_have_count(0, timeout=ENDS_WITHIN_MS)
    book.command("docmanager:save")
    book.shut_kernel_down()
    page.reload()
    expect(page.get_by_text("clinic-c cannot train: the package scipy is missing")).to_be_visible()
    expect(page.get_by_text("4 sites answered: 1 cannot train")).to_be_visible()
    assert page.locator(".jp-OutputArea mark").all_text_contents() == ["CPU", "3.12.4", "scipy is missing"]


def test_hostile_values_of_a_site_do_nothing_in_the_table_nor_in_the_report(lab: Lab, page: Page) -> None:
    run = f"FederatedRun(8, {HOSTILE_SITES})"
    book = lab.open(page, lab.notebook("hostile_site", MADE_UP, f"watched = Watched({run}, 0.05, holds=('1',))"))
    book.start(0)
    book.start(1)
    hostile = "<img src=x onerror=window.__x=1>"
    expect(book.view.get_by_text(f"{hostile} cannot train: {hostile}")).to_be_visible()
    expect(book.view.locator("img")).to_have_count(0)
    book.say("1")
    expect(page.get_by_alt_text("loss over the rounds")).to_be_visible(timeout=ENDS_WITHIN_MS)
    expect(page.get_by_text(f"{hostile} cannot train: {hostile}")).to_be_visible()
    assert page.evaluate("window.__x === undefined")
