"""What people see of a check: tables, pictures and lists, as text and in a notebook, light and dark."""

from __future__ import annotations

import base64
import io
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from reson_jupyter.data.balance import balance_figure, balance_png
from reson_jupyter.data.manifest import Summary
from reson_jupyter.data.problems import Problems
from reson_jupyter.data.report import ShardsReport, ShardSummary
from reson_jupyter.errors import ShardError


def shard(name: str, counts: dict[int, int], names: dict[int, str] | None = None, **summary: Any) -> ShardSummary:
    manifest = Summary(samples=sum(counts.values()), label_counts=counts, **summary)
    called = {label: [one] for label, one in (names or {}).items()}
    return ShardSummary(Path("/data") / name, 1_000_000, "0" * 64, True, manifest, Problems(), class_names=called)


def report(*counts: dict[int, int], problems: tuple[str, ...] = (), warnings: tuple[str, ...] = ()) -> ShardsReport:
    found = ShardsReport(tuple(shard(f"shard_{n}.zip", one) for n, one in enumerate(counts)), warnings=warnings)
    for problem in problems:
        found.problems.add(problem)
    return found


def picture(html: str) -> np.ndarray[Any, Any]:
    """The pixels of the picture in the HTML, with their alpha."""
    (data,) = re.findall(r"src='data:image/png;base64,([^']+)'", html)
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGBA"))


def text_of(html: str) -> str:
    """What a browser would show of it."""
    found: list[str] = []
    parser = HTMLParser()
    parser.handle_data = found.append  # type: ignore[method-assign]
    parser.feed(html)
    return " ".join(found)


def test_a_report_is_a_table_of_the_sites() -> None:
    shown = repr(report({0: 30, 1: 2000}, {1: 10}, warnings=("only site-1 has label 0",), problems=("shard_0.zip: bad",)))
    assert shown.splitlines() == [
        "2 shards, 2,040 samples, 2 labels: 1 problem, 1 warning",
        "site    shard        samples    size  by label",
        "site-1  shard_0.zip    2,030  1.0 MB  0: 30 · 1: 2,000",
        "site-2  shard_1.zip       10  1.0 MB  1: 10",
        "  - shard_0.zip: bad",
        "warning: only site-1 has label 0",
    ]


def test_a_notebook_shows_the_same_and_a_picture() -> None:
    found = report({0: 30, 1: 2000}, {1: 10}, warnings=("only site-1 has label 0",), problems=("shard_0.zip: bad",))
    html = found._repr_html_()
    for word in (
        "2 shards, 2,040 samples",
        "site-1",
        "shard_1.zip",
        "0: 30 · 1: 2,000",
        "shard_0.zip: bad",
        "only site-1 has label 0",
    ):
        assert word in text_of(html)
    assert picture(html).shape[2] == 4


def test_the_problems_and_those_beyond_twenty_are_told() -> None:
    found = report({0: 1}, problems=tuple(f"problem {n}" for n in range(25)))
    for shown in (repr(found), text_of(found._repr_html_())):
        assert "problem 19" in shown and "problem 20" not in shown and "and 5 more" in shown
    with pytest.raises(ShardError, match="25 problems"):
        found.raise_for_problems()


def test_many_labels_are_cut_in_the_table() -> None:
    assert repr(report({n: 1 for n in range(300)})).splitlines()[2].endswith("8: 1 · 9: 1 · and 290 more")


def test_shards_without_labels_have_no_picture() -> None:
    bare = ShardSummary(Path("a.zip"), 5, "0" * 64, False, Summary(), Problems())
    found = ShardsReport((bare,))
    assert repr(found).splitlines()[2] == "site-1  a.zip            5 B"
    assert "<img" not in found._repr_html_()


def test_how_many_images_were_read_is_told() -> None:
    found = ShardsReport((ShardSummary(Path("a.zip"), 5, "0" * 64, True, Summary(samples=99), Problems(), images_read=16),))
    assert repr(found).startswith("1 shard, 99 samples, 16 images read: no problems\n")


EVIL = "<img src=x onerror=alert(1)>'\"&</div><script>"


def test_every_value_is_escaped() -> None:
    found = ShardsReport((shard(f"{EVIL}.zip", {0: 1}),), warnings=(EVIL,))
    found.problems.add(EVIL)
    html = found._repr_html_()
    assert "<script" not in html and "<img src=x" not in html and html.count("<img") == 1
    assert EVIL in text_of(html)


def test_a_name_cannot_break_the_table() -> None:
    found = ShardsReport((shard("a\nb\x1b[2J\u202e.zip", {0: 1}),))
    assert r"a\nb\x1b[2J\u202e.zip" in repr(found)
    assert "\u202e" not in found._repr_html_()


