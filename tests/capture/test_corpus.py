"""Realistic cells: what ships imports in a clean process and does there what it does in the notebook."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from contextlib import suppress
from functools import cache

import pytest
from pyflakes.api import check
from pyflakes.messages import UndefinedExport, UndefinedLocal, UndefinedName
from pyflakes.reporter import Reporter

from reson_jupyter.capture.capture import Capture

from .corpus import CASES, Case
from .shipping import cell_lines, ship

# As a site imports it: nothing of the notebook, of the working directory or of this package is there.
_SITE = """
import importlib, json, sys, warnings
import torch
warnings.simplefilter("ignore")
folder, checks = sys.argv[1], json.load(open(sys.argv[2]))
sys.path.insert(0, folder)
for name, holds in checks.items():
    try:
        m = importlib.import_module(name)
        outcome = "" if eval(holds, {"m": m, "torch": torch}) else f"does not hold: {holds}"
    except BaseException as error:
        outcome = f"{type(error).__name__}: {error}"
    print(json.dumps([name, outcome]), flush=True)
assert "IPython" not in sys.modules and "reson_jupyter" not in sys.modules
"""


@cache
def captured(case: Case) -> Capture:
    return ship(case.text, case.role)


@pytest.fixture(scope="module")
def at_a_site(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What went wrong with each module in one clean process; "" where nothing did."""
    folder = tmp_path_factory.mktemp("site")
    checks, names = {}, {}
    for index, case in enumerate(CASES):
        module = f"module_{index}"
        with suppress(Exception):  # each case fails by itself
            (folder / f"{module}.py").write_text(captured(case).source, encoding="utf-8")
        checks[module], names[module] = case.holds, case.name
    (folder / "checks.json").write_text(json.dumps(checks))
    command = [sys.executable, "-I", "-c", _SITE, str(folder), str(folder / "checks.json")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path_factory.mktemp("empty"), timeout=120)
    assert done.returncode == 0, done.stderr
    outcomes = [line for line in done.stdout.splitlines() if line.startswith('["module_')]
    return {names[module]: outcome for module, outcome in map(json.loads, outcomes)}


every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@every_case
def test_what_ships_works_at_a_site(case: Case, at_a_site: dict[str, str]) -> None:
    assert at_a_site[case.name] == ""


@every_case
def test_nothing_else_ships(case: Case) -> None:
    for text in case.stays:
        assert text not in captured(case).source


@every_case
def test_a_module_captured_again_gives_itself(case: Case) -> None:
    first = captured(case)
    again = ship(first.source, case.role, name=None if case.role == "train" else first.name)
    assert again.source == first.source


@every_case
def test_every_shipped_line_is_the_line_of_the_cell_that_it_claims_to_be(case: Case) -> None:
    capture = captured(case)
    cell = [line.rstrip("\r") for line in case.text.split("\n")]
    shipped = capture.source.split("\n")[:-1]
    assert len(shipped) == len(cell_lines(capture.module))
    for text, line in zip(shipped, cell_lines(capture.module), strict=True):
        if line == 0:
            assert text == ""
        else:
            piece = next(piece for piece in capture.pieces if line in piece.lines)
            assert text.strip() in cell[line - 1] or piece.kind in ("import", "block", "value")


@every_case
def test_pyflakes_finds_no_undefined_name(case: Case) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert _undefined_names(captured(case).source) == []


class _Collector(Reporter):
    def __init__(self) -> None:
        self.found: list[str] = []

    def unexpectedError(self, filename: str, message: str) -> None:
        self.found.append(message)

    def syntaxError(self, filename: str, message: str, *place: object) -> None:
        self.found.append(message)

    def flake(self, message: object) -> None:
        if isinstance(message, UndefinedName | UndefinedLocal | UndefinedExport):
            self.found.append(str(message))


def _undefined_names(source: str) -> list[str]:
    collector = _Collector()
    check(source, "shipped.py", collector)
    return collector.found


def test_the_corpus_is_large_enough_to_mean_something() -> None:
    assert len(CASES) >= 200
