"""The same callbacks with Scaleout's own EdgeClients, of both releases, and with ours."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest

from reson_jupyter.edge.travel.client import EdgeClient
from reson_jupyter.edge.travel.site import Site

from .client_drivers import ENV, SCRIPTS, Logger, ours
from .client_scenarios import EXAMPLES, SCENARIOS
from .conftest import Scaleout

Theirs = Callable[[str], dict[str, Any]]


@pytest.fixture(scope="module")
def theirs(scaleout: Scaleout) -> Theirs:
    @cache
    def run(release: str) -> dict[str, Any]:
        return dict(json.loads(scaleout(release, SCRIPTS[release]).splitlines()[-1]))

    return run


@pytest.mark.parametrize("release", ["1.0", "1.1"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_callback_sees_logs_and_sends_what_it_does_with_scaleout(theirs: Theirs, release: str, name: str) -> None:
    assert ours(SCENARIOS[name]) == theirs(release)[name]


# NaN and True are numbers of examples to Scaleout 1.1, which would make the average NaN, or count one example; not here.
@pytest.mark.parametrize("name", [name for name in EXAMPLES if name not in ("nan", "True")])
def test_the_number_of_examples_is_demanded_as_scaleout_1_1_demands_it(theirs: Theirs, name: str) -> None:
    assert (ours(EXAMPLES[name])["sent"] is None) == (theirs("1.1")[name]["sent"] is None)


def test_a_number_of_examples_that_is_none_is_refused_where_scaleout_takes_it(theirs: Theirs) -> None:
    for name in ("nan", "True"):
        assert theirs("1.1")[name]["sent"] == [[1.0, 2.0]]
        assert ours(EXAMPLES[name])["sent"] is None


@pytest.mark.parametrize("release", ["1.0", "1.1"])
def test_a_callback_that_fails_is_a_success_to_scaleout_and_a_failure_here(
    theirs: Theirs, release: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = [[{"a": 1}]]
    assert theirs(release)["failing"] == {"validate": [[[]], "COMPLETED", {}], "custom": [called, "COMPLETED", None]}

    def fails(*args: Any) -> Any:
        seen.append(list(args))
        raise ValueError("no data")

    def startup(client: EdgeClient) -> None:
        client.set_validate_callback(fails)
        client.set_custom_callback("f", fails)

    seen: list[Any] = []
    site, logger = Site(lambda: startup, "numpyhelper"), Logger()
    monkeypatch.setenv("RESON_DATA_ROOT", "")  # so that it is put back
    with pytest.raises(ValueError, match="no data"):
        site.commands(ENV, logger)["f"]({"a": 1})
    assert seen == called
    with pytest.raises(ValueError, match="no data"):
        site.validate({"0": np.zeros(1)}, ENV, logger)


def test_scaleout_1_0_sends_models_without_examples_which_is_why_the_rule_is_that_of_1_1(theirs: Theirs) -> None:
    assert theirs("1.0")["0"]["sent"] == [[1.0, 2.0]]
