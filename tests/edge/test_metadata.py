"""The files of metadata and metrics beside a model's."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from reson_jupyter.edge.travel.helpers import load_metadata, save_metadata, save_metrics


def test_metadata_and_metrics_lie_beside_a_model_as_json(tmp_path: Path) -> None:
    save_metadata({"num_examples": 7}, str(tmp_path / "out"))
    save_metrics({"accuracy": 0.5}, str(tmp_path / "scores"))
    assert load_metadata(str(tmp_path / "out")) == {"num_examples": 7}
    assert json.loads((tmp_path / "scores").read_text()) == {"accuracy": 0.5}
    assert sorted(file.name for file in tmp_path.iterdir()) == ["out-metadata", "scores"]


def test_what_json_cannot_say_leaves_the_old_file(tmp_path: Path) -> None:
    save_metrics({"accuracy": 0.5}, str(tmp_path / "scores"))
    with pytest.raises(TypeError):
        save_metrics({"accuracy": np.float32(0.5)}, str(tmp_path / "scores"))
    assert json.loads((tmp_path / "scores").read_text()) == {"accuracy": 0.5}
