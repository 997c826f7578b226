"""A legacy project, as Scaleout's own examples were before 1.0: shell commands that train and validate, with files in and out."""

from __future__ import annotations

import textwrap
from pathlib import Path

PROJECT_FILE = """
    python_env: python_env.yaml
    entry_points:
      build:
        command: python model.py
      startup:
        command: python begin.py
      train:
        command: python train.py
      validate:
        command: python validate.py
      predict:
        command: python predict.py
"""

ENVIRONMENT = """
    name: legacy
    build_dependencies:
      - pip
    dependencies:
      - numpy
"""

MODEL = """
    import numpy as np
    from scaleoututil.helpers.helpers import get_helper

    helper = get_helper("numpyhelper")

    if __name__ == "__main__":
        helper.save([np.zeros(3, dtype="float32"), np.ones((2, 2))], "seed.npz")
"""

BEGIN = """
    import os

    print("begun in", os.path.basename(os.getcwd()))
"""

# Adds 1 to all weights on one site and 4 on the other, which has three times as many examples: the average grows by 3.25.
TRAIN = """
    import os
    import sys

    from model import helper
    from scaleoututil.helpers.helpers import load_metadata, save_metadata


    def train(in_path, out_path):
        settings = load_metadata(in_path)
        first = settings["SITE_NAME"] == "site-1"
        params = helper.load(in_path)
        helper.save([array + (1 if first else 4) for array in params], out_path)
        save_metadata({"num_examples": 10 if first else 30, "rate": settings["learning_rate"]}, out_path)
        print("trained", len(params), "arrays")


    if __name__ == "__main__":
        train(sys.argv[1], sys.argv[2])
"""

VALIDATE = """
    import sys

    from model import helper
    from scaleoututil.helpers.helpers import save_metrics

    params = helper.load(sys.argv[1])
    save_metrics({"mean": float(params[0].mean())}, sys.argv[2])
"""

PREDICT = """
    import json
    import sys

    from model import helper

    with open(sys.argv[2], "w") as file:
        json.dump({"sum": float(sum(array.sum() for array in helper.load(sys.argv[1])))}, file)
"""

FILES = {
    "scaleout.yaml": PROJECT_FILE,
    "python_env.yaml": ENVIRONMENT,
    "model.py": MODEL,
    "begin.py": BEGIN,
    "train.py": TRAIN,
    "validate.py": VALIDATE,
    "predict.py": PREDICT,
}
COMMANDS = {name: f"python {name}.py" for name in ("train", "validate", "predict")} | {"startup": "python begin.py"}


def write_project(folder: Path, **changes: str) -> Path:
    """Writes the project; `changes` are other texts for some files, by their names without ".py"."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (FILES | {f"{name}.py": text for name, text in changes.items()}).items():
        (folder / name).write_text(textwrap.dedent(text).removeprefix("\n"))
    return folder
