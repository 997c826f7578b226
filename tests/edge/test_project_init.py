"""A folder is written from a captured startup, and is a project for this package and for Scaleout's own client alike."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from reson_jupyter import edge
from reson_jupyter.capture.across.inputs import Kernel, no_inputs
from reson_jupyter.capture.capture import Capture, capture_cell
from reson_jupyter.capture.text.cell import parse
from reson_jupyter.edge.project import init_project, read_project
from reson_jupyter.errors import ProjectError
from reson_jupyter.session import Session
from tests.edge.conftest import RELEASES, Scaleout, scaleout_bin

CELL = """\
import os

import numpy as np
from scaleout import EdgeClient, ScaleoutModel
from scaleoututil.helpers.helpers import get_helper

HELPER = get_helper("numpyhelper")

def build():
    target = os.path.join(os.environ.get("SCALEOUT_BUILD_OUTPUT_DIR", "."), "seed.npz")
    HELPER.save([np.arange(10, dtype=np.float32)], target)

def startup(client: EdgeClient):
    def train(model, settings):
        params = [part + 1 for part in model.get_model_params(HELPER)]
        return ScaleoutModel.from_model_params(params, helper=HELPER), {"training_metadata": {"num_examples": 2}}
    client.set_train_callback(train)

print("only here")
"""


def captured(text: str = CELL) -> Capture:
    namespace: dict[str, object] = {"__name__": "__main__"}
    exec(compile(text, "cell", "exec"), namespace)
    return capture_cell("startup", parse(text, "In[1]"), Kernel(namespace, no_inputs()))


def session_with(capture: Capture) -> Session:
    session = Session()
    session.set_capture(capture)
    return session


@pytest.fixture(scope="module")
def session() -> Session:
    return session_with(captured())


def test_the_folder_has_the_two_scripts_the_project_file_and_the_environment(tmp_path: Path, session: Session) -> None:
    project = init_project(tmp_path / "mine", session)
    assert project == read_project(tmp_path / "mine")
    assert (project.kind, project.entry, project.build) == ("importer", "startup.py", "build.py")
    files = project.files()
    assert sorted(files) == ["build.py", "python_env.yaml", "scaleout.yaml", "startup.py"]
    capture = session.capture("startup")
    assert capture is not None
    assert files["startup.py"].decode() == capture.source
    assert b"only here" not in files["startup.py"]


def test_the_environment_pins_what_the_cell_imports_and_nothing_that_it_does_not(tmp_path: Path, session: Session) -> None:
    import numpy

    init_project(tmp_path / "mine", session)
    environment = yaml.safe_load((tmp_path / "mine" / "python_env.yaml").read_text())
    assert environment == {
        "name": "mine",
        "build_dependencies": ["pip", "setuptools", "wheel"],
        "dependencies": [f"numpy=={numpy.__version__}"],
    }


def test_a_startup_without_build_gets_no_build_script(tmp_path: Path) -> None:
    text = CELL.replace("def build():", "def unused():")
    project = init_project(tmp_path / "mine", session_with(captured(text)))
    assert project.build == ""
    assert sorted(project.files()) == ["python_env.yaml", "scaleout.yaml", "startup.py"]


def test_files_of_ones_own_are_written_beside_the_scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "edge_steps_beside.py").write_text("def one_step(part):\n    return part + 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    text = CELL.replace("import os\n", "import os\nfrom edge_steps_beside import one_step\n").replace(
        "part + 1", "one_step(part)"
    )
    project = init_project(tmp_path / "mine", session_with(captured(text)))
    sys.modules.pop("edge_steps_beside")
    assert project.files()["edge_steps_beside.py"] == b"def one_step(part):\n    return part + 1\n"


@pytest.mark.parametrize("there", [None, "empty"])
def test_a_folder_that_is_not_there_or_empty_is_taken_with_those_around_it(
    tmp_path: Path, session: Session, there: str | None
) -> None:
    folder = tmp_path / "new" / "deep" / "mine"
    if there:
        folder.mkdir(parents=True)
    assert init_project(folder, session).folder == folder
    assert [path.name for path in folder.parent.iterdir()] == ["mine"]


@pytest.mark.parametrize("name", ["notes.txt", "startup.py", ".hidden"])
def test_a_folder_with_files_is_left_as_it_is(tmp_path: Path, session: Session, name: str) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / name).write_text("kept")
    with pytest.raises(ProjectError) as caught:
        init_project(tmp_path / "mine", session)
    assert caught.value.message == f"{tmp_path / 'mine'} has files already: {name}"
    assert [path.read_text() for path in (tmp_path / "mine").iterdir()] == ["kept"]


def test_a_file_in_the_folders_place_is_left_as_it_is(tmp_path: Path, session: Session) -> None:
    (tmp_path / "mine").write_text("kept")
    for path in (tmp_path / "mine", tmp_path / "mine" / "client"):
        with pytest.raises(ProjectError, match=r"cannot be (used|written): (Not a directory|File exists)"):
            init_project(path, session)
    assert (tmp_path / "mine").read_text() == "kept"


def test_without_a_captured_startup_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(ProjectError) as caught:
        init_project(tmp_path / "mine", Session())
    assert caught.value.message == "no startup is captured, so there is nothing to write"
    assert "%%reson_startup" in str(caught.value.hint)
    assert not (tmp_path / "mine").exists()


def test_the_public_call_writes_what_the_kernels_session_has_captured(
    tmp_path: Path, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge, "current_session", lambda: session)
    assert edge.init_project(tmp_path / "mine").folder == tmp_path / "mine"


# Under Scaleout's own packages

_WRITE_ENVIRONMENT = """
import sys
from pathlib import Path
from scaleoututil.utils.environment import PythonEnv
PythonEnv.from_yaml(sys.argv[1])._write_metadata(Path(sys.argv[2]))
"""
_STARTED = """
import sys
from scaleout import EdgeClient, ScaleoutModel
from scaleout.client.importer_package_runtime import ImporterPackageRuntime
from scaleoututil.helpers.helpers import get_helper
runtime = ImporterPackageRuntime(None, sys.argv[2])
assert runtime.load_local_compute_package(sys.argv[1])
class Client:
    def set_train_callback(self, callback):
        self.train = callback
