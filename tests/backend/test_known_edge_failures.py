"""What goes wrong in code for Scaleout Edge, and the next step that is told: a startup's cell and a project have other ways."""

from __future__ import annotations

import re
import traceback

import pytest

from reson_jupyter.backend.failure.explain import Explained, explain
from reson_jupyter.backend.failure.known import KNOWN, Code
from reson_jupyter.source_map import SourceMap
from tests.backend.test_failure import SITE, SOURCES, define

_PROJECT_SOURCES = {"model_def.py": SourceMap(), "project/train.py": SourceMap.of(("client/train.py", n) for n in range(1, 60))}
_ENVIRON = 'os.environ["RESON_DATA_ROOT"] where there are no settings'

# The body of a train callback that fails; the next step where it stands in a startup's cell, and where in a project's file.
RAISED = {
    "open('data/mydata.csv')": (_ENVIRON, "Path(__file__).parent"),
    "open('/home/ann/data.csv')": (_ENVIRON, "Path(__file__).parent"),
    "trainn(1)": ("Define or import trainn in the cell that ships", "Define or import trainn in that file"),
    "import a_package_that_nobody_has": ("in the requirements", "below dependencies in python_env.yaml"),
    "from torch import a_name_of_the_future": ("Pin the version", "pin its version in python_env.yaml"),
    "import scaleout.utils": ("scaleout.utils is not carried over", "There are EdgeClient, ScaleoutModel"),
    "from scaleout import Server": ("Server of scaleout is not carried over", "Take it out"),
    "get_ipython().run_line_magic('time', '')": ("print(...) goes to the run's log", "Take it out of what ships"),
    "nn.Linear(4, 3).load_state_dict(nn.Linear(4, 10).state_dict())": ("the shapes in which it got them", "another seed"),
    "nn.Linear(4, 3).load_state_dict({})": ("the same names", "another seed"),
    "nn.Conv2d(3, 8, 3)(torch.zeros(2, 1, 28, 28))": ("where they are read", "where they are read"),
    "nn.MaxPool2d(4)(torch.zeros(2, 3, 3, 3))": ("where they are read", "where they are read"),
    "torch.nn.functional.cross_entropy(torch.zeros(2, 3), torch.tensor([1, 5]))": ("as many outputs", "as many outputs"),
    "nn.Linear(5)": ("name it in the call", "name it in the call"),
    "nn.Linear(5, 5, width=3)": ("take it out of the call", "take it out of the call"),
    "torch.utils.data.RandomSampler([])": (_ENVIRON, _ENVIRON),
    "raise PermissionError(13, 'Permission denied', 'best.pt')": ('settings["STATE_DIR"]', "tempfile"),
    "raise OSError(28, 'No space left on device')": ('settings["STATE_DIR"]', 'settings["STATE_DIR"]'),
    "torch.zeros(1, device='cuda')": ('settings["DEVICE"]', 'settings["DEVICE"]'),
    "import pickle; pickle.dumps(lambda x: x)": ("the top of the cell", "the top of the file"),
    "raise ValueError('the loss became nan')": ("Lower the learning rate", "clip the gradients"),
    "raise MemoryError('CUDA OOM')": ('settings["batch_size"]', "%reson config batch_size=8"),
    "raise RuntimeError('device-side assert triggered')": ("as many outputs", "a run on CPUs"),
    "raise RuntimeError('is on cpu, but expected cuda:0')": ('settings["DEVICE"]', 'settings["DEVICE"]'),
}
OF_CELLS = {"import types; types.ModuleType('model_def').startup": "with %%reson_startup above it"}
# What only a project's file can do wrong.
OF_PROJECTS = {
    "settings = {}; settings['epochs']": "%reson config epochs=1",
    f"open('{SITE}/project/data/list.csv')": ".scaleoutignore does not leave it out",
}
# What the site says of a project before any line of it runs.
TOLD = {
    "model_def.py cannot be imported: ModuleNotFoundError: No module named 'scipy'": "python_env.yaml",
    "ERROR: No matching distribution found for torch==99.1": "in python_env.yaml",
    "pip: ResolutionImpossible": "in python_env.yaml",
}
_MISLEADING = ('env["', "out_dir", "model_args", "num_classes", "fl_train", "reson_train", "reson_model", "logger(")
_OF_NOTEBOOKS = ("cell", "notebook may know", "beside the notebook", "requirements")


