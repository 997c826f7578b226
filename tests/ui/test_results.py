"""The static result of a run finds its place in pages that were reloaded, or opened, since its view was made."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Page, expect

from .lab import Lab, Notebook

pytestmark = pytest.mark.ui

LOAD = "%load_ext reson_jupyter\nfrom made_up_run import *"
# As `show` does it: the view, and what takes its place.
RUN = """from reson_jupyter.notebook.live.results import results
class Kept(Watched):
    def show_report(self):
        bundle = {"text/html": report_html(self.view.letter()["message"]), "text/plain": "the end"}
        self.handle.update(bundle, raw=True)
        results.keep(self.view.model_id, bundle)
watched = Kept(MadeUpRun(6), 0.05, holds=("3",))"""
ENDS_WITHIN_MS = 90_000


def begun(lab: Lab, page: Page, name: str) -> Notebook:
    book = lab.open(page, lab.notebook(name, LOAD, RUN))
    book.start(0)
    book.start(1)
    expect(book.view.get_by_text("Round 4 of 6")).to_be_visible()
    book.command("docmanager:save")
    return book


def check_saved(book: Notebook, page: Page) -> None:
    picture = page.get_by_alt_text("loss over the rounds")
    expect(picture).to_be_visible(timeout=ENDS_WITHIN_MS)
    expect(book.view).to_have_count(0)
    book.command("docmanager:save")
    book.shut_kernel_down()
    page.reload()
    expect(picture).to_be_visible()
    [output] = json.loads(book.path.read_text())["cells"][1]["outputs"]
    assert (output["output_type"], set(output["data"])) == ("display_data", {"text/html", "text/plain"})


def test_a_page_that_was_reloaded_during_the_run_gets_its_result(lab: Lab, page: Page) -> None:
    book = begun(lab, page, "kept_reload")
    page.reload()
    book.wait_until_idle()
    expect(book.view.get_by_text("Round 4 of 6")).to_be_visible()
    book.say("3")
    check_saved(book, page)


def test_a_page_that_is_opened_after_the_run_gets_its_result(lab: Lab, page: Page) -> None:
    book = begun(lab, page, "kept_later")
    page.goto("about:blank")
    book.say("3")
    lab.open(page, book.path.name)
    check_saved(book, page)


def test_a_page_that_saw_the_run_end_has_one_result(lab: Lab, page: Page) -> None:
    book = begun(lab, page, "kept_seen")
    book.say("3")
    check_saved(book, page)
