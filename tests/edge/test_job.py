"""From a project folder, or a captured startup, to a job: what ships, what the configs say, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import reson_jupyter as reson
from reson_jupyter.backend.job import PACKAGES
from reson_jupyter.edge.names import travel_files
from reson_jupyter.edge.project import read_project
from reson_jupyter.errors import JobError, ProjectError
from reson_jupyter.session import current_session
from tests.capture.conftest import Notebook
from tests.capture.conftest import notebook as notebook
from tests.capture.conftest import session as session
from tests.capture.conftest import shell as shell
from tests.previews import kernel as kernel
from tests.runs.conftest import write_image_shard, write_plain_shards
from tests.runs.models import Line, fl_train

from .prepared_jobs import FOLDER, executor_of, folder, loaded, prepared, text
from .project_folders import DISPATCHER, IMPORTER, write

pytestmark = pytest.mark.usefixtures("kernel")

# A project


def test_a_project_ships_as_it_is_with_the_package_that_runs_it(tmp_path: Path) -> None:
    loaded(tmp_path)
    files = prepared().job.files
    project = {path.removeprefix("scripts/project/"): data for path, data in files.items() if path.startswith("scripts/project/")}
    assert project == {path: data if isinstance(data, bytes) else data.encode() for path, data in FOLDER.items()}
    ours = {path.removeprefix("scripts/"): data for path, data in files.items() if path.split("/")[1] in PACKAGES}
    assert ours == travel_files()
    assert {path for path in files if path.startswith("scripts/")} == {
        *(f"scripts/project/{path}" for path in project),
        *(f"scripts/{path}" for path in ours),
        *(f"scripts/{name}.py" for name in ("model_def", "custom_client_executor", "custom_persistor")),
    }


def test_the_configs_have_the_server_hold_the_seeds_weights_and_the_site_call_startup(tmp_path: Path) -> None:
    loaded(tmp_path)
    result = prepared()
    executor = executor_of(result)
    assert executor["path"] == "custom_client_executor.EdgeExecutor"
    model = {"helper": "numpyhelper", "parameters": {"0": {"shape": [10], "dtype": "float32"}}}
    arguments = executor["args"]
    assert arguments["model_class"] == "reson_edge.weights.SeedModel" and arguments["model_args"] == model
    assert arguments["train_fn"] == arguments["validate_fn"] == "startup"
    assert arguments["learning_rate"] == reson.TrainingConfig().learning_rate
    server = result.job.config("config_fed_server.json")
    assert server["components"][0]["args"] == {
        "model": {"path": "reson_edge.weights.SeedModel", "args": model},
        "source_ckpt_file_full_name": "seed.npz",
    }
    assert [workflow["id"] for workflow in server["workflows"]] == ["scatter_and_gather", "final_validation"]
    assert result.job.checkpoint and np.load(result.job.checkpoint)["0"].tolist() == [1] * 10
    for name in ("GenericClientExecutor", "EdgeExecutor", "ResonMessenger", "ResonAgent"):
        assert f"class {name}(" in text(result, "custom_client_executor.py")
    compile(text(result, "custom_client_executor.py"), "custom_client_executor.py", "exec")


def test_model_def_finds_the_projects_startup_and_commands(tmp_path: Path) -> None:
    loaded(tmp_path)
    assert text(prepared(), "model_def.py") == (
        "from reson_edge.project import startup_of\n"
        "from reson_edge.site import commands as reson_commands\n"
        "\n"
        "startup = startup_of(\n"
        "    {'kind': 'importer', 'entry': 'startup.py', 'commands': {}, 'local': None}\n"
        ")\n"
    )


def test_a_dispatcher_says_its_commands(tmp_path: Path) -> None:
    np.savez(tmp_path / "s.npz", **{"0": np.ones(2)})
    current_session().set_project(read_project(write(tmp_path / "client", DISPATCHER)))
    result = prepared(checkpoint=tmp_path / "s.npz")
    assert "'train': 'python train.py --epochs 2'" in text(result, "model_def.py")
    assert "scripts/project/train.py" in result.job.files


def test_a_local_package_ships_hashes_instead_of_files(tmp_path: Path) -> None:
    current_session().set_project(read_project(folder(tmp_path), local_package=True))
    result = prepared()
    assert not [path for path in result.job.files if path.startswith("scripts/project/")]
    namespace: dict[str, Any] = {}
    source = text(result, "model_def.py").replace("from reson_edge", "# ").replace("startup_of(", "dict(")
    exec(source, namespace)
    assert sorted(namespace["startup"]["local"]["files"]) == sorted(FOLDER)
    assert all(len(line) <= 140 for line in source.splitlines()), "people read it in a preview"


def test_the_same_project_gives_the_same_bytes(tmp_path: Path) -> None:
    loaded(tmp_path)
    assert prepared().job.digest == prepared().job.digest


def test_the_requirements_are_the_projects_own_and_what_every_job_needs(tmp_path: Path) -> None:
    loaded(tmp_path)
    lines = prepared().job.files["requirements/requirements.txt"].decode().splitlines()
    assert lines[0] == "numpy>=1.26"
    assert [line.split("==")[0] for line in lines[1:]] == ["nvflare", "torch"]


def test_without_an_environment_of_its_own_the_imports_of_a_project_are_required(tmp_path: Path) -> None:
    yaml = IMPORTER["scaleout.yaml"].replace("python_env: python_env.yaml\n", "")
    loaded(tmp_path, **{"scaleout.yaml": yaml, "steps.py": IMPORTER["steps.py"] + "import psutil.tests, steps, scaleout.x\n"})
    lines = prepared().job.files["requirements/requirements.txt"].decode().splitlines()
    assert [line.split("==")[0] for line in lines] == ["numpy", "nvflare", "psutil", "torch"]
    assert prepared(requirements=["numpy"]).job.files["requirements/requirements.txt"] == b"numpy\n"


# Where it starts, and on how many sites


def test_a_checkpoint_takes_the_place_of_the_projects_build(tmp_path: Path) -> None:
    loaded(tmp_path, **{"build.py": "def build():\n    raise AssertionError\n"})
    np.savez(tmp_path / "mine.npz", **{"0": np.ones((2, 2)), "1": np.ones(3)})
    result = prepared(checkpoint=tmp_path / "mine.npz")
    assert result.job.checkpoint == tmp_path / "mine.npz"
    assert list(executor_of(result)["args"]["model_args"]["parameters"]) == ["0", "1"]
    assert "starts from mine.npz: 7 numbers, numpyhelper" in result.notes


def test_without_a_build_or_a_checkpoint_both_ways_are_told(tmp_path: Path) -> None:
    loaded(tmp_path, **{"scaleout.yaml": "entry_points:\n  startup: startup.py\n"})
    with pytest.raises(JobError, match="there is no seed model, from which project importer would start") as refused:
        prepared()
    assert refused.value.hint and "--checkpoint FILE" in refused.value.hint and "build: build.py" in refused.value.hint


def test_a_checkpoint_that_is_no_model_is_refused(tmp_path: Path) -> None:
    loaded(tmp_path)
    (tmp_path / "x.npz").write_text("hello")
    with pytest.raises(JobError, match=r"x\.npz cannot be the seed: .* is no model of Scaleout's numpy or torch helper"):
        prepared(checkpoint=tmp_path / "x.npz")
    with pytest.raises(JobError, match=r"there is no file nothing\.npz"):
        prepared(checkpoint="nothing.npz")


def test_a_run_without_shards_has_two_sites_unless_somebody_says(tmp_path: Path) -> None:
    loaded(tmp_path)
    result = prepared()
    assert result.sites == 2 and result.job.config("meta.json")["min_clients"] == 2
    assert "nothing says how many sites there are, so there are 2; min_clients=N makes N" in result.notes
    result = prepared(federation=reson.FederationConfig(min_clients=3))
    assert result.sites == 3 and result.job.config("meta.json")["min_clients"] == 3


def test_sites_that_are_there_are_counted_as_for_a_model(tmp_path: Path) -> None:
    loaded(tmp_path)
    result = prepared(sites=4)
    assert result.sites == 0 and result.job.config("meta.json")["min_clients"] == 4
    assert "min_clients was not set, so every round needs all 4 sites" in result.notes


def test_every_shard_makes_a_site_and_may_hold_anything(tmp_path: Path) -> None:
    loaded(tmp_path)
    (tmp_path / "shards").mkdir()
    result = prepared(write_plain_shards(tmp_path / "shards", 3))
    assert (len(result.shards), result.sites, result.job.config("meta.json")["min_clients"]) == (3, 0, 3)


def test_labels_in_the_shards_tell_the_number_of_classes(tmp_path: Path) -> None:
    loaded(tmp_path)
    (tmp_path / "shards").mkdir()
    write_image_shard(tmp_path / "shards" / "a.zip", [0, 2], seed=1)
    assert executor_of(prepared(tmp_path / "shards"))["args"]["num_classes"] == 3


# What is refused


def test_parts_of_a_model_would_do_nothing_beside_callbacks(tmp_path: Path) -> None:
    loaded(tmp_path)
    with pytest.raises(JobError, match="project importer trains, so train would do nothing"):
        prepared(train=fl_train)


def test_a_model_that_is_passed_trains_though_a_project_is_loaded(tmp_path: Path) -> None:
    loaded(tmp_path)
    result = prepared(model=Line, train=fl_train)
    assert executor_of(result)["path"] == "custom_client_executor.GenericClientExecutor"
    assert not [path for path in result.job.files if "reson_edge" in path or "project" in path]


def test_a_secret_that_came_into_a_project_since_it_was_read_does_not_ship(tmp_path: Path) -> None:
    loaded(tmp_path)
    (tmp_path / "importer" / "client" / "run.sh").write_text(
        "export AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG+bPxRfiCYzzQQ12abcd\n"
    )
    with pytest.raises((JobError, ProjectError), match=r"run\.sh"):
        prepared()


# A captured startup

CELL = """%%reson_startup
import os
import numpy as np
from scaleout import EdgeClient, ScaleoutModel
from scaleoututil.helpers.helpers import get_helper