def failed(body: str, path: str, sources: dict[str, SourceMap]) -> Explained:
    """What is told of a train callback that our code calls at a site."""
    user = define(f"import torch\nfrom torch import nn\n\n\ndef train(model, settings):\n    {body}\n", f"{SITE}/{path}")
    ours = define("def train(callback):\n    callback(None, None)\n", f"{SITE}/reson_edge/site.py")
    try:
        ours["train"](user["train"])
    except Exception as error:
        return explain(f"{type(error).__name__}: {error}".splitlines()[0], traceback.format_exc(), sources)
    raise AssertionError("it raised nothing")


@pytest.mark.parametrize("body", [*RAISED, *OF_CELLS])
def test_a_callback_of_a_cell_is_told_what_to_do_there(body: str) -> None:
    failure = failed(body, "model_def.py", SOURCES)
    assert failure.where and failure.where.where == "In[4], line 7"
    assert (OF_CELLS.get(body) or RAISED[body][0]) in failure.advice
    assert [word for word in _MISLEADING if word in failure.advice] == []


@pytest.mark.parametrize("body", [*RAISED, *OF_PROJECTS])
def test_a_file_of_a_project_is_told_what_to_do_there_by_its_own_name(body: str) -> None:
    failure = failed(body, "project/train.py", _PROJECT_SOURCES)
    assert failure.where and failure.where.where == "client/train.py, line 6"
    assert 'File "client/train.py", line 6, in train' in failure.traceback
    assert (OF_PROJECTS.get(body) or RAISED[body][1]) in failure.advice
    assert [word for word in (*_MISLEADING, *_OF_NOTEBOOKS) if word in failure.fix] == []


@pytest.mark.parametrize("message", TOLD)
def test_what_has_no_place_is_told_as_the_runs_code_is(message: str) -> None:
    assert TOLD[message] in explain(message, "", _PROJECT_SOURCES).fix
    assert "python_env.yaml" not in explain(message, "", SOURCES).fix


def test_a_run_that_was_submitted_without_the_folders_name_calls_files_as_the_job_does() -> None:
    failure = failed("trainn(1)", "project/train.py", {"model_def.py": SourceMap()})
    assert failure.where and failure.where.where == "project/train.py, line 6"
    assert "in that file" in failure.fix


def test_a_folder_called_project_beside_a_notebook_is_no_project() -> None:
    site = define("def fl_train():\n    import a_package_that_nobody_has\n", f"{SITE}/project/blocks.py")
    with pytest.raises(ModuleNotFoundError) as caught:
        site["fl_train"]()
    text = "".join(traceback.format_exception(caught.value))
    assert "in the requirements" in explain("", text, SOURCES).fix


def test_a_commands_cell_beside_a_project_is_none_of_its_files() -> None:
    site = define("def sample(env):\n    return env['WIDTH']\n")
    with pytest.raises(KeyError) as caught:
        site["sample"]({})
    failure = explain(
        "KeyError: 'WIDTH'", "".join(traceback.format_exception(caught.value)), SOURCES | _PROJECT_SOURCES | SOURCES
    )
    assert "env has no WIDTH" in failure.cause and failure.where and failure.where.source == "In[4]"


def test_every_entry_for_projects_and_every_other_way_is_asked_for_here() -> None:
    told = {failed(body, "project/train.py", _PROJECT_SOURCES).advice for body in [*RAISED, *OF_PROJECTS]}
    told |= {explain(message, "", _PROJECT_SOURCES).advice for message in TOLD}
    told |= {failed(body, "model_def.py", SOURCES).advice for body in [*RAISED, *OF_CELLS]}
    ways = [text for entry in KNOWN for text in (entry.callbacks, entry.project, entry.only and entry.fix) if text]
    longest = [max(re.split(r"\{\w+\}", text), key=len) for text in ways]
    assert [text for text in longest if not any(text in advice for advice in told)] == []
    assert {code for entry in KNOWN for code in entry.only} == {Code.PROJECT}
