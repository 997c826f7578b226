"""From a project folder, or a captured startup, to a job: what ships, what the configs say, what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import reson_jupyter as reson
from reson_jupyter.backend.federated import federated, plain
from reson_jupyter.backend.history.origin import read_origin
from reson_jupyter.backend.job import PACKAGES
from reson_jupyter.backend.store import open_store
from reson_jupyter.edge.names import travel_files
from reson_jupyter.edge.project import read_project
from reson_jupyter.errors import JobError, ProjectError, RehearsalFailed, RunError
from reson_jupyter.prepare import prepare
from reson_jupyter.prepared import Prepared
from reson_jupyter.request import Request
from reson_jupyter.session import Session, current_session
from tests.capture.conftest import Notebook
from tests.capture.conftest import notebook as notebook
from tests.capture.conftest import session as session
from tests.capture.conftest import shell as shell
from tests.previews import kernel as kernel
from tests.previews import submitted
from tests.runs.conftest import wait_for, write_image_shard, write_plain_shards
from tests.runs.models import Line, fl_train

from .project_folders import DISPATCHER, IMPORTER, write

pytestmark = pytest.mark.usefixtures("kernel")

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
    assert lines[:3] == ["pip", "setuptools", "numpy>=1.26"]
    assert [line.split("==")[0] for line in lines[3:]] == ["nvflare", "torch"]


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
    assert "training: the callbacks of startup of In[1]" in result.notes
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


# What else is done with a job


def test_a_job_for_a_federation_is_the_same_when_that_is_taken_out_again(tmp_path: Path) -> None:
    loaded(tmp_path)
    job = prepared().job
    assert plain(federated(job)).files == job.files


def test_a_saved_job_has_the_project_and_the_seed_beside_the_scripts(tmp_path: Path) -> None:
    loaded(tmp_path)
    place = prepared().job.save(tmp_path / "job") / "app" / "custom"
    assert (place / "project" / "data" / "table.bin").read_bytes() == BINARY
    assert (place / "seed.npz").is_file() and (place / "reson_edge" / "weights.py").is_file()


def test_a_preview_shows_the_sites_and_every_file(tmp_path: Path) -> None:
    loaded(tmp_path)
    preview = reson.preview(name="importer")
    assert preview.obstacles == ()
    assert [shard.site for shard in preview.shards] == ["site-1", "site-2"]
    texts = {file.path: file.text for file in preview.files}
    assert texts["model/seed.npz"] is None and texts["scripts/project/data/table.bin"] is None
    assert texts["scripts/project/run.sh"] == "echo hello\n"
    shown = repr(preview)
    assert "reson_edge/ (" in shown and "startup.py" in shown and "numpy_helper.py" not in shown
    assert "no text, which is not shown" in preview._repr_html_()


def test_a_preview_tells_what_of_a_project_has_changed_since_the_last_submit(tmp_path: Path) -> None:
    session = loaded(tmp_path)
    submitted(model=None, name="importer")
    assert reson.preview(name="importer").since.changes is not None and not reson.preview(name="importer").since.changes
    for name, content in {"data/table.bin": BINARY[::-1], "run.sh": b"echo bye\n", "new.txt": b"new\n"}.items():
        assert session.project is not None
        (session.project.folder / name).write_bytes(content)
    changes = reson.preview(name="importer").since.changes
    assert changes is not None
    assert {change.path: change.kind for change in changes.files} == {
        "scripts/project/data/table.bin": "changed",
        "scripts/project/run.sh": "changed",
        "scripts/project/new.txt": "added",
    }


def test_what_a_run_shipped_can_be_read_again_and_shows_the_users_own_files(tmp_path: Path) -> None:
    loaded(tmp_path)
    run = submitted(model=None, name="importer")
    origin = run.origin
    assert set(origin.sources) == {f"project/{path}" for path in FOLDER if path != "data/table.bin"}
    assert origin.job.files == prepared(**{}).job.files | {"configs/meta.json": origin.job.files["configs/meta.json"]}
    assert json.loads(origin.job.files["configs/meta.json"])["name"] == "importer"
    assert origin.config.model.model_class == "reson_edge.weights.SeedModel"
    assert read_origin(open_store(run._record.store), run.id).job.files == origin.job.files


def test_a_rerun_ships_all_of_the_project_and_its_seed(tmp_path: Path) -> None:
    loaded(tmp_path)
    run = submitted(model=None, name="importer")
    again = run.rerun(learning_rate=0.5)
    wait_for(lambda: again.state.done, 20)
    store = open_store(run._record.store)
    assert store.get(f"{again._record.prefix}/scripts/project/data/table.bin") == BINARY
    assert store.stat(f"{again._record.prefix}/model/seed.npz") is not None
    assert again.config.training.learning_rate == 0.5


def test_the_same_project_twice_is_compared_without_the_shapes_of_its_seed(tmp_path: Path) -> None:
    loaded(tmp_path)
    one = submitted(model=None, name="one", training=reson.TrainingConfig(learning_rate=0.1))
    np.savez(tmp_path / "b.npz", **{"0": np.ones(2), "1": np.ones(2)})
    other = submitted(model=None, name="other", checkpoint=tmp_path / "b.npz")
    made = [run.made["model_args"] for run in reson.compare(one, other).runs]
    assert made == ["numpyhelper: 1 array", "numpyhelper: 2 arrays"]


def test_a_run_of_callbacks_cannot_be_evaluated_here_and_says_what_can(tmp_path: Path) -> None:
    loaded(tmp_path)
    run = submitted(model=None, name="importer")
    with pytest.raises(RunError, match="what a run of Scaleout callbacks trains has no code here to be tried with") as refused:
        run.evaluate(tmp_path)
    assert refused.value.hint and "get_model_params(helper)" in refused.value.hint


# Its rehearsal

_STARTUP = "def startup(client):\n"


def steps(rehearsal: reson.Rehearsal) -> list[str]:
    return [step.name for step in rehearsal.steps]


def test_a_rehearsal_registers_the_callbacks_and_tries_them(tmp_path: Path) -> None:
    loaded(tmp_path)
    rehearsal = reson.check()
    assert steps(rehearsal) == [
        "import", "construct", "load weights", "startup", "train", "return value", "aggregate", "save", "reload",
    ]  # fmt: skip
    assert (rehearsal.facts.parameters, rehearsal.facts.samples, rehearsal.facts.bytes_up) == (10, 1, 40)


def test_where_the_data_is_elsewhere_no_callback_is_tried(tmp_path: Path) -> None:
    session = loaded(tmp_path)
    session.configure(target="flare")
    rehearsal = reson.check()
    assert steps(rehearsal) == ["import", "construct", "load weights"]
    assert "training was not rehearsed: no shard was named" in rehearsal.notes


@pytest.mark.parametrize(
    ("startup", "sentence"),
    [
        (f"import nosuchmodule\n{_STARTUP}    pass\n", r"project/startup\.py, line 1: ModuleNotFoundError: No module named"),
        (f"{_STARTUP}    1 / 0\n", r"'startup': project/startup\.py, line 2: ZeroDivisionError"),
        (f"{_STARTUP}    client.set_train_callback(lambda m, s: (m, {{}}))\n", r"'return value': .* returned num_examples=None"),
        (f"{_STARTUP}    client.set_train_callback(lambda m, s: 1 / 0)\n", r"'train': project/startup\.py, line 2: ZeroDivision"),
        (f"{_STARTUP}    pass\n", r"'train': NotOnNVFlare: the train callback is missing"),
    ],
)
def test_a_rehearsal_that_fails_tells_the_step_and_the_users_line(startup: str, sentence: str, tmp_path: Path) -> None:
    loaded(tmp_path, **{"startup.py": startup})
    with pytest.raises(RehearsalFailed, match=sentence):
        reson.check()
