"""Rows of names and values of the user's own, edited one by one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from reson_jupyter.session import Session

from .fake_page import FakePage


def test_an_edit_of_one_row_changes_no_other_by_a_digit(page: FakePage, session: Session) -> None:
    session.configure(model_args={"width": 64, "rate": 1.0, "seed": 9007199254740993, "none": None})
    page.wait_for(
        lambda state: (
            page.form("model")["rows"]["texts"] == {"width": "64", "rate": "1.0", "seed": "9007199254740993", "none": "null"}
        )
    )
    page.ask("set_rows", field="model_args", set={"width": " 32 "}, drop=[])
    assert repr(session.model_config.model_args) == "{'width': 32, 'rate': 1.0, 'seed': 9007199254740993, 'none': None}"
    page.ask("set_rows", field="model_args", set={"seed": "9007199254740995", "wide": "null"}, drop=["none", "rate"])
    assert repr(session.model_config.model_args) == "{'width': 32, 'seed': 9007199254740995, 'wide': None}"


def test_two_pages_that_edit_different_rows_keep_each_others_edits(open_page: Callable[[], FakePage], session: Session) -> None:
    session.configure(model_args={"width": 64, "depth": 2})
    one, other = open_page(), open_page()
    first, second = (
        page.send("set_rows", field="model_args", set=row, drop=[])
        for page, row in ((one, {"width": "32"}), (other, {"depth": "3"}))
    )
    assert one.reply_to(first)["ok"] and other.reply_to(second)["ok"]
    assert session.model_config.model_args == {"width": 32, "depth": 3}


def test_hyperparameters_are_set_renamed_and_dropped_as_rows(page: FakePage, session: Session) -> None:
    page.ask("set_rows", field="", set={"dropout": "0.5", "act": "relu"}, drop=[])
    page.ask("set_rows", field="", set={"drop": "0.5"}, drop=["dropout"])
    assert session.training.extra == {"act": "relu", "drop": 0.5}
    problem = page.refused("set_rows", field="", set={"act": "null"}, drop=[])
    assert problem["fields"] == {"act": "a hyperparameter cannot be null; remove it instead"}
    assert "holds no entries" in page.refused("set_rows", field="batch_size", set={"a": "1"}, drop=[])["message"]
    assert session.training.extra == {"act": "relu", "drop": 0.5}


@pytest.mark.parametrize("field", ["", "model_args"])
def test_what_is_too_deep_too_long_or_too_large_is_refused_with_a_sentence(page: FakePage, session: Session, field: str) -> None:
    for text, why in (
        ("[" * 900 + "]" * 900, "nested 50 levels deep"),
        ("[" * 200_000, "nested too deep"),
        ("x" * 100_001, "100,000 characters"),
    ):
        problem = page.refused("set_rows", field=field, set={"deep": text}, drop=[])
        assert why in problem["message"] and len(problem["message"]) < 300
    problem = page.refused("set_rows", field=field, set={"n" * 5_000_000: "1"}, drop=[])
    assert "100 characters at most" in problem["message"] and len(problem["message"]) < 300
    assert not session.training.extra and not session.model_config.model_args
