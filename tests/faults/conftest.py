"""Runs the rows of the fault table, a few at once because most of their time is waiting, and prints the table at the end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import pytest

from tests.faults.places import AWAY, ELSEWHERE, away_twice
from tests.faults.rows import ABORTS, FLOOD, JOBS, PROCESSES, SITES
from tests.faults.table import Fault, Outcome, carried_out
from tests.runs.conftest import write_plain_shards
from tests.servers import Line, s3_server

FAULTS = {fault.what: fault for fault in (*PROCESSES, *SITES, *ABORTS, AWAY, *ELSEWHERE, *JOBS, FLOOD)}
# Each run wants about one and a half gigabytes, and its sites share the cores with those of the others.
_AT_ONCE = 3
_outcomes: dict[str, Outcome] = {}


@pytest.fixture(scope="module")
def under_way(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, Future[Outcome]]]:
    """The runs of all rows whose tests were asked for; the environment is theirs as long as the module lasts."""
    asked = {item.callspec.params["fault"].what for item in request.session.items if "fault" in getattr(item, "fixturenames", ())}
    shards = {count: write_plain_shards(tmp_path_factory.mktemp(f"shards-{count}"), count) for count in (2, 3)}
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(_AT_ONCE) as pool:
        for name in ("STORE", "TARGET", "S3_ENDPOINT", "S3_KEY", "S3_SECRET", "S3_BUCKET", "S3_REGION", "BASE_URL", "API_KEY"):
            patch.delenv(f"RESON_{name}", raising=False)
        patch.setenv("RESON_HOME", str(tmp_path_factory.mktemp("home")))
        with s3_server() as endpoint:
            line = Line(endpoint.url)
            for name, value in {**endpoint.environment, "RESON_S3_ENDPOINT": line.url}.items():
                patch.setenv(name, value)
            faults = {**FAULTS, AWAY.what: replace(AWAY, store=f"s3://{endpoint.bucket}", strike=away_twice(line))}
            yield {what: pool.submit(carried_out, faults[what], shards[faults[what].sites]) for what in FAULTS if what in asked}


@pytest.fixture
def outcome(fault: Fault, under_way: Mapping[str, Future[Outcome]]) -> Outcome:
    """What came of the test's row."""
    return _outcomes.setdefault(fault.what, under_way[fault.what].result())


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test that wants a `fault` is run for every row."""
    if "fault" in metafunc.fixturenames:
        metafunc.parametrize("fault", FAULTS.values(), ids=FAULTS.keys(), scope="module")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The table: what went wrong, how long it took to find, how the run ended, what was lost of what it had said."""
    if not _outcomes:
        return
    terminalreporter.section("fault table")
    for what, outcome in _outcomes.items():
        took = "      -" if outcome.took is None else f"{outcome.took:5.1f} s"
        run = outcome.run
        terminalreporter.write_line(
            f"{what:45} found after {took}  {run.state.value:9} rounds kept {run.progress.rounds_done}  "
            f"lost: {outcome.lost or 'nothing'}"
        )
