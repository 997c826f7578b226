"""The seed model: `build()` in a clean process, once for the same sources."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from reson_jupyter.edge.project import read_project
from reson_jupyter.edge.project.project import Project
from reson_jupyter.edge.seed import Seed, has_build, seed_of
from reson_jupyter.errors import JobError
from reson_jupyter.session import Session
from tests.capture.conftest import Notebook
from tests.capture.conftest import notebook as notebook
from tests.capture.conftest import session as session
from tests.capture.conftest import shell as shell

from . import project_folders
from .project_folders import IMPORTER, write

# Without Scaleout's helper, which would import torch: what it writes is the same.
PLAIN_BUILD = """\
import os
import numpy as np

def build():
    print("building")
    folder = os.environ["SCALEOUT_BUILD_OUTPUT_DIR"]
    np.savez(os.path.join(folder, "seed.npz"), **{"0": np.random.rand(3).astype(np.float32)})
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RESON_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def project(tmp_path: Path, build: str = PLAIN_BUILD, **files: str) -> Project:
    return read_project(write(tmp_path / "client", {**IMPORTER, "build.py": build, **files}))


def legacy(tmp_path: Path, command: str, **files: str | bytes) -> Project:
    """A dispatcher project whose seed a shell command makes."""
    yaml = f"entry_points:\n  build:\n    command: {command}\n  train:\n    command: python train.py\n"
    return read_project(write(tmp_path / "client", {"scaleout.yaml": yaml, "train.py": "", **files}))


def values(seed: Seed) -> list[float]:
    return list(np.load(seed.path)["0"].tolist())


def test_the_guides_build_writes_the_seed_with_scaleouts_helper(tmp_path: Path) -> None:
    seed = seed_of(project(tmp_path, project_folders.BUILD))
    assert (seed.helper, seed.numbers) == ("numpyhelper", 10)
    assert seed.parameters == {"0": {"shape": [10], "dtype": "float32"}}
    assert values(seed) == np.random.default_rng(7).random(10, dtype=np.float32).tolist()


def test_a_torch_seed_is_told_by_what_is_in_it(tmp_path: Path) -> None:
    build = "import torch\ndef build():\n    torch.save(torch.nn.Linear(2, 1).state_dict(), 'seed.npz')\n"
    seed = seed_of(project(tmp_path, build))
    assert seed.helper == "torchhelper"
    assert seed.parameters == {"weight": {"shape": [1, 2], "dtype": "float32"}, "bias": {"shape": [1], "dtype": "float32"}}


def test_the_seed_of_the_same_sources_is_built_once(tmp_path: Path) -> None:
    found = project(tmp_path)
    first = seed_of(found)
    assert first.output == "building\n"
    random = values(first)
    again = seed_of(read_project(found.folder))
    assert again.output == "" and values(again) == random, "a random seed is the same in preview, check and submit"
    anew = seed_of(found, anew=True)
    assert anew.output == "building\n" and values(anew) != random
    assert values(seed_of(found)) == values(anew)


def test_changed_sources_are_built_anew(tmp_path: Path) -> None:
    found = project(tmp_path)
    first = seed_of(found)
    (found.folder / "steps.py").write_text("# other\n")
    assert values(seed_of(found)) != values(first)
    (found.folder / "steps.py").write_text(IMPORTER["steps.py"])
    assert seed_of(found).path == first.path


def test_only_so_many_seeds_are_kept(tmp_path: Path, home: Path) -> None:
    for number in range(10):
        found = legacy(tmp_path, f"cp model.bin $SCALEOUT_BUILD_OUTPUT_DIR/{number}.npz", **{"model.bin": npz(tmp_path)})
        seed_of(found)
    kept = sorted(path.name for path in (home / "seeds").glob("*/*"))
    assert kept == [f"{number}.npz" for number in range(2, 10)]


def npz(tmp_path: Path) -> bytes:
    np.savez(tmp_path / "made.npz", **{"0": np.ones(2)})
    return (tmp_path / "made.npz").read_bytes()


def test_a_build_runs_in_an_empty_folder_and_without_the_kernels_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESON_S3_SECRET", "do not tell")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "do not tell")
    monkeypatch.setenv("MY_OWN", "may be told")
    look = "    keys = [key for key in os.environ if key[:4] in ('RESO', 'AWS_', 'MY_O')]\n"
    look += "    print(os.listdir('.'), os.getcwd() == folder, keys)\n"
    found = project(tmp_path, PLAIN_BUILD.replace("    np.savez", f"{look}    np.savez"))
    assert seed_of(found).output == "building\n[] True ['MY_OWN']\n"
    assert sorted(os.listdir(found.folder)) == sorted(IMPORTER), "nothing is written beside the user's files"


def test_a_build_may_write_into_the_current_folder_or_beside_its_files(tmp_path: Path) -> None:
    plain = "import numpy as np\ndef build():\n    np.savez('seed.npz', **{'0': np.ones(2)})\n"
    assert seed_of(project(tmp_path / "a", plain)).numbers == 2
    data = {"model.bin": npz(tmp_path)}
    assert seed_of(legacy(tmp_path / "b", "cp model.bin seed.npz", **data)).path.name == "seed.npz"
    assert seed_of(legacy(tmp_path / "c", "cp model.bin ../seed.npz", **data)).path.name == "seed.npz"


