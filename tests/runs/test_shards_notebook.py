"""notebooks/shards.ipynb, executed as a newcomer would see it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

pytestmark = pytest.mark.nvflare

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "shards.ipynb"


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each code cell showed as text, by the first words of the cell."""
    folder = tmp_path_factory.mktemp("shards-notebook")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(notebook, timeout=200, resources={"metadata": {"path": str(folder)}}, store_widget_state=False)
    client.execute(env=os.environ | {"RESON_HOME": str(folder / "home")})
    return {cell.source[:25]: _text(cell) for cell in notebook.cells if cell.cell_type == "code"}


def _text(cell: nbformat.NotebookNode) -> str:
    return "\n".join(one.get("text") or one.get("data", {}).get("text/plain", "") for one in cell.outputs)


def of(outputs: dict[str, str], beginning: str) -> str:
    """What the cell that begins so showed."""
    (found,) = [text for source, text in outputs.items() if source.startswith(beginning)]
    return found


def test_a_folder_becomes_three_shards_and_a_test_set(outputs: dict[str, str]) -> None:
    made = of(outputs, "%reson shards make")
    assert "3 shards, 1,492 samples, 10 labels: no problems" in made
    assert [line.split()[:2] for line in made.splitlines() if line.startswith("site-")] == [
        ["site-1", "shard_0.zip"], ["site-2", "shard_1.zip"], ["site-3", "shard_2.zip"]
    ]  # fmt: skip


def test_every_problem_of_the_broken_shards_is_named(outputs: dict[str, str]) -> None:
    shown = of(outputs, "import json")
    assert "shard_0.zip: manifest.ndjson is not at the root but in the folder 'photos'" in shown
    assert "shard_1.zip: manifest.ndjson: line 2: y must hold class indices" in shown
    assert "line 3: uri is missing" in shown and "'images/1.png' is neither JPEG nor PNG" in shown


def test_the_model_learns_and_is_tried_on_what_no_site_has(outputs: dict[str, str]) -> None:
    tried = of(outputs, "tried = run.evaluate")
    (accuracy,) = re.findall(r"Evaluation: 305 samples, val_loss [\d.]+, val_accuracy ([\d.]+)", tried)
    assert float(accuracy) >= 0.9


def test_the_second_run_sends_no_shard_and_decodes_no_image(outputs: dict[str, str]) -> None:
    told = of(outputs, "for event in again")
    assert "submit all 3 shards are in the store already" in told
    assert len(re.findall(r"site-\d image cache: .+ images, reused", told)) == 3
    assert "Decoded images kept on this machine" in told
