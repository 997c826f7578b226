"""Project folders as people have them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

SCALEOUT_YAML = """\
python_env: python_env.yaml
entry_points:
  build:
    build.py
  startup:
    startup.py
"""
PYTHON_ENV = """\
name: importer-client
build_dependencies:
  - pip
  - setuptools
dependencies:
  - scaleout
  - scaleoututil==1.0.0
  - numpy>=1.26
"""
BUILD = """\
import os
import numpy as np
from scaleoututil.helpers.helpers import get_helper

def build():
    rng = np.random.default_rng(7)
    target = os.path.join(os.environ.get("SCALEOUT_BUILD_OUTPUT_DIR", "."), "seed.npz")
    get_helper("numpyhelper").save([rng.random(10, dtype=np.float32)], target)
"""
STARTUP = """\
from scaleout import EdgeClient, ScaleoutModel
from scaleoututil.helpers.helpers import get_helper

from steps import one_step

helper = get_helper("numpyhelper")

def startup(client: EdgeClient):
    def train(model, settings):
        params = one_step(model.get_model_params(helper))
        return ScaleoutModel.from_model_params(params, helper=helper), {"training_metadata": {"num_examples": 1}}
    client.set_train_callback(train)
"""
STEPS = "def one_step(params):\n    return [part + 1 for part in params]\n"

# An importer project whose startup script has a module of its own beside it.
IMPORTER: Mapping[str, str] = {
    "scaleout.yaml": SCALEOUT_YAML,
    "python_env.yaml": PYTHON_ENV,
    "build.py": BUILD,
    "startup.py": STARTUP,
    "steps.py": STEPS,
}
# A project of the time before callbacks.
DISPATCHER: Mapping[str, str] = {
    "scaleout.yaml": (
        "entry_points:\n"
        "  build:\n    command: python model.py\n"
        "  startup:\n    command: python data.py\n"
        "  train:\n    command: python train.py --epochs 2\n"
        "  validate:\n    command: python validate.py\n"
    ),
    "model.py": "",
    "data.py": "",
    "train.py": "",
    "validate.py": "",
}


def write(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """Writes files below a folder, which is made, and returns the folder."""
    for path, content in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def with_files(tmp_path: Path, **files: str | bytes) -> Path:
    """Writes the importer project with other texts of its files; "__" stands for the dot of a name."""
    return write(tmp_path / "client", {**IMPORTER, **{name.replace("__", "."): text for name, text in files.items()}})
