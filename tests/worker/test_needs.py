"""Whether a site has the programs that a run needs: what will break the run, and what may."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from reson_jupyter.worker import needs
from reson_jupyter.worker.needs import _reson_Needs


@pytest.mark.parametrize(
    ("line", "has", "problem", "note"),
    [
        ("a==2.1.0", "2.1.0", "", ""),
        ("a==2.1.0", "2.1.0+cpu", "", ""),
        ("a==2.1.0", "2.3.1", "", "a is 2.3.1 there, and the run needs ==2.1.0"),
        ("a==2.1.0", "1.9", "a is 1.9 there, and the run needs ==2.1.0", ""),
        ("a>=2", "1.9", "a is 1.9 there, and the run needs >=2", ""),
        ("a>=2,<3", "2.5rc1", "", ""),
        ("a==2.*", "1.0", "a is 1.0 there, and the run needs ==2.*", ""),
        ("a", "0.1", "", ""),
        ("a", "", "the package a is missing (install it there, or leave it out of the requirements)", ""),
        ("a==1; python_version < '3'", "", "", ""),
    ],
)
def test_versions_that_break_a_run_are_problems_and_others_are_noted(
    monkeypatch: pytest.MonkeyPatch, line: str, has: str, problem: str, note: str
) -> None:
    monkeypatch.setattr(needs, "_reson_version_of", lambda name: has)
    found = _reson_Needs([line])
    assert (found.problems, found.notes) == ([problem] * bool(problem), [note] * bool(note))


def test_without_packaging_only_what_is_missing_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(needs, "_reson_requirements", None)
    found = _reson_Needs(["numpy==0.0.1", "nonesuch>=2; python_version > '3'"])
    assert found.packages == {"numpy": np.__version__, "nonesuch": ""}
    assert found.problems == ["the package nonesuch is missing (install it there, or leave it out of the requirements)"]


def test_a_python_that_is_too_old_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 1))
    monkeypatch.setattr("platform.python_version", lambda: "3.9.1")
    assert _reson_Needs([]).problems == ["its Python is 3.9.1, and the run needs 3.10 or later"]
