"""notebooks/federation.ipynb, executed as a newcomer would see it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

pytestmark = [pytest.mark.nvflare, pytest.mark.federation]

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "federation.ipynb"


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What each code cell showed as text, by the first words of the cell."""
    folder = tmp_path_factory.mktemp("federation-notebook")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(notebook, timeout=200, resources={"metadata": {"path": str(folder)}}, store_widget_state=False)
    client.execute(env=os.environ | {"RESON_HOME": str(folder / "home")})
    yield {cell.source[:25]: _text(cell) for cell in notebook.cells if cell.cell_type == "code"}


def _text(cell: nbformat.NotebookNode) -> str:
    return "\n".join(one.get("text") or one.get("data", {}).get("text/plain", "") for one in cell.outputs)


def of(outputs: dict[str, str], beginning: str) -> str:
    """What the cell that begins so showed."""
    (found,) = [text for source, text in outputs.items() if source.startswith(beginning)]
    return found


def test_the_federation_starts_and_the_session_runs_on_it(outputs: dict[str, str]) -> None:
    started = of(outputs, "%reson federation start")
    assert all(f"site-{number}" in started for number in (1, 2, 3)) and "target=flare" in started


def test_every_site_answers_a_command_during_the_run(outputs: dict[str, str]) -> None:
    answer = re.compile(r"(site-\d) +\{'\d': \d+, '\d': \d+, '\d': \d+\}")
    lines = of(outputs, "import time").splitlines()
    assert [found[1] for line in lines if (found := answer.fullmatch(line))] == ["site-1", "site-2", "site-3"]


def test_the_run_finishes_and_the_model_knows_images_that_no_site_had(outputs: dict[str, str]) -> None:
    (accuracy,) = re.findall(r"accuracy on 299 images that no site had: ([\d.]+)", of(outputs, "tried ="))
    assert float(accuracy) >= 0.9
    assert of(outputs, "run.info()").count("samples") >= 3


def test_the_end_of_the_federation_is_said(outputs: dict[str, str]) -> None:
    assert "stopped" in of(outputs, "%reson federation stop")
