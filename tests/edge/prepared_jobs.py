"""A project with a seed that is quickly built, a binary file and a script, loaded and made into a job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reson_jupyter.edge.project import read_project
from reson_jupyter.prepare import prepare
from reson_jupyter.prepared import Prepared
from reson_jupyter.request import Request
from reson_jupyter.session import Session, current_session
from tests.capture.conftest import notebook as notebook
from tests.capture.conftest import session as session
from tests.capture.conftest import shell as shell
from tests.previews import kernel as kernel

from .project_folders import IMPORTER, write

SEEDED = (
    "import os\nimport numpy as np\n\ndef build():\n"
    "    np.savez(os.path.join(os.environ['SCALEOUT_BUILD_OUTPUT_DIR'], 'seed.npz'), **{'0': np.ones(10, np.float32)})\n"
)
BINARY = bytes(range(256))
FOLDER = {**IMPORTER, "build.py": SEEDED, "data/table.bin": BINARY, "run.sh": "echo hello\n"}


def folder(tmp_path: Path, **files: str | bytes) -> Path:
    return write(tmp_path / "importer" / "client", {**FOLDER, **files})


def loaded(tmp_path: Path, **files: str | bytes) -> Session:
    session = current_session()
    session.set_project(read_project(folder(tmp_path, **files)))
    return session


def prepared(shards: Path | None = None, sites: int = 0, **given: Any) -> Prepared:
    names = ("model", "training", "federation", "model_config", "executor", "persistor", "train", "requirements", "checkpoint")
    return prepare(Request(name="job", shards_dir=shards, **{**dict.fromkeys(names), **given}), current_session(), sites)


def executor_of(result: Prepared) -> dict[str, Any]:
    executor: dict[str, Any] = result.job.config("config_fed_client.json")["executors"][0]["executor"]
    return executor


def text(result: Prepared, name: str) -> str:
    return result.job.files[f"scripts/{name}"].decode()
