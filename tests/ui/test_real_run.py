"""A real run in a real JupyterLab, from the submit cell to the button that stops it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.runs.conftest import write_image_shard

from .lab import Lab

pytestmark = [pytest.mark.ui, pytest.mark.nvflare]

ROUNDS_WITHIN_MS = 150_000  # three processes import torch before
SETUP = "import os; os.environ['RESON_HOME'] = 'home'\n%load_ext reson_jupyter\n%reson config img_size=12 num_rounds=1000"
MODEL = """%%reson_model
from torch import nn

class Net(nn.Sequential):
    def __init__(self, num_classes: int):
        super().__init__(nn.Flatten(), nn.Linear(3 * 12 * 12, num_classes))
"""


def test_a_view_whose_kernel_was_restarted_says_so_and_offers_no_abort(lab: Lab, page: Page) -> None:
    book = lab.open(
        page, lab.notebook("restarted", "from made_up_run import *", "watched = Watched(MadeUpRun(100), holds=('1',))")
    )
    book.start(0)
    book.start(1)
    expect(book.view.get_by_text("Round 2 of 100")).to_be_visible()
    button = book.view.get_by_role("button", name="Abort", exact=True)
    expect(button).to_be_enabled()
    page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart().then(() => null)")
    expect(book.view.get_by_text("Show it again: reson.attach(")).to_be_visible()
    expect(button).to_be_disabled()


def test_a_run_is_watched_under_its_cell_and_stopped_by_its_button(lab: Lab, page: Page) -> None:
    shards = lab.root / "shards"
    shards.mkdir()
    write_image_shard(shards / "a.zip", [0, 1, 2] * 8, seed=1)
    write_image_shard(shards / "b.zip", [0, 1, 2] * 4, seed=2)
    book = lab.open(page, lab.notebook("real", SETUP, MODEL, "run = %reson submit --name colours --shards shards", "run.state"))
    for cell in range(3):
        book.start(cell)
    expect(page.get_by_text("captured the model Net")).to_be_visible()
    expect(book.view.locator("header").get_by_text("running", exact=True)).to_be_visible(timeout=ROUNDS_WITHIN_MS)
    expect(book.view.get_by_text(re.compile(r"Round ([3-9]|\d{2,}) of 1000"))).to_be_visible(timeout=ROUNDS_WITHIN_MS)
    expect(book.view.get_by_role("row", name="site-2")).to_be_visible()
    expect(book.chart("val_loss")).to_be_visible()
    book.view.get_by_role("button", name="Abort", exact=True).click()
    book.view.get_by_role("button", name="Yes, abort").click()
    expect(page.get_by_text("Stopped on request after").first).to_be_visible()
    expect(book.view).to_have_count(0)  # static HTML has taken its place
    book.start(3)
    expect(page.get_by_text("<RunState.ABORTED: 'aborted'>")).to_be_visible()