helper = get_helper("numpyhelper")

def build():
    helper.save([np.zeros(4, np.float32)], os.path.join(os.environ["SCALEOUT_BUILD_OUTPUT_DIR"], "seed.npz"))

def startup(client: EdgeClient):
    def train(model, settings):
        params = [part + 1 for part in model.get_model_params(helper)]
        return ScaleoutModel.from_model_params(params, helper=helper), {"training_metadata": {"num_examples": 1}}
    client.set_train_callback(train)
"""


def test_a_captured_startup_ships_as_its_module_with_its_own_seed(notebook: Notebook) -> None:
    notebook.run(CELL)
    result = prepared()
    source = text(result, "model_def.py")
    assert source.endswith("\n\nfrom reson_edge.site import commands as reson_commands\n")
    assert "def startup(client: EdgeClient):" in source and "def build():" in source
    line = source.splitlines().index("    client.set_train_callback(train)") + 1
    assert result.job.sources["model_def.py"].place(line) == ("In[1]", 16)
    assert executor_of(result)["args"]["model_args"]["parameters"] == {"0": {"shape": [4], "dtype": "float32"}}
    assert not [path for path in result.job.files if path.startswith("scripts/project/")]
    assert "training: the callbacks of In[1]" in result.notes
    lines = result.job.files["requirements/requirements.txt"].decode().splitlines()
    assert [line.split("==")[0] for line in lines] == ["numpy", "nvflare", "torch"], "scaleout comes with the job"


def test_a_captured_startup_without_build_says_where_it_belongs(notebook: Notebook) -> None:
    notebook.run("%%reson_startup\ndef startup(client):\n    client.set_train_callback(print)\n")
    with pytest.raises(JobError, match="there is no seed model, from which startup would start") as refused:
        prepared()
    assert refused.value.hint and "In[1]" in refused.value.hint and "--checkpoint FILE" in refused.value.hint


@pytest.mark.parametrize("first", ["startup", "command"])
def test_commands_ship_beside_callbacks(notebook: Notebook, tmp_path: Path, first: str) -> None:
    if first == "startup":
        notebook.run(CELL)
    else:
        loaded(tmp_path)
    notebook.run("%%reson_command ping\ndef ping(params, env, logger):\n    return params\n")
    result = prepared()
    agent = result.job.config("config_fed_client.json")["components"][1]
    assert agent["args"]["commands"] == {"ping": "ping"}
    source = text(result, "model_def.py")
    compile(source, "model_def.py", "exec")
    line = source.splitlines().index("    return params") + 1
    assert result.job.sources["model_def.py"].place(line) == (f"In[{2 if first == 'startup' else 1}]", 3)


_WITH_A_HELPER = """%%reson_model
import torch.nn as nn
from scaleoututil.helpers.helpers import get_helper

class Net(nn.Linear):
    helper = get_helper("numpyhelper")
    def __init__(self):
        super().__init__(3, 2)

def fl_train(model, env, out_dir, logger):
    return {"weights": model.state_dict(), "samples": 1}
"""


def test_a_models_cell_may_use_scaleouts_helpers(notebook: Notebook) -> None:
    notebook.run(_WITH_A_HELPER)
    result = prepared()
    assert {"scripts/scaleoututil/helpers/helpers.py", "scripts/reson_edge/helpers.py"} <= result.job.files.keys()
    assert "scaleout" not in result.job.files["requirements/requirements.txt"].decode()
