"""notebooks/resontech.ipynb, executed as a customer of the platform would see it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from .app import Platform
from .looking import the_job

pytestmark = pytest.mark.nvflare

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "resontech.ipynb"


def test_a_customer_trains_from_the_notebook(platform: Platform, tmp_path: Path) -> None:
    platform.trains = True
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(notebook, timeout=200, resources={"metadata": {"path": str(tmp_path)}}, store_widget_state=False)
    client.execute(env=dict(os.environ))
    shown = {cell.source: str(cell.outputs) for cell in notebook.cells if cell.cell_type == "code"}
    for secret in platform.secrets:
        assert secret not in str(shown)
    assert "IS MISSING" not in str([text for source, text in shown.items() if source.startswith("import os")])

    job = the_job(platform)
    assert (job.state, job.workers, job.num_rounds) == ("FINISHED", 2, 3)
    assert (job.task.gpuModels, job.task.maxPricePerGpuHourCents) == (["rtx_4090", "rtx_3060"], 90)
    (accuracy,) = re.findall(r"images that no worker had: ([\d.]+)", str(shown))
    assert float(accuracy) >= 0.8


def test_the_notebook_tells_nothing_of_where_it_was_written() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert (cell.outputs, cell.execution_count) == ([], None)
    assert not re.search(r"/(work|root|home|tmp)/|rsk_\w+_[0-9a-f]{8}", NOTEBOOK.read_text())
