"""Notebook situations, each in a real kernel; what ships is evaluated in a clean process, or a refusal says why nothing does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .situations import SITUATIONS
from .situations.kernel import Kernel, a_kernel
from .situations.site import Site, a_site
from .situations.situation import Situation

_NO_HISTORY = "--HistoryManager.hist_file=:memory:"


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    with a_kernel(tmp_path_factory.mktemp("notebook"), _NO_HISTORY) as kernel:
        yield kernel


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with a_site(tmp_path_factory.mktemp("site")) as site:
        yield site


class Table:
    """All situations and what became of them, for the end of pytest's report."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, float, str]] = []

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Prints the table."""
        terminalreporter.section("notebook situations")
        for outcome, seconds, name in self.rows:
            terminalreporter.write_line(f"{outcome:8} {seconds:5.2f} s  {name}")
        counts = ", ".join(f"{[row[0] for row in self.rows].count(kind)} {kind}" for kind in ("shipped", "refused", "WRONG"))
        terminalreporter.write_line(f"{len(self.rows)} situations: {counts}")


@pytest.fixture(scope="module")
def table(request: pytest.FixtureRequest) -> Table:
    table = Table()
    request.config.pluginmanager.register(table)
    return table


def _parameter(situation: Situation) -> Any:
    failing = situation.says.get("fails today")
    marks = [pytest.mark.xfail(strict=True, raises=AssertionError, reason=failing)] if failing else []
    return pytest.param(situation, id=situation.name, marks=marks)


@pytest.mark.parametrize("situation", [_parameter(situation) for situation in SITUATIONS])
def test_what_ships_is_what_the_notebook_has_or_is_refused(
    situation: Situation, kernel: Kernel, site: Site, table: Table
) -> None:
    started, outcome = time.monotonic(), "WRONG"
    try:
        check(situation, kernel, site)
        outcome = "shipped" if "evaluates" in situation.says else "refused"
    finally:
        table.rows.append((outcome, time.monotonic() - started, situation.name))


def check(situation: Situation, kernel: Kernel, site: Site) -> None:
    """Runs a situation and holds it to what it says."""
    says = situation.says
    kernel.ask(f"reset({situation.files!r}, {'extension' not in says})")
    said = [kernel.run(cell) for cell in situation.cells]
    own = [error for one in said for error in one.own]
    shown = "\n".join("\n".join(error["traceback"]) for error in own)
    assert [error["ename"] for error in own] == situation.parts("raises"), shown
    refusals = [refusal for one in said for refusal in one.refusals]
    # Only the last cell may be refused: an earlier refusal would leave the situation untested.
    assert refusals == said[-1].refusals and bool(refusals) == ("refused" in says), refusals or kernel.ask("shipped()")
    for part in situation.parts("refused"):
        assert part in refusals[0]
    for part in situation.parts("card"):
        assert part in "\n".join(card for one in said for card in one.cards)
    if "evaluates" not in says:
        return
    files = kernel.ask("shipped()")
    for part in situation.parts("ships"):
        assert part in files["model_def.py"]
    for part in situation.parts("stays"):
        assert part not in files["model_def.py"]
    assert site.value(files, says["evaluates"]) == says.get("gives a site", says["gives"])
    assert kernel.ask(f"value({says['evaluates']!r})") == says["gives"]
    assert bool(kernel.ask("stale()")) == ("left behind" in says)


_TWO = """
import torch, torch.nn as nn, reson_jupyter as reson
class Net(nn.Module):
    def __init__(self, num_classes=2):
        super().__init__()
        self.head = nn.Linear(3, num_classes)
    def forward(self, x): return self.head(x.mean((2, 3)))
    def f(self, x): return x + NUMBER
"""


def test_another_kernel_of_the_same_user_has_no_part_in_what_ships(tmp_path: Path, site: Site, table: Table) -> None:
    started, outcome = time.monotonic(), "WRONG"
    try:
        _two_kernels(tmp_path, site)
        outcome = "shipped"
    finally:
        table.rows.append((outcome, time.monotonic() - started, "P9: the same class in another kernel of the same user"))


def _two_kernels(folder: Path, site: Site) -> None:
    history = f"--HistoryManager.hist_file={folder / 'history.sqlite'}"
    folders = [folder / "one", folder / "two"]
    for each in folders:
        each.mkdir()
    with a_kernel(folders[0], history) as one, a_kernel(folders[1], history) as two:
        for kernel, number in ((one, 1), (two, 2)):
            kernel.ask("reset({}, True)")
            assert kernel.run(f"NUMBER = {number}").errors == []
            assert kernel.run(_TWO).errors == []
        for kernel, number in ((one, 1), (two, 2)):
            assert kernel.run("job = reson.build(model=Net)").errors == []
            assert site.value(kernel.ask("shipped()"), "m.Net().f(0)") == str(number)


def test_the_first_cell_below_load_ext_may_import_torch(tmp_path: Path) -> None:
    with a_kernel(tmp_path, _NO_HISTORY, tools=False) as kernel:
        kernel.run("%load_ext reson_jupyter")
        said = kernel.run("import torch.nn as nn\nnn.Linear(2, 2)")
    assert said.errors == []


def test_there_are_enough_situations_to_mean_something() -> None:
    names = [situation.name for situation in SITUATIONS]
    assert len(names) >= 306 and len(set(names)) == len(names)
