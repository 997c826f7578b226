"""notebooks/scaleout_edge.ipynb, executed as a newcomer would see it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

pytestmark = pytest.mark.nvflare

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "scaleout_edge.ipynb"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scaleout-notebook")


@pytest.fixture(scope="module")
def outputs(folder: Path) -> Iterator[dict[str, str]]:
    """What each code cell showed as text, by the first words of the cell."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(notebook, timeout=200, resources={"metadata": {"path": str(folder)}}, store_widget_state=False)
    client.execute(env=os.environ | {"RESON_HOME": str(folder / "home")})
    yield {cell.source[:30]: _text(cell) for cell in notebook.cells if cell.cell_type == "code"}


def _text(cell: nbformat.NotebookNode) -> str:
    return "\n".join(one.get("text") or one.get("data", {}).get("text/plain", "") for one in cell.outputs)


def of(outputs: dict[str, str], beginning: str) -> str:
    """What the cell that begins so showed."""
    (found,) = [text for source, text in outputs.items() if source.startswith(beginning)]
    return found


def test_the_custom_command_and_the_prediction_are_answered_by_both_sites_during_the_run(outputs: dict[str, str]) -> None:
    said = of(outputs, "print(run.command")
    spread = re.findall(r"(site-\d) +\{'0': (\d+), '1': (\d+), '2': (\d+)\}", said)
    assert spread == [("site-1", "59", "56", "51"), ("site-2", "56", "63", "63")]
    predicted = re.findall(r"(site-\d) +\{'first digits': \[((?:\d, ){7}\d)\]\}", said)
    assert [site for site, _ in predicted] == ["site-1", "site-2"]
    assert len({digits for _, digits in predicted}) == 1, "both have the same global model"


def test_the_trained_model_knows_digits_that_no_site_had_and_is_a_file_for_scaleout(
    outputs: dict[str, str], folder: Path
) -> None:
    (accuracy,) = re.findall(r"accuracy on digits that no site had: ([\d.]+)", of(outputs, "table ="))
    assert float(accuracy) >= 0.9
    with np.load(folder / "trained.npz") as trained:
        assert {name: (array.shape, array.dtype) for name, array in trained.items()} == {"0": ((65, 10), np.float32)}
    assert of(outputs, "from scaleoututil").splitlines() == ["(65, 10) float32"]


def test_the_folder_that_was_written_is_packed_and_trains_on_from_the_trained_model(outputs: dict[str, str]) -> None:
    said = of(outputs, "from pathlib")
    assert all(name in said for name in ("scaleout.yaml", "startup.py", "build.py", "python_env.yaml"))
    assert "client.tgz" in of(outputs, "%reson project package")
    assert "finished" in outputs["again"]
