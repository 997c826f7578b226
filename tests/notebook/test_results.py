"""What took the place of live views is kept for pages that missed it."""

from __future__ import annotations

from reson_jupyter.notebook.live.results import Results

BUNDLE = {"text/html": "<b>done</b>", "text/plain": "done"}


def test_a_result_is_found_by_the_model_of_its_view() -> None:
    results = Results()
    results.keep("m1", BUNDLE)
    assert results.find("m1") == BUNDLE
    assert results.find("m2") is None
    assert results.models == ("m1",)


def test_whoever_listens_hears_of_all_that_are_kept() -> None:
    results, heard = Results(), []
    results.observe(heard.append)
    results.keep("m1", BUNDLE)
    results.keep("m2", BUNDLE)
    assert heard == [("m1",), ("m1", "m2")]


def test_only_the_newest_are_kept() -> None:
    results = Results()
    for number in range(50):
        results.keep(str(number), BUNDLE)
    assert results.models == tuple(str(number) for number in range(10, 50))


def test_a_listener_that_fails_costs_no_result_and_no_other_listener() -> None:
    results, heard = Results(), []
    results.observe(lambda models: 1 / 0)
    results.observe(heard.append)
    results.keep("m1", BUNDLE)
    assert heard == [("m1",)] and results.find("m1") == BUNDLE
