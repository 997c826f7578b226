"""A startup or a project in the notebook: what takes whose place, and what is said of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import RichOutput, capture_output

import reson_jupyter as reson
from reson_jupyter import api
from reson_jupyter.forms import forms_of
from reson_jupyter.notebook.capturing.kernel import kernel_of
from reson_jupyter.readiness import obstacles
from reson_jupyter.session import Session
from tests.notebook.typed import MODEL, run

STARTUP = """%%reson_startup
import os
from scaleout import EdgeClient
from scaleoututil.helpers.helpers import get_helper

def build():
    get_helper("numpyhelper").save([], os.path.join(os.environ["SCALEOUT_BUILD_OUTPUT_DIR"], "seed.npz"))

def startup(client: EdgeClient):
    client.set_train_callback(lambda model, settings: (model, {"training_metadata": {"num_examples": 1}}))
"""
WITHOUT_BUILD = "%%reson_startup\ndef startup(client):\n    client.set_train_callback(print)\n"
TRAIN = "%%reson_train\ndef fl_train(model, env, logger):\n    return {'weights': model.state_dict(), 'samples': 1}\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder that a user of Scaleout Edge has."""
    folder = tmp_path / "importer" / "client"
    folder.mkdir(parents=True)
    (folder / "scaleout.yaml").write_text(
        "python_env: python_env.yaml\nentry_points:\n  build:\n    build.py\n  startup:\n    startup.py\n"
    )
    (folder / "python_env.yaml").write_text(
        "name: importer\nbuild_dependencies:\n- pip\ndependencies:\n- numpy==2.2.6\n- scaleout\n"
    )
    (folder / "build.py").write_text("def build():\n    pass\n")
    (folder / "startup.py").write_text("def startup(client):\n    client.set_train_callback(print)\n")
    return folder


def shown(shell: InteractiveShell, source: str) -> str:
    """Runs a cell that must succeed; returns the text of what it displays and prints."""
    reson.session().kernel = kernel_of(shell)
    with capture_output() as captured:
        result = shell.run_cell(source, store_history=True)
    assert result.success, captured.stdout + captured.stderr
    outputs: list[RichOutput] = captured.outputs
    return "\n".join([captured.stdout, *(output.data["text/plain"] for output in outputs)])


# The card


def test_the_card_says_what_ships_and_what_makes_the_seed_model(shell: InteractiveShell) -> None:
    text = shown(shell, STARTUP)
    assert "Reson: captured the startup from In[" in text and ", 7 lines ship" in text
    assert "  called   build to make the seed model\n" in f"{text}\n"
    assert "warning" not in text and "drops" not in text and "files" not in text


def test_the_card_says_where_the_seed_comes_from_if_there_is_no_build(shell: InteractiveShell) -> None:
    text = shown(shell, WITHOUT_BUILD)
    assert "none: define build() in this cell, or name a file: %reson submit --checkpoint FILE" in text


def test_a_startup_takes_the_place_of_the_model_and_its_train_function_and_the_card_says_so(shell: InteractiveShell) -> None:
    shown(shell, MODEL)
    shown(shell, TRAIN)
    session = reson.session()
    model, train = session.captures["model"].cell, session.captures["train"].cell
    text = shown(shell, STARTUP)
    assert f"model Net of {model}, train fl_train of {train}: only one of them can train" in text
    assert list(session.captures) == ["startup"]


def test_a_model_takes_the_place_of_a_startup_and_of_a_project(shell: InteractiveShell, project: Path) -> None:
    shown(shell, STARTUP)
    cell = reson.session().captures["startup"].cell
    assert f"startup of {cell}: only one of them can train" in shown(shell, MODEL)
    shown(shell, f"%reson project load {project}")
    assert "project importer: only one of them can train" in shown(shell, MODEL)
    assert list(reson.session().captures) == ["model"] and reson.session().project is None


def test_a_startup_once_more_drops_nothing(shell: InteractiveShell) -> None:
    shown(shell, STARTUP)
    assert "drops" not in shown(shell, STARTUP)


def test_commands_stay_beside_a_startup(shell: InteractiveShell) -> None:
    shown(shell, "%%reson_command ask\ndef ask(params):\n    return 1\n")
    shown(shell, STARTUP)
    assert sorted(reson.session().captures) == ["command ask", "startup"]


def test_a_cell_that_is_refused_drops_nothing(shell: InteractiveShell) -> None:
    shown(shell, MODEL)
    result, text = run(shell, "%%reson_startup\ndef startup():\n    pass\n")
    assert not result.success and "startup() cannot be called as startup(client)" in text
    assert list(reson.session().captures) == ["model"]


def test_the_names_of_scaleout_can_be_imported_once_the_extension_is_loaded(shell: InteractiveShell) -> None:
    assert shown(shell, "from scaleout import EdgeClient, ScaleoutModel\nprint(EdgeClient.__name__)").startswith("EdgeClient\n")


# The session