def test_the_seed_that_was_in_the_folder_before_is_not_what_was_built(tmp_path: Path) -> None:
    with pytest.raises(JobError, match=r"build\(\) wrote no model, and no other file"):
        seed_of(legacy(tmp_path, "echo done", **{"seed.npz": npz(tmp_path)}))


def test_a_failure_tells_the_file_the_line_and_what_was_printed(tmp_path: Path) -> None:
    build = "from steps import one_step\n\ndef build():\n    print('so far')\n    one_step(None)\n"
    with pytest.raises(JobError) as failed:
        seed_of(project(tmp_path, build))
    first, *rest = failed.value.message.splitlines()
    assert first == "the seed model could not be built: steps.py, line 2: TypeError: 'NoneType' object is not iterable"
    assert rest[0] == "  | so far"
    assert '  |   File "build.py", line 5, in build' in rest
    assert "seed_process" not in failed.value.message, "our own frames say nothing to the user"


@pytest.mark.parametrize(
    ("build", "message"),
    [
        ("import nosuchmodule\ndef build(): ...\n", r"build\.py, line 1: ModuleNotFoundError: No module named 'nosuchmodule'"),
        ("import sys\ndef build():\n    sys.exit(3)\n", r"build\.py, line 3: SystemExit: 3"),
        ("import os\ndef build():\n    os._exit(4)\n", r"it ended with exit code 4"),
        ("def build():\n    print('nothing')\n", r"build\(\) wrote no model, and no other file\n  \| nothing"),
        ("def build():\n    open('a.txt', 'w').close()\n", r"build\(\) wrote no model, only a\.txt"),
        (
            "import numpy as np\ndef build():\n    for n in 'ab': np.savez(n, **{'0': np.ones(1)})\n",
            r"build\(\) wrote several models: a\.npz, b\.npz",
        ),
        ("import numpy as np\ndef build():\n    np.savez('s', **{'0': np.arange(3)})\n", "it holds whole numbers only"),
    ],
)
def test_a_build_that_makes_no_seed_says_why(build: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(JobError, match=message):
        seed_of(project(tmp_path, build))


def test_a_file_that_changed_for_the_worse_since_the_project_was_read_is_told(tmp_path: Path) -> None:
    found = project(tmp_path)
    (found.folder / "build.py").write_text("x = 1\n")
    with pytest.raises(JobError, match=r"AttributeError: build\.py does not define the function build\(\)"):
        seed_of(found)
    (found.folder / "build.py").write_text("\ndef build(:\n")
    with pytest.raises(JobError, match=r"built: build\.py, line 2: SyntaxError: "):
        seed_of(found)


def test_of_several_models_the_one_called_seed_is_the_seed(tmp_path: Path) -> None:
    build = "import numpy as np\ndef build():\n    for n in ('a', 'seed'): np.savez(n, **{'0': np.ones(1)})\n"
    assert seed_of(project(tmp_path, build)).path.name == "seed.npz"


def test_a_command_that_fails_is_told_with_its_exit_code(tmp_path: Path) -> None:
    with pytest.raises(JobError, match=r"nosuchcommand ended with exit code 127\n  \| .*not found"):
        seed_of(legacy(tmp_path, "nosuchcommand"))


def test_a_command_has_this_kernels_python_and_scaleouts_names(tmp_path: Path) -> None:
    model = "import sys, pathlib\nfrom scaleoututil.helpers import helpers\nfrom mine import name\n"
    model += "import shutil\nprint(sys.prefix)\nshutil.copy('model.bin', name)\n"
    found = legacy(tmp_path, "python model.py", **{"model.py": model, "mine.py": "name = 'x.npz'\n", "model.bin": npz(tmp_path)})
    assert seed_of(found).output == f"{sys.prefix}\n"


def test_a_build_that_takes_too_long_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    command = "sleep 3601 & echo waiting; sleep 3601"
    began = time.monotonic()
    with pytest.raises(JobError, match=r"it was not done after 0\.5 s\n  \| waiting"):
        seed_of(legacy(tmp_path, command), limit=0.5)
    assert time.monotonic() - began < 20
    assert not [one for one in psutil.process_iter(["cmdline"]) if one.info["cmdline"] == ["sleep", "3601"]]


def test_where_there_is_no_build_that_is_said(tmp_path: Path) -> None:
    yaml = "entry_points:\n  startup:\n    startup.py\n"
    found = read_project(write(tmp_path / "client", {**IMPORTER, "scaleout.yaml": yaml}))
    assert not has_build(found)
    with pytest.raises(JobError, match=r"project .* has no build\(\), so there is no seed model"):
        seed_of(found)


# Of a cell

CELL = """%%reson_startup
import os
import numpy as np

def build():
    size = 4
    np.savez("seed.npz", **{"0": np.ones(size)})

def startup(client):
    client.set_train_callback(lambda model, settings: None)
"""


def test_a_captured_cell_builds_its_seed(notebook: Notebook, session: Session) -> None:
    notebook.run(CELL)
    captured = session.capture("startup")
    assert captured is not None and has_build(captured)
    assert seed_of(captured).parameters == {"0": {"shape": [4], "dtype": "float64"}}


def test_a_failure_in_a_cell_tells_the_cell_and_its_line(notebook: Notebook, session: Session) -> None:
    notebook.run(CELL.replace("size = 4", "size = 4 / 0"))
    captured = session.capture("startup")
    assert captured is not None
    with pytest.raises(JobError, match=r"could not be built: In\[1\], line 6: ZeroDivisionError"):
        seed_of(captured)
