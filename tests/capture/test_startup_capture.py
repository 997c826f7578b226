"""`%%reson_startup`: the callbacks of Scaleout Edge, captured as models are."""

from __future__ import annotations

import pytest

from reson_jupyter.capture.capture import Capture
from reson_jupyter.capture.roles.contract import ContractFunction
from reson_jupyter.capture.stale import changes, outdated, renewed
from reson_jupyter.edge.names import install
from reson_jupyter.errors import CaptureError
from reson_jupyter.session import Session

from .conftest import Notebook

IMPORTER = """%%reson_startup
import os
from scaleout import EdgeClient, ScaleoutModel
from scaleoututil.helpers.helpers import get_helper
import numpy as np

HELPER_MODULE = "numpyhelper"
helper = get_helper(HELPER_MODULE)

def build():
    folder = os.environ.get("SCALEOUT_BUILD_OUTPUT_DIR", ".")
    helper.save([np.zeros(10, np.float32)], os.path.join(folder, "seed.npz"))

def startup(client: EdgeClient):
    MyClient(client)

class MyClient:
    def __init__(self, client: EdgeClient):
        self.client = client
        client.set_train_callback(self.train)

    def train(self, model: ScaleoutModel, settings):
        params = model.get_model_params(helper)
        return ScaleoutModel.from_model_params(params, helper=helper), {"training_metadata": {"num_examples": 1}}

print("this stays here")
"""
SMALL = "%%reson_startup\ndef startup(client):\n    client.set_train_callback(lambda model, settings: (model, {}))\n"


@pytest.fixture(autouse=True)
def names_of_scaleout() -> None:
    """As `%load_ext reson_jupyter` has them."""
    install()


def captured(session: Session) -> Capture:
    found = session.capture("startup")
    assert found is not None
    return found


def refused(notebook: Notebook, text: str) -> str:
    outcome = notebook.run(f"%%reson_startup\n{text}")
    assert isinstance(outcome.result.error_in_exec, CaptureError), outcome.text
    return str(outcome.result.error_in_exec)


def test_the_guides_client_ships_as_it_is_written(notebook: Notebook, session: Session) -> None:
    outcome = notebook.run(IMPORTER)
    assert outcome.result.success, outcome.text
    startup = captured(session)
    kept = IMPORTER.removeprefix("%%reson_startup\n").removesuffix('print("this stays here")\n')
    assert [line for line in startup.source.splitlines() if line] == [line for line in kept.splitlines() if line]
    assert (startup.role, startup.name, startup.key, startup.title, startup.cell) == ("startup",) * 4 + ("In[1]",)
    assert startup.functions == (ContractFunction("build", "build", "nothing"),)
    assert startup.left_behind == ('line 26: print("this stays here")',)
    assert startup.warnings == () and startup.files == ()


def test_every_line_that_ships_says_where_it_stands_in_the_cell(notebook: Notebook, session: Session) -> None:
    notebook.run(IMPORTER)
    cell = IMPORTER.splitlines()
    module = captured(session).module
    shown = [(text, line) for text, (label, line) in zip(module.source.splitlines(), module.lines, strict=True) if label]
    assert len(shown) == 19 and all(text == cell[line - 1] for text, line in shown)


def test_what_the_startup_needs_of_other_cells_ships_with_it(notebook: Notebook, session: Session) -> None:
    notebook.run("RATE = 0.1\ndef step(weights):\n    return weights * RATE\n")
    notebook.run(
        "%%reson_startup\ndef startup(client):\n    client.set_train_callback(train)\n"
        "def train(model, settings):\n    return step(model), {}\n"
    )
    assert "RATE = 0.1" in captured(session).source and "def step(weights):" in captured(session).source


def test_a_startup_without_a_build_ships_without_a_contract_function(notebook: Notebook, session: Session) -> None:
    assert notebook.run(SMALL).result.success
    assert captured(session).functions == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\n", "In[1] defines no function startup(client)"),
        ("def start_up(client):\n    pass\n", "did you mean start_up, which must be called startup?"),
        ("def startup():\n    pass\n", "startup() cannot be called as startup(client): too many positional arguments"),
        ("def startup(client, model):\n    pass\n", "cannot be called as startup(client): missing a required argument: 'model'"),
        ("def startup(*, client):\n    pass\n", "cannot be called as startup(client)"),
        ("async def startup(client):\n    pass\n", "startup must be a plain function, neither async nor a generator"),
        ("def startup(client):\n    yield\n", "startup must be a plain function, neither async nor a generator"),
        ("class startup:\n    def __init__(self, client):\n        pass\n", "startup is no function but an object of the type"),
        ("startup = 3\n", "startup is no function but an object of the type int"),
        (SMALL.partition("\n")[2] + "def build(folder):\n    pass\n", "build(folder) cannot be called as build()"),
        (SMALL.partition("\n")[2] + "build = 'build.py'\n", "build is no function but an object of the type str"),
    ],
)  # fmt: skip
def test_what_nobody_could_call_is_refused(notebook: Notebook, session: Session, text: str, said: str) -> None:
    assert said in refused(notebook, text)
    assert session.capture("startup") is None and session.refusals["startup"].cell == "In[1]"


def test_parameters_with_defaults_are_no_obstacle(notebook: Notebook, session: Session) -> None:
    notebook.run(
        "%%reson_startup\ndef startup(client, rate=0.1, *rest):\n    client.set_train_callback(print)\n"
        "def build(seed=1):\n    pass\n"
    )
    assert captured(session).functions[0].name == "build"