def test_the_session_says_that_a_startup_is_captured(shell: InteractiveShell) -> None:
    shown(shell, STARTUP)
    session = reson.session()
    cell = session.captures["startup"].cell
    assert repr(session) == f"Session(startup of {cell})"
    assert f"startup of {cell}" in session._repr_html_()
    assert f"captured\n  startup = startup of {cell}" in shown(shell, "%reson config")


def test_the_session_says_that_a_project_is_loaded(shell: InteractiveShell, project: Path) -> None:
    shown(shell, f"%reson project load {project}")
    session = reson.session()
    assert repr(session) == "Session(project importer)"
    assert "project importer" in session._repr_html_()
    text = shown(shell, "%reson config")
    assert f"project\n  folder = {project}\n  trains = startup(client) of startup.py\n" in text


@pytest.mark.parametrize(("line", "said"), [("startup", "forgot the startup of In["), ("project", "no project was loaded")])
def test_a_startup_is_forgotten(shell: InteractiveShell, line: str, said: str) -> None:
    shown(shell, STARTUP)
    assert shown(shell, f"%reson forget {line}").startswith(said)
    assert reson.session().has_startup is (line == "project")


def test_a_project_is_forgotten(shell: InteractiveShell, project: Path) -> None:
    shown(shell, f"%reson project load {project}")
    assert shown(shell, "%reson forget project") == "forgot the project importer\n"
    assert reson.session().project is None
    assert shown(shell, "%reson forget project") == "no project was loaded\n"


def test_forms_say_what_a_startup_reads(shell: InteractiveShell) -> None:
    shown(shell, STARTUP)
    forms = {form.id: form for form in forms_of(reson.session())}
    assert forms["training"].rows and forms["training"].rows.help == (
        "They reach your train callback in its settings, as the fields above do."
    )
    assert forms["model"].rows and "Nothing reads them now" in forms["model"].rows.help


def test_what_is_for_the_training_on_images_says_that_callbacks_alone_could_read_it(shell: InteractiveShell) -> None:
    def of_no_use() -> list[str]:
        fields = forms_of(reson.session())[0].schema["properties"]
        return [name for name, field in fields.items() if field["description"].endswith("reads it in its settings.")]

    assert of_no_use() == [] and "\ntraining\n" in f"\n{shown(shell, '%reson config')}"
    shown(shell, STARTUP)
    assert of_no_use() == ["num_classes", "img_size", "augment", "exact_pixels"]
    about = "training (settings of your train callback; by themselves they do nothing)\n"
    assert about in shown(shell, "%reson config")


# What stands in the way


def ready(shell: InteractiveShell, cell: str) -> Session:
    shown(shell, cell)
    session = reson.session()
    session.configure(name="moved")
    return session


def test_a_startup_with_a_build_needs_no_shards_on_this_machine(shell: InteractiveShell) -> None:
    assert obstacles(ready(shell, STARTUP)) == {"check": [], "preview": [], "submit": []}


def test_elsewhere_the_sites_of_a_platform_need_shards_all_the_same(shell: InteractiveShell) -> None:
    session = ready(shell, STARTUP)
    session.configure(target="reson")
    assert "No shards are named: set shards_dir to the folder with one zip for each site." in obstacles(session)["submit"]


def test_a_startup_without_a_build_has_no_seed_model(shell: InteractiveShell) -> None:
    session = ready(shell, WITHOUT_BUILD)
    cell = session.captures["startup"].cell
    assert obstacles(session)["check"] == [
        f"The startup of {cell} has no seed model: define build() in that cell, "
        "or name a file of weights: %reson submit --checkpoint FILE."
    ]


def test_a_project_needs_its_folder_and_a_build(shell: InteractiveShell, project: Path) -> None:
    session = ready(shell, f"%reson project load {project}")
    assert obstacles(session)["submit"] == []
    project.rename(project.with_name("elsewhere"))
    assert obstacles(session)["submit"] == [f"There is no folder {str(project)!r} any more, of the project importer."]
    project.with_name("elsewhere").rename(project)
    (project / "scaleout.yaml").write_text("entry_points:\n  startup: startup.py\n")
    shown(shell, f"%reson project load {project}")
    (sentence,) = obstacles(session)["submit"]
    assert sentence.startswith("The project importer has no entry point that makes its seed model: add build to scaleout.yaml")


# --checkpoint


@pytest.mark.parametrize("verb", ["check", "preview", "build --out job", "submit"])
def test_a_checkpoint_is_named_in_the_line(shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch, verb: str) -> None:
    asked: dict[str, Any] = {}

    def carried_out(**given: Any) -> None:
        asked.update(given)
        raise reson.ResonError("enough")

    monkeypatch.setattr(api, verb.split()[0], carried_out)
    run(shell, f"%reson {verb} --checkpoint seed.npz")
    assert asked["checkpoint"] == "seed.npz"
    run(shell, f"%reson {verb}")
    assert asked["checkpoint"] is None


# Help


def test_help_tells_of_startups(shell: InteractiveShell) -> None:
    assert "%%reson_startup" in shown(shell, "%reson help")
    text = shown(shell, "%%reson_startup --help\nraise SystemExit")
    assert "usage: %%reson_startup [-h] [--fix]" in text and "build() in the same cell makes" in text