def test_the_picture_is_readable_on_light_and_on_dark() -> None:
    pixels = picture(report({0: 30, 1: 20, 2: 5}, {1: 10})._repr_html_())
    assert (pixels[..., 3] == 0).mean() > 0.3  # the page shows through
    inked = pixels[pixels[..., 3] == 255][:, :3]
    grey = inked[np.ptp(inked.astype(int), axis=1) == 0][:, 0]
    assert len(grey) and grey.min() > 90 and grey.max() < 170  # text: neither near black nor near white


def test_bars_are_the_samples_of_each_label_at_each_site() -> None:
    (axes,) = balance_figure([{0: 30, 2: 5}, {2: 10}], "samples", ["a.zip", "b.zip"], {2: "a $ b $"}).axes
    bars = {(box.get_y() + box.get_height() / 2, box.get_x()): box.get_width() for box in axes.patches if box.get_width()}
    assert {(round(y), x): width for (y, x), width in bars.items()} == {(0, 0): 30, (0, 30): 5, (1, 0): 10}
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["0", r"2 a \$ b \$"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["site-1  a.zip", "site-2  b.zip"]
    assert axes.get_xlabel() == "samples"


@pytest.mark.parametrize(
    ("sites", "labels", "maps"), [(1, 1, False), (40, 20, False), (3, 21, True), (41, 2, True), (100, 1000, True)]
)
def test_many_classes_or_sites_are_a_map(sites: int, labels: int, maps: bool) -> None:
    counts = [{label: label + site + 1 for label in range(labels)} for site in range(sites)]
    figure = balance_figure(counts, "samples", ["shard.zip"] * sites)
    assert bool(figure.axes[0].images) == maps
    width, height = figure.get_size_inches()
    assert 720 * height / width <= 700  # pixels on the page


@pytest.mark.parametrize(("most", "ticks"), [(1, ["1", "2"]), (3, ["1", "2", "3"]), (2000, ["1", "10", "100", "1000"])])
def test_the_scale_of_a_map_has_whole_numbers(most: int, ticks: list[str]) -> None:
    figure = balance_figure([{label: most for label in range(30)}, {1: 1}], "samples", ["a.zip", "b.zip"])
    figure.draw_without_rendering()
    axis = figure.axes[1].yaxis
    low, high = figure.axes[1].get_ylim()
    shown = [tick.label2.get_text() for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
    assert shown == ticks
    assert not any(tick.label2.get_text() for tick in axis.get_minor_ticks())


def test_a_long_name_of_a_shard_is_shortened_beside_its_bar() -> None:
    (axes,) = balance_figure([{0: 1}], "samples", [f"{'hospital ' * 9}0.zip"]).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["site-1  hospital hos…pital 0.zip"]


def test_of_many_sites_the_table_has_the_first_twenty() -> None:
    found = report(*[{0: 1}] * 45)
    for shown in (repr(found), text_of(found._repr_html_())):
        assert "site-20" in shown and "site-21" not in shown
        assert "and 25 more sites; all are in `.shards` of this report" in shown
    assert len(found.shards) == 45


def test_the_test_set_has_a_line() -> None:
    found = ShardsReport((shard("a.zip", {0: 1}, {0: "cat"}),), test=shard("test.zip", {0: 3, 1: 1}))
    for shown in (repr(found), text_of(found._repr_html_())):
        assert "test set, kept from the sites: 4 samples, 0 cat: 3 · 1: 1 (/data/test.zip)" in shown


def test_a_map_has_every_sample_and_leaves_what_is_missing_empty() -> None:
    sites = [{label: 2 for label in range(0, 1000, 2)}, {7: 3}]
    grid = balance_figure(sites, "samples", ["a.zip", "b.zip"]).axes[0].images[0].get_array()
    assert grid.sum() == 1003 and grid[1].count() == 1 and grid.shape == (2, 200)


def test_in_multi_label_data_labels_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    units: list[str] = []
    monkeypatch.setattr("reson_jupyter.data.report.balance_png", lambda counts, unit, *_: units.append(unit) or "")
    ShardsReport((shard("a.zip", {0: 2, 1: 2}, multi_label=True),))._repr_html_()
    report({0: 2})._repr_html_()
    assert units == ["labels", "samples"]


@settings(deadline=None, max_examples=8)
@given(st.lists(st.dictionaries(st.integers(0, 999_999), st.integers(1, 10**9), max_size=30), min_size=1, max_size=50))
def test_any_counts_can_be_drawn(sites: list[dict[int, int]]) -> None:
    assert bool(balance_png([dict(sorted(counts.items())) for counts in sites], "samples", ["a.zip"] * len(sites))) == any(sites)


def test_drawing_leaves_the_users_plots_alone_and_a_check_draws_nothing() -> None:
    code = (
        "import sys\nimport reson_jupyter as reson\nfrom reson_jupyter.data.balance import balance_png\n"
        "print('matplotlib' in sys.modules, bool(balance_png([{0: 1}], 'samples', ['a'])), 'matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).split() == ["False", "True", "False"]
