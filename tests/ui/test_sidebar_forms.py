"""The sidebar's forms and sections, with a kernel behind them and a notebook beside them."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.runs.conftest import write_image_shard

from .axe import violations
from .lab import Lab
from .sidebar import SETUP, field, loaded, sidebar_of

pytestmark = pytest.mark.ui

MODEL = """%%reson_model
from torch import nn

class Net(nn.Sequential):
    def __init__(self, num_classes: int):
        super().__init__(nn.Flatten(), nn.Linear(3 * 12 * 12, num_classes))
"""
# A real one trains for minutes; here it only matters that it is asked for, and when.
RECORDED_SUBMIT = """from types import SimpleNamespace
import reson_jupyter.api
submitted = []

def submit(*arguments, **named):
    session = reson.session()
    submitted.append((session.submission.name, session.federation.num_rounds))
    return SimpleNamespace(id="made-up-1")

reson_jupyter.api.submit = submit"""
MADE_UP_RUNS = """import time
from reson_jupyter.events import RunState
from reson_jupyter.backend.history.history import RunSummary
from reson_jupyter.notebook.sidebar import runs
rows = [
    RunSummary(f"run-{state}", f"colours {state}", "local", "file:///nowhere", time.time() - 4000 * place, RunState(state),
               reason="The disk is full." if state == "failed" else "", rounds_done=place, num_rounds=8)
    for place, state in enumerate(("running", "finished", "degraded", "failed", "aborted"))
]
runs.history.load = runs.known_runs = lambda *_: rows"""
LIGHT, DARK = "JupyterLab Light", "JupyterLab Dark"


@pytest.fixture(params=[LIGHT, DARK])
def themed(request: pytest.FixtureRequest, page: Page) -> Iterator[str]:
    """A theme for the page; the light one is there again for the next test."""
    yield request.param
    use(page, LIGHT)


def use(page: Page, theme: str) -> None:
    page.evaluate("theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme}).then(() => null)", theme)
    expect(page.locator("body")).to_have_attribute("data-jp-theme-name", theme)


def test_an_edit_in_the_form_reaches_the_kernel_and_one_in_a_cell_the_form(lab: Lab, page: Page) -> None:
    book = loaded(
        lab,
        page,
        "both_ways",
        "session = reson.session(); print(session.training.batch_size, session.training.augment, session.federation.min_clients)",
        "%reson config batch_size=128 min_clients=2 store=file:///tmp/store",
    )
    field(page, "batch_size").fill("64")
    field(page, "batch_size").press("Enter")
    field(page, "augment").check()
    expect(sidebar_of(page).locator("[data-pending]")).to_have_count(0)
    book.start(1)
    expect(page.get_by_text("64 True 1", exact=True)).to_be_visible()
    field(page, "local_epochs").fill("7")  # not finished
    book.start(2)
    expect(field(page, "batch_size")).to_have_value("128")
    expect(field(page, "min_clients")).to_have_value("2")
    expect(field(page, "local_epochs")).to_have_value("7")
    sidebar_of(page).get_by_role("button", name="Back to 32").click()
    expect(field(page, "batch_size")).to_have_value("32")
    field(page, "min_clients").fill("")
    field(page, "min_clients").press("Enter")
    expect(sidebar_of(page).get_by_role("button", name="Back to every site")).to_have_count(0)


def test_a_refused_edit_says_why_at_its_field_and_the_old_value_returns(lab: Lab, page: Page) -> None:
    book = loaded(lab, page, "refused", "print('kept', reson.session().training.batch_size)")
    box = field(page, "batch_size")
    for wrong, why in (
        ("0", "input should be greater than or equal to 1 (got 0)"),
        ("2.5", "valid integer"),
        ("1e", "not a number"),
    ):
        box.focus()
        page.keyboard.press("Control+A")
        page.keyboard.type(wrong)
        page.keyboard.press("Tab")
        expect(sidebar_of(page).get_by_role("alert").filter(has_text=why)).to_be_visible()
        expect(box).to_have_value("32")
        expect(box).to_have_attribute("aria-invalid", "true")
        expect(box).to_have_accessible_description(re.compile(f"^Samples in a mini-batch. .*{re.escape(why)}"))
    book.start(1)
    expect(page.get_by_text("kept 32", exact=True)).to_be_visible()


def test_hyperparameters_of_ones_own_are_rows(lab: Lab, page: Page) -> None:
    book = loaded(lab, page, "rows", "print(dict(reson.session().training.extra))", "%reson config width=4")
    rows = sidebar_of(page).get_by_role("group", name="Hyperparameters of your own")
    rows.get_by_role("button", name="Add").click()
    page.keyboard.type("dropout")
    page.keyboard.press("Tab")
    page.keyboard.type("0.25")
    page.keyboard.press("Enter")
    expect(rows.get_by_label("Value of dropout")).to_have_value("0.25")
    rows.get_by_label("Name of dropout").fill("drop")
    rows.get_by_label("Name of dropout").press("Enter")
    expect(rows.get_by_label("Value of drop", exact=True)).to_have_value("0.25")
    rows.get_by_label("Value of drop", exact=True).fill('[1, {"a": null}]')
    rows.get_by_label("Value of drop", exact=True).press("Enter")
    expect(rows.get_by_label("Value of drop", exact=True)).to_have_value('[1, {"a": null}]')
    book.start(1)
    expect(page.get_by_text("{'drop': [1, {'a': None}]}", exact=True)).to_be_visible()
    book.start(2)
    expect(rows.get_by_label("Value of width")).to_have_value("4")
    rows.get_by_role("button", name="Remove drop").click()
    expect(rows.get_by_label("Value of drop", exact=True)).to_have_count(0)


def test_with_the_keyboard_alone_a_field_is_changed_and_a_run_submitted(lab: Lab, page: Page) -> None:
    (lab.root / "keyboard-shards").mkdir()
    book = lab.open(
        page,
        lab.notebook(
            "keyboard", SETUP, MODEL, RECORDED_SUBMIT, "%reson config shards_dir=keyboard-shards name=colours", "print(submitted)"
        ),
    )
    for cell in range(4):
        book.start(cell)
    book.wait_until_idle()
    keyboard = page.keyboard
    keyboard.press("Control+Shift+C")
    keyboard.type("Show Reson")
    expect(page.get_by_role("option", name="Show Reson").or_(page.get_by_text("Show Reson")).first).to_be_visible()
    keyboard.press("Enter")
    expect(field(page, "num_rounds")).to_be_visible()
    tab_to(page, field(page, "num_rounds"))
    keyboard.press("Control+A")
    keyboard.type("3")
    submit = sidebar_of(page).get_by_role("button", name="Submit", exact=True)
    tab_to(page, submit)
    expect(submit).to_be_enabled()
    keyboard.press("Enter")
    expect(sidebar_of(page).get_by_text("Submitted.")).to_be_visible()
    expect(submit).to_be_focused()
    book.start(4)
    expect(page.get_by_text("[('colours', 3)]", exact=True)).to_be_visible()


def tab_to(page: Page, wanted: Locator) -> None:
    for _ in range(120):
        page.keyboard.press("Tab")
        if wanted.evaluate("node => node === document.activeElement"):
            return
    raise AssertionError("the focus never came there")


def test_what_stands_in_the_way_is_said_and_goes_when_it_is_done(lab: Lab, page: Page) -> None:
    book = loaded(lab, page, "obstacles", MODEL, "%reson config num_classes=3")
    submit = sidebar_of(page).get_by_role("button", name="Submit", exact=True)
    expect(submit).to_be_disabled()
    expect(submit).to_have_accessible_description(re.compile("There is no model.*Submit: The run has no name.*Submit: No shards"))
    book.start(1)
    expect(sidebar_of(page).get_by_text("There is no model")).to_have_count(0)
    check = sidebar_of(page).get_by_role("button", name="Check", exact=True)
    expect(check).to_have_accessible_description(re.compile("num_classes"))
    expect(check).to_be_disabled()
    book.start(2)
    expect(check).to_be_enabled()
    expect(submit).to_be_disabled()


def test_shards_are_shown_by_class_and_site(lab: Lab, page: Page) -> None:
    shards = lab.root / "forms-shards"
    shards.mkdir()
    write_image_shard(shards / "a.zip", [0, 1, 2] * 8, seed=1)
    write_image_shard(shards / "b.zip", [0, 0, 1], seed=2)
    loaded(lab, page, "shards")
    field(page, "shards_dir").fill("forms-shards")
    field(page, "shards_dir").press("Enter")
    sidebar_of(page).get_by_role("button", name="Check shards").click()
    expect(sidebar_of(page).get_by_text("2 shards, 27 samples, 3 labels")).to_be_visible()
    expect(sidebar_of(page).get_by_role("img", name="Samples of each class at each site")).to_be_visible()
    table = sidebar_of(page).get_by_role("table", name="Samples of each class at each site")
    expect(table.get_by_role("row")).to_have_count(3)
    expect(table.get_by_role("row").nth(2).get_by_role("rowheader")).to_have_text("site-2")
    expect(table.get_by_role("row").nth(2).get_by_role("cell")).to_have_text(["2", "1", "0", "3"])


def test_the_sidebar_is_accessible_and_narrow(lab: Lab, page: Page, themed: str) -> None:
    page.set_viewport_size({"width": 1280, "height": 5000})
    shards = lab.root / f"axe-shards-{themed.split()[-1]}"
    shards.mkdir()
    write_image_shard(shards / "a.zip", [0, 1, 2] * 8, seed=1)
    refused = "%%reson_train\ndef fl_train(model, env, out_dir, logger):\n    return missing_name"
    book = loaded(
        lab, page, f"axe_{themed.split()[-1]}", MODEL, MADE_UP_RUNS, f"%reson config shards_dir={shards.name} a=1", refused
    )
    use(page, themed)
    for cell in range(1, 5):
        book.start(cell)
    panel = sidebar_of(page)
    expect(panel.get_by_label("Value of a", exact=True)).to_have_value("1")
    expect(panel.get_by_text("missing_name").first).to_be_visible()
    closed = panel.locator("[aria-expanded=false]")
    while closed.count():
        closed.first.click()
    panel.get_by_role("button", name="Look for runs again").click()
    panel.get_by_role("button", name="Abort colours running").click()
    panel.get_by_role("button", name="Check shards").click()
    expect(panel.get_by_role("img", name="Samples of each class at each site")).to_be_visible()
    field(page, "batch_size").fill("0")
    field(page, "batch_size").press("Enter")
    expect(field(page, "batch_size")).to_have_attribute("aria-invalid", "true")
    # The model is made for other images: the outcome is long, and has a card.
    panel.get_by_role("button", name="Check", exact=True).click()
    expect(panel.get_by_role("button", name="Dismiss")).to_be_visible()
    assert violations(panel) == []
    assert panel.evaluate("node => [node.scrollWidth <= node.clientWidth, node.offsetWidth <= 250]") == [True, True]


def test_the_live_view_is_accessible(lab: Lab, page: Page, themed: str) -> None:
    run = "watched = Watched(MadeUpRun(30), holds=('4',))"
    book = lab.open(page, lab.notebook(f"axe_view_{themed.split()[-1]}", "from made_up_run import *", run))
    use(page, themed)
    book.start(0)
    book.start(1)
    expect(book.view.get_by_text("Round 5 of 30")).to_be_visible()
    assert violations(book.view) == []
