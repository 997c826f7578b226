"""`make demo`: the quickstart notebook over an S3 server, executed as a newcomer would see it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

pytestmark = pytest.mark.nvflare

ROOT = Path(__file__).resolve().parents[2]


def test_the_demo_trains_on_three_sites_and_the_saved_notebook_keeps_the_result() -> None:
    ended = subprocess.run(
        [sys.executable, ROOT / "notebooks" / "demo.py"], capture_output=True, text=True, timeout=180, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert re.findall(r"round (\d) of 5  3 sites", ended.stdout) == list("12345")
    (accuracy,) = re.findall(r"accuracy on 299 images that no site had: ([\d.]+)", ended.stdout)
    assert float(accuracy) >= 0.90

    (path,) = re.findall(r"^notebook +(.+)$", ended.stdout, re.MULTILINE)
    notebook = nbformat.read(path, as_version=4)
    text = Path(path).read_text()
    assert "application/vnd.jupyter.widget-view+json" not in text and "widgets" not in notebook.metadata
    assert "demo-secret" not in text
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    reports = [output.data["text/html"] for output in outputs if "text/html" in output.get("data", {})]
    assert any("data:image/png;base64," in report and "site-3" in report for report in reports)
    assert any("model_def.py" in report and "shard_2.zip" in report for report in reports), "the preview"
    assert any("learning_rate" in report and "0.003" in report and "0.01" in report for report in reports), "the comparison"


def test_the_notebooks_are_committed_without_outputs() -> None:
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        assert not any(cell.get("outputs") for cell in nbformat.read(path, as_version=4).cells), path
