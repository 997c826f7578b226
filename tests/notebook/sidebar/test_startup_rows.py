"""The sidebar's rows where callbacks of Scaleout Edge train: a startup's cell, or a project."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reson_jupyter.edge.project import Project
from reson_jupyter.notebook.sidebar.comms import Sidebar
from reson_jupyter.session import Refusal, Session

from .fake_page import FakePage
from .test_parts import MODEL, captured
from .test_types import fits

STARTUP = "def startup(client):\n    client.set_train_callback(print)\n"
BUILD = "def build():\n    pass\n"


def keys(state: Any) -> list[str]:
    return [row["key"] for row in state["captures"]]


def made_project(folder: Path, **given: Any) -> Project:
    """A project whose folder is as it says."""
    project = Project(folder / "mnist", "importer", "startup.py", **given)
    project.folder.mkdir()
    named = "".join(f"  build: {project.build}\n" for _ in range(bool(project.build)))
    (project.folder / "scaleout.yaml").write_text(f"entry_points:\n  startup: startup.py\n{named}")
    (project.folder / "startup.py").write_text(STARTUP)
    (project.folder / "build.py").write_text(BUILD)
    return project


def test_a_startup_stands_in_the_place_of_the_model_and_its_roles(page: FakePage, session: Session) -> None:
    session.set_capture(captured(MODEL))
    session.set_capture(captured(STARTUP + BUILD, 7, "startup"))
    page.wait_for(lambda state: keys(state) == ["startup"])
    assert page.seen["captures"] == [
        {
            "key": "startup", "role": "startup", "name": "startup", "cell": "In[7]", "cell_id": "", "lines": 4, "size": "",
            "checks": [
                {"level": "ok", "text": "build is called to make the seed model"},
                {"level": "ok", "text": "nothing stands out"},
            ],
        }
    ]  # fmt: skip


def test_commands_and_refusals_follow_it(page: FakePage, session: Session) -> None:
    session.set_capture(captured(STARTUP, 7, "startup"))
    session.set_capture(captured("def tell(params):\n    return 1\n", 5, "command", "tell"))
    session.set_refusal(Refusal("model", "In[9]", "no", ""))
    page.wait_for(lambda state: keys(state) == ["startup", "command tell", "model"])


def test_a_startup_that_was_refused_is_told_below_the_roles_that_there_are(page: FakePage, session: Session) -> None:
    session.set_refusal(Refusal("startup", "In[2]", "In[2] defines no function startup(client)", "Write one."))
    page.wait_for(lambda state: keys(state) == ["model", "train", "executor", "persistor", "startup"])
    row = page.seen["captures"][4]
    assert (row["name"], row["cell"]) == ("", "")
    said = "In[2] defines no function startup(client)\nWrite one."
    assert row["checks"] == [{"level": "error", "text": said, "cell": "In[2]", "cell_id": ""}]


def test_what_a_startup_is_warned_of_is_told(page: FakePage, session: Session) -> None:
    session.set_capture(captured("def startup(client):\n    pass\n", 7, "startup"))
    page.wait_for(lambda state: keys(state) == ["startup"])
    (check,) = page.seen["captures"][0]["checks"]
    assert check["level"] == "warning" and "set_train_callback" in check["text"]


def test_a_project_is_a_row_with_its_folder_and_what_it_says(page: FakePage, session: Session, tmp_path: Path) -> None:
    session.set_project(made_project(tmp_path, build="build.py"))
    page.wait_for(lambda state: keys(state) == ["project"])
    (row,) = page.seen["captures"]
    fits(row, "CaptureRow")
    assert (row["name"], row["cell"], row["lines"], row["size"]) == ("mnist", "", 0, str(tmp_path / "mnist"))
    assert [(check["level"], check["text"]) for check in row["checks"]] == [
        ("ok", "trains: startup(client) of startup.py"),
        ("ok", "seed: build.py"),
        ("ok", "requires: whatever the sites have: no python_env is named"),
    ]


def test_a_project_that_was_broken_since_it_was_loaded_is_told_once_a_cell_has_run(
    page: FakePage, sidebar: Sidebar, session: Session, tmp_path: Path
) -> None:
    project = made_project(tmp_path, build="build.py")
    session.set_project(project)
    page.wait_for(lambda state: keys(state) == ["project"])
    (project.folder / "startup.py").write_text("def startup(:\n")
    sidebar.look_again()
    page.wait_for(lambda state: state["captures"][0]["checks"][0]["level"] == "error")
    (row,) = page.seen["captures"]
    assert "startup.py, line 1: this is no Python" in row["checks"][0]["text"]
    page.wait_for(lambda state: len(state["submit"]["obstacles"]["submit"]) > 1)
    assert "startup.py, line 1: this is no Python" in page.seen["submit"]["obstacles"]["check"][0]
    (project.folder / "startup.py").write_text(STARTUP)
    sidebar.look_again()
    page.wait_for(lambda state: state["captures"][0]["checks"][0]["level"] == "ok" and not state["submit"]["obstacles"]["check"])


def test_a_project_that_cannot_make_its_seed_is_warned_of(page: FakePage, session: Session, tmp_path: Path) -> None:
    session.set_project(made_project(tmp_path))
    page.wait_for(lambda state: keys(state) == ["project"])
    levels = {check["text"].partition(":")[0]: check["level"] for check in page.seen["captures"][0]["checks"]}
    assert levels == {"trains": "ok", "seed": "warning", "requires": "ok"}


@pytest.mark.parametrize("name", ["$\\href{javascript:x}{y}$", "a\u202eb", "a\x1b[31mb"])
def test_a_folder_may_be_called_anything(page: FakePage, session: Session, tmp_path: Path, name: str) -> None:
    session.set_project(Project(tmp_path / name, "importer", "startup.py"))
    page.wait_for(lambda state: keys(state) == ["project"])
    (row,) = page.seen["captures"]
    assert "\x1b" not in row["name"] + row["size"] and "\u202e" not in row["name"] + row["size"]


def test_a_project_is_forgotten_as_a_capture_is(page: FakePage, session: Session, tmp_path: Path) -> None:
    session.set_project(made_project(tmp_path))
    page.wait_for(lambda state: keys(state) == ["project"])
    page.ask("forget", key="project")
    page.wait_for(lambda state: keys(state) == ["model", "train", "executor", "persistor"])
    assert session.project is None


def test_what_a_startup_lacks_stands_in_the_way(page: FakePage, session: Session) -> None:
    session.set_capture(captured(STARTUP, 7, "startup"))
    said = (
        "The startup of In[7] has no seed model: define build() in that cell, "
        "or name a file of weights: %reson submit --checkpoint FILE."
    )
    page.wait_for(lambda state: state["submit"]["obstacles"]["check"] == [said])
    session.set_capture(captured(STARTUP + BUILD, 8, "startup"))
    page.wait_for(lambda state: state["submit"]["obstacles"]["check"] == [])


def test_pages_that_open_later_see_the_project(open_page: Callable[[], FakePage], session: Session, tmp_path: Path) -> None:
    session.set_project(made_project(tmp_path))
    open_page().wait_for(lambda state: state["captures"] and keys(state) == ["project"])