client = Client()
assert runtime.run_startup(client)
print(runtime.run_entrypoint("nothing"), callable(client.train))
"""


def environment_of(release: str, folder: Path, target: Path, scaleout: Scaleout) -> Path:
    """An environment with what a release of Scaleout has installed; to 1.1 also what the folder asks for is installed there."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", target], check=True)
    (site,) = target.glob("lib/*/site-packages")
    (packages,) = scaleout_bin(release).parent.parent.glob("lib/*/site-packages")
    (site / "scaleout.pth").write_text(str(packages))
    if release == "1.1":
        scaleout(release, _WRITE_ENVIRONMENT, folder / "python_env.yaml", target)
    return target / "bin" / "python"


@pytest.mark.parametrize("release", RELEASES)
def test_scaleouts_own_build_command_makes_the_seed_of_a_written_folder(
    tmp_path: Path, session: Session, scaleout: Scaleout, release: str
) -> None:
    folder = init_project(tmp_path / "mine", session).folder
    python = environment_of(release, folder, tmp_path / "env", scaleout)
    out = tmp_path / "out"
    out.mkdir()
    command = [python, "-W", "ignore", "-m", "scaleout", "run", "build", "-p", folder]
    done = subprocess.run(
        command,
        cwd=out,
        env={"SCALEOUT_BUILD_OUTPUT_DIR": str(out), "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (out / "seed.npz").is_file(), done.stdout + done.stderr
    seed = edge.get_helper("numpyhelper").load(str(out / "seed.npz"))
    assert [part.tolist() for part in seed] == [list(range(10))]


@pytest.mark.parametrize("release", RELEASES)
def test_scaleouts_own_client_starts_a_written_folder(tmp_path: Path, session: Session, scaleout: Scaleout, release: str) -> None:
    folder = init_project(tmp_path / "mine", session).folder
    printed = scaleout(release, _STARTED, folder, tmp_path / "archive", cwd=tmp_path)
    assert printed.splitlines()[-1] == "False True"
