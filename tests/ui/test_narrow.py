"""What little room leaves: a run pinned in the sidebar, its parts, and a comparison in a narrow notebook."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from .lab import Lab
from .sidebar import RUNS, loaded, with_a_pinned_run
from .test_compare import compared, shown

pytestmark = pytest.mark.ui


def box(part: Locator) -> tuple[float, float, float, float]:
    """Left, top, right, bottom, in pixels."""
    found = part.bounding_box()
    assert found
    return found["x"], found["y"], found["x"] + found["width"], found["y"] + found["height"]


def test_a_pinned_run_leaves_forms_and_buttons_in_sight_on_a_small_screen(lab: Lab, page: Page) -> None:
    page.set_viewport_size({"width": 1400, "height": 757})
    book = loaded(lab, page, "small_screen", RUNS)
    book.start(1)
    sidebar = with_a_pinned_run(page)
    view = sidebar.get_by_role("region", name="Training run")
    expect(view.get_by_text(re.compile("^Round 3 of 8"))).to_be_visible()
    _, top, _, bottom = box(page.locator(".jp-Reson-face"))
    assert 0.45 < (bottom - top) / (box(sidebar)[3] - box(sidebar)[1]) < 0.55
    actions = box(sidebar.get_by_role("group", name="Run", exact=True))
    assert len(sidebar.locator("#reson-obstacles li").all()) == 3
    assert actions[3] <= bottom + 1 and actions[1] - box(page.locator(".jp-Reson-head"))[1] > 0
    page.locator(".jp-Reson-face").evaluate("face => face.scrollTo(0, 400)")
    assert box(sidebar.get_by_role("group", name="Run", exact=True))[1] - top > 100  # of forms


def test_in_a_sidebar_stages_are_of_one_width_and_the_view_has_all_of_the_room(lab: Lab, page: Page) -> None:
    book = loaded(lab, page, "stages", RUNS)
    book.start(1)
    sidebar = with_a_pinned_run(page)
    view = sidebar.get_by_role("region", name="Training run")
    expect(view.get_by_text(re.compile("^Round 3 of 8"))).to_be_visible()
    stages = [box(stage) for stage in view.locator(".reson-stage").all()]
    assert len({round(right - left) for left, _, right, _ in stages}) == 1
    assert len({top for _, top, _, _ in stages}) > 1  # there is room for none beside the others
    (left, _, right, _), (of, _, to, _) = box(view), box(sidebar.locator(".jp-Reson-run-bar"))
    assert right - left >= 0.98 * (to - of)  # a padding of its own beside the sidebar's would take an eighth

    # A column that is not sorted by keeps no room for its arrow.
    assert view.locator(".reson-sort").first.evaluate("button => getComputedStyle(button, '::after').display") == "none"


def test_a_comparison_in_a_narrow_notebook_has_no_scroll_bars_within_each_other(lab: Lab, page: Page) -> None:
    compared(lab, page, "narrow_compare")
    page.evaluate("window.jupyterapp.commands.execute('application:toggle-left-area').then(() => null)")
    page.set_viewport_size({"width": 460, "height": 800})
    region = shown(page)
    expect(region).to_be_visible()
    page.wait_for_function("() => document.querySelector('.reson-comparison .reson-plot canvas').clientWidth < 330")
    for table in region.locator(".reson-scroller").all():
        assert table.evaluate("node => node.scrollWidth - node.clientWidth") <= 1