def test_a_refused_cell_leaves_the_earlier_startup(notebook: Notebook, session: Session) -> None:
    notebook.run(SMALL)
    before = captured(session)
    assert "The startup from In[1] stays captured." in refused(notebook, "other = 1\n")
    assert captured(session) is before


def test_a_refused_cell_that_redefined_the_functions_does_not_promise_what_check_would_refuse(
    notebook: Notebook, session: Session
) -> None:
    notebook.run(SMALL)
    said = refused(notebook, "def startup():\n    pass\n")
    assert "stays captured" not in said
    assert (
        "The startup from In[1] no longer holds, as the kernel has something else now: mend this cell, or run In[1] again."
        in said
    )
    assert captured(session).cell == "In[1]"
    assert notebook.run(SMALL).result.success and session.kernel and outdated(session.captures, session.kernel) == {}


def test_a_refused_cell_that_changed_what_still_ships_says_so(notebook: Notebook, session: Session) -> None:
    notebook.run("%%reson_startup\nRATE = 1\n" + SMALL.partition("\n")[2] + "def rate():\n    return RATE\nHOOK = rate\n")
    said = refused(notebook, "RATE = 2\n")
    assert "The startup from In[1] stays captured" in said


@pytest.mark.parametrize("helper", ["numpyhelper", "binaryhelper", "torchhelper"])
def test_a_helper_that_another_cell_made_ships_as_the_statement_that_made_it(
    notebook: Notebook, session: Session, helper: str
) -> None:
    notebook.run(f"from scaleoututil.helpers.helpers import get_helper\nNAME = {helper!r}\nhelper = get_helper(NAME)\n")
    outcome = notebook.run(SMALL + "def build():\n    helper.save([], 'seed.npz')\n")
    assert outcome.result.success, outcome.text
    source = captured(session).source
    assert "from scaleoututil.helpers.helpers import get_helper\n" in source and "helper = get_helper(NAME)\n" in source
    assert session.kernel is not None and outdated(session.captures, session.kernel) == {}


@pytest.mark.parametrize("made", ["get_helper(str('numpyhelper'))", "get_helper('numpyhelper'); helper.mine = 1"])
def test_a_helper_that_its_statement_does_not_tell_is_refused(notebook: Notebook, made: str) -> None:
    notebook.run(f"from scaleoututil.helpers.helpers import get_helper\nhelper = {made}\n")
    said = refused(notebook, SMALL.partition("\n")[2] + "def build():\n    helper.save([], 'seed.npz')\n")
    assert "build needs 'helper'" in said and "make it inside what ships, or in this cell" in said


def test_names_of_this_package_are_refused_with_the_names_that_ship(notebook: Notebook) -> None:
    said = refused(
        notebook, "from reson_jupyter.edge import get_helper\ndef startup(client):\n    client.set_train_callback(get_helper)\n"
    )
    assert "reson_jupyter.edge is not on the sites" in said
    assert "Import those names from scaleout and scaleoututil instead: the sites have them." in said


def test_a_secret_does_not_ship(notebook: Notebook) -> None:
    said = refused(notebook, 'KEY = "AKIAQ3EGUW5Z7XKLM2PD"\ndef startup(client):\n    client.set_train_callback(KEY)\n')
    assert "this must not ship" in said


def test_a_startup_that_registers_nothing_to_train_is_captured_with_a_warning(notebook: Notebook, session: Session) -> None:
    notebook.run("%%reson_startup\ndef startup(client):\n    client.set_training_callback(print)\n")
    assert captured(session).warnings == (
        "nothing that ships calls client.set_train_callback, and a site without a train callback cannot train",
    )


def test_a_command_captured_beside_a_startup_shares_its_module(notebook: Notebook, session: Session) -> None:
    notebook.run("%%reson_startup\nCOUNT = []\ndef startup(client):\n    client.set_train_callback(COUNT.append)\n")
    outcome = notebook.run("%%reson_command count\ndef count(params):\n    return len(COUNT)\n")
    assert outcome.result.success, outcome.text
    assert session.captures["command count"].source.strip() == "def count(params):\n    return len(COUNT)"


def test_a_startup_that_changed_since_is_captured_anew(notebook: Notebook, session: Session) -> None:
    notebook.run("def step(x):\n    return x\n")
    notebook.run("%%reson_startup\ndef startup(client):\n    client.set_train_callback(step)\n")
    assert session.kernel is not None and outdated(session.captures, session.kernel) == {}
    notebook.run("def step(x):\n    return x + 1\n")
    new = renewed(session.captures, session.kernel)["startup"]
    assert "return x + 1" in new.source
    assert changes(captured(session), new) == ("the startup was captured in In[2]; since then changed: def step (In[3])")
    assert outdated(session.captures, session.kernel)["startup"].ships


def test_a_command_is_told_apart_from_a_startup_that_no_longer_ships(notebook: Notebook, session: Session) -> None:
    notebook.run("RATE = 1\n")
    notebook.run("%%reson_startup\ndef startup(client):\n    client.set_train_callback(lambda m, s: RATE)\n")
    notebook.run("%%reson_command ask\ndef ask(params):\n    return 1\n")
    notebook.run("RATE = open\n")
    assert session.kernel is not None
    said = outdated(session.captures, session.kernel)
    assert list(said) == ["startup"]
