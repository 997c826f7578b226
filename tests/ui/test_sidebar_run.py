"""From the sidebar alone, with a real run: configure, check, submit, watch, abort, while the notebook keeps nothing of it."""

from __future__ import annotations

import re

import nbformat
import pytest
from playwright.sync_api import Page, expect

from tests.runs.conftest import write_image_shard

from .lab import Lab
from .test_real_run import MODEL, ROUNDS_WITHIN_MS

pytestmark = [pytest.mark.ui, pytest.mark.nvflare]

SETUP = "import os; os.environ['RESON_HOME'] = 'sidebar-home'\n%load_ext reson_jupyter"
SHARDS = "sidebar-shards"


def test_a_run_is_configured_submitted_watched_and_aborted_from_the_sidebar(lab: Lab, page: Page) -> None:
    shards = lab.root / SHARDS
    shards.mkdir()
    write_image_shard(shards / "a.zip", [0, 1, 2] * 8, seed=1)
    write_image_shard(shards / "b.zip", [0, 1, 2] * 4, seed=2)
    book = lab.open(
        page, lab.notebook("from_sidebar", SETUP, MODEL, "reson_runs = __import__('reson_jupyter').runs()\nreson_runs[0].state")
    )
    page.get_by_role("tab", name="Reson", exact=True).click()
    sidebar = page.get_by_role("region", name="Reson", exact=True)
    book.start(0)
    expect(sidebar.get_by_text("captured").first).to_be_visible()
    book.start(1)
    expect(sidebar.get_by_text("Net", exact=True)).to_be_visible()
    for field, value in (("img_size", "12"), ("num_rounds", "1000"), ("shards_dir", SHARDS), ("name", "colours")):
        box = sidebar.get_by_label(field, exact=True)
        box.fill(value)
        box.press("Enter")
        expect(box).to_have_value(value)
    sidebar.get_by_role("button", name="Check shards").click()
    expect(sidebar.get_by_role("status").filter(has_text="2 shards, 36 samples, 3 labels")).to_be_visible()
    submit = sidebar.get_by_role("button", name="Submit", exact=True)
    expect(submit).to_be_enabled()
    submit.click()
    view = sidebar.get_by_role("region", name="Training run")
    expect(view.get_by_text(re.compile(r"Round ([3-9]|\d{2,}) of 1000"))).to_be_visible(timeout=ROUNDS_WITHIN_MS)
    expect(view.get_by_role("row", name="site-2")).to_be_visible()
    row = sidebar.get_by_role("listitem").filter(has_text="colours")
    expect(row).to_contain_text("running")
    row.get_by_role("button", name="Abort colours").click()
    row.get_by_role("button", name="Yes, abort").click()
    expect(row).to_contain_text("aborted")
    expect(view.get_by_text("Stopped on request after").first).to_be_visible()
    book.start(2)
    expect(page.get_by_text("<RunState.ABORTED: 'aborted'>")).to_be_visible()
    book.command("docmanager:save")
    saved = nbformat.read(book.path, as_version=4)
    # Neither a view nor a message of the sidebar's has become an output of some cell.
    assert [len(cell.outputs) for cell in saved.cells] == [0, 1, 1]
    assert "widgets" not in saved.metadata and "reson.state" not in book.path.read_text()
