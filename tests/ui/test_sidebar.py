from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from .lab import Lab

pytestmark = pytest.mark.ui


def test_the_sidebar_opens_and_says_how_to_begin(lab: Lab, page: Page) -> None:
    lab.open(page, lab.notebook("sidebar"))
    page.get_by_role("tab", name="Reson", exact=True).click()
    panel = page.get_by_role("region", name="Reson", exact=True)
    expect(panel).to_be_visible()
    expect(panel).to_contain_text("%load_ext reson_jupyter")


def test_the_sidebar_is_there_in_notebook_7(lab: Lab, page: Page) -> None:
    lab.open(page, lab.notebook("classic_sidebar"), app="notebooks")
    page.evaluate("window.jupyterapp.shell.activateById('reson-sidebar')")
    expect(page.get_by_role("region", name="Reson", exact=True)).to_contain_text("%reson")
