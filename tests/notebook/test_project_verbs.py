"""`%reson project` as a user types it."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell

import reson_jupyter as reson
from reson_jupyter.edge.project import Project
from reson_jupyter.errors import CaptureError, JobError, ProjectError
from reson_jupyter.notebook.project_card import ProjectCard
from tests.notebook.typed import MODEL, run

from .test_completion import completed
from .test_startup import STARTUP, WITHOUT_BUILD, shown
from .test_startup import project as project


def refused(shell: InteractiveShell, line: str, kind: type[BaseException] = reson.ResonError) -> str:
    """Runs a line that cannot be carried out; returns what it shows, which has no traceback."""
    result, text = run(shell, line)
    assert isinstance(result.error_in_exec, kind), text
    assert "Traceback" not in text
    return text


@pytest.mark.parametrize("action", ["", " load", " init", " package", " build"])
def test_help_is_printed_and_nothing_else_happens(shell: InteractiveShell, action: str) -> None:
    result, text = run(shell, f"%reson project{action} --help")
    assert result.success and result.result is None and f"usage: %reson project{action}" in text


@pytest.mark.parametrize("line", ["", "nonsense", "load", "load a b", "init", "package a", "build a", "load a --locale"])
def test_a_line_that_cannot_be_understood_is_a_usage_error(shell: InteractiveShell, line: str) -> None:
    assert "usage: %reson project" in refused(shell, f"%reson project {line}", UsageError)


def test_it_is_told_of_in_the_help(shell: InteractiveShell) -> None:
    text = run(shell, "%reson help")[1]
    assert "Scaleout Edge:\n  project " in text


# load


def test_load_has_the_project_train_and_shows_its_card(shell: InteractiveShell, project: Path) -> None:
    text = shown(shell, f"%reson project load {project}")
    assert text[text.index("Reson") :].splitlines() == [
        "Reson: the project importer trains",
        f"  folder    {project}",
        "  trains    startup(client) of startup.py",
        "  seed      build.py",
        "  requires  numpy==2.2.6",
        f"  ships     4 files, {sum(file.stat().st_size for file in project.iterdir())} B: "
        "build.py, python_env.yaml, scaleout.yaml, startup.py",
    ]
    loaded = reson.session().project
    assert loaded is not None and loaded.folder == project and not loaded.local_package


def test_load_returns_the_project(shell: InteractiveShell, project: Path) -> None:
    run(shell, f"p = %reson project load {project}")
    assert shell.user_ns["p"] is reson.session().project


@pytest.mark.parametrize(
    "cell", ["%reson project load {0}", "%reson project load {0}\n%reson config num_rounds=3", "p = %reson project load {0}\np"]
)
def test_load_shows_the_card_once_wherever_it_stands_in_its_cell(shell: InteractiveShell, project: Path, cell: str) -> None:
    assert shown(shell, cell.format(project)).count("Reson: the project importer trains") == 1
    assert "Reson: the project importer trains" in shown(shell, "import reson_jupyter as r\nr.session().project")


def test_load_takes_the_folder_around_it_and_paths_with_spaces_and_a_tilde(
    shell: InteractiveShell, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    project.parent.rename(tmp_path / "my importer")
    for path in ("my importer", "'~/my importer/client'"):
        reson.session().forget("project")
        shown(shell, f"%reson project load {path if path[0] == chr(39) else repr(path)}")
        loaded = reson.session().project
        assert loaded is not None and loaded.title == "project my importer"


def test_load_says_what_it_drops(shell: InteractiveShell, project: Path) -> None:
    shown(shell, MODEL)
    cell = reson.session().captures["model"].cell
    assert f"dropped model Net of {cell}: only one of them can train\n" in shown(shell, f"%reson project load {project}")
    assert not reson.session().captures
    assert "dropped" not in shown(shell, f"%reson project load {project}")


def test_load_of_what_is_no_project_drops_nothing(shell: InteractiveShell, project: Path) -> None:
    shown(shell, STARTUP)
    (project / "startup.py").write_text("def start(client):\n    pass\n")
    refused(shell, f"%reson project load {project}", ProjectError)
    assert "there is no folder" in refused(shell, "%reson project load nowhere", ProjectError)
    assert list(reson.session().captures) == ["startup"] and reson.session().project is None


def test_of_a_local_package_only_hashes_ship(shell: InteractiveShell, project: Path) -> None:
    text = shown(shell, f"%reson project load {project} --local-package")
    assert "  ships     their hashes only, of 4 files, " in text and "; the sites have them" in text
    loaded = reson.session().project
    assert loaded is not None and loaded.local_package


def test_a_card_of_a_dispatcher_shows_its_commands(shell: InteractiveShell, tmp_path: Path) -> None:
    (tmp_path / "scaleout.yaml").write_text("entry_points:\n  train:\n    command: python train.py\n")
    (tmp_path / "train.py").write_text("")
    text = shown(shell, "%reson project load .")
    assert "  trains    train: python train.py\n" in text
    assert "  seed      none: add the entry point build, or name a file: %reson submit --checkpoint FILE\n" in text
    assert "  requires  whatever the sites have: no python_env is named\n" in text


def test_a_card_of_many_files_names_the_first(project: Path) -> None:
    for number in range(20):
        (project / f"data_{number:02}.txt").write_text("x")
    text = repr(ProjectCard(Project(project, "importer", "startup.py")))
    assert "24 files, " in text and "data_06.txt, ..." in text and "data_07.txt" not in text


def test_a_card_says_what_has_become_of_the_folder_and_does_not_fail(project: Path) -> None:
    loaded = Project(project, "importer", "startup.py")
    (project / "key.pem").write_text("-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n-----END PRIVATE KEY-----\n")
    assert "  problem   " in repr(ProjectCard(loaded))
    assert "problem" in ProjectCard(loaded)._repr_html_()


# init


def test_init_writes_a_folder_that_load_takes(shell: InteractiveShell, tmp_path: Path) -> None:
    shown(shell, STARTUP)
    text = shown(shell, "%reson project init 'my client'")
    assert text.startswith(f"wrote {tmp_path / 'my client'}: build.py, python_env.yaml, scaleout.yaml, startup.py\n")
    assert "%reson project load 'my client'" in text
    assert list(reson.session().captures) == ["startup"]
    shown(shell, "%reson project load 'my client'")
    loaded = reson.session().project
    assert loaded is not None and loaded.build == "build.py" and not reson.session().captures


def test_init_needs_a_startup_and_an_empty_folder(shell: InteractiveShell, tmp_path: Path) -> None:
    assert "no startup is captured" in refused(shell, "%reson project init client", ProjectError)
    shown(shell, WITHOUT_BUILD)
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "mine.txt").write_text("mine")
    assert "used has files already: mine.txt" in refused(shell, "%reson project init used", ProjectError)
    assert [file.name for file in (tmp_path / "used").iterdir()] == ["mine.txt"]


# package


def test_package_writes_the_archive_of_the_loaded_project(shell: InteractiveShell, project: Path, tmp_path: Path) -> None:
    shown(shell, f"%reson project load {project}")
    text = shown(shell, "%reson project package")
    archive = tmp_path / "package.tgz"
    assert text == f"wrote {archive} ({archive.stat().st_size} B)\n"
    with tarfile.open(archive) as packed:
        names = sorted(Path(name).as_posix() for name in packed.getnames() if packed.getmember(name).isfile())
    assert names == ["build.py", "python_env.yaml", "scaleout.yaml", "startup.py"]
    shown(shell, "%reson project package --out other.tgz")
    assert (tmp_path / "other.tgz").is_file()


def test_package_needs_a_project(shell: InteractiveShell, tmp_path: Path) -> None:
    shown(shell, STARTUP)
    said = refused(shell, "%reson project package", ProjectError)
    assert "no project is loaded" in said and "Load one first: %reson project load FOLDER (reson.edge.load_project(" in said
    assert not (tmp_path / "package.tgz").exists()


# build


def test_build_makes_the_seed_of_the_captured_startup_anew(shell: InteractiveShell) -> None:
    shown(
        shell,
        STARTUP.replace("save([], ", "save([np.ones(3, np.float32)], ").replace("import os\n", "import os\nimport numpy as np\n"),
    )
    text = shown(shell, "%reson project build")
    assert text.startswith("built seed.npz: 1 parameter of 3 numbers, numpyhelper; runs start from it: /")
    assert Path(text.strip().rpartition(" ")[2]).is_file()


def test_build_makes_the_seed_of_the_loaded_project(shell: InteractiveShell, project: Path) -> None:
    (project / "build.py").write_text(
        "import numpy as np\nfrom scaleoututil.helpers.helpers import get_helper\n"
        "def build():\n    print('made by hand')\n    get_helper('numpyhelper').save([np.ones(3)], 'seed.npz')\n"
    )
    shown(shell, f"%reson project load {project}")
    text = shown(shell, "%reson project build")
    assert text.startswith("made by hand\nbuilt seed.npz: 1 parameter of 3 numbers, numpyhelper; ")
    assert shown(shell, "%reson project build") == text


def test_a_build_that_fails_says_where(shell: InteractiveShell, project: Path) -> None:
    (project / "build.py").write_text("def build():\n    raise ValueError('no data')\n")
    shown(shell, f"%reson project load {project}")
    result, text = run(shell, "%reson project build")
    assert isinstance(result.error_in_exec, JobError)
    assert "could not be built: build.py, line 2: " in text and "ValueError: no data" in text and "run_line_magic" not in text


def test_build_needs_something_to_build(shell: InteractiveShell) -> None:
    said = refused(shell, "%reson project build", ProjectError)
    assert "neither a project is loaded nor a startup captured" in said and "Load a project: %reson project load FOLDER" in said
    shown(shell, WITHOUT_BUILD)
    assert "has no build(), so there is no seed model" in refused(shell, "%reson project build", JobError)


# Tab


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("%reson project ", ["load", "init", "package", "build"]),
        ("%reson project load --", ["--local-package"]),
        ("%reson project package --", ["--out"]),
        ("%reson forget pro", ["project"]),
        ("%reson submit --check", ["--checkpoint"]),
        ("%%reson_startup --f", ["--fix"]),
    ],
)
def test_tab_offers_what_can_come_next(shell: InteractiveShell, line: str, found: list[str]) -> None:
    _, offered = completed(shell, line)
    assert [text for text in offered if text in found] == found


def test_tab_offers_folders_before_files_and_both_before_flags(shell: InteractiveShell, tmp_path: Path) -> None:
    (tmp_path / "client").mkdir()
    (tmp_path / "a.ipynb").write_text("")
    assert completed(shell, "%reson project load ") == ("", ["client", "a.ipynb", "--local-package"])


@pytest.mark.parametrize("line", ["%%reson_startup --help", "%%reson_model -h", "%%reson_command --help  "])
def test_help_of_a_cell_magic_needs_no_cell(shell: InteractiveShell, line: str) -> None:
    result, text = run(shell, line)
    assert result.success and f"usage: {line.split()[0]} [-h]" in text


def test_a_cell_magic_alone_is_still_a_mistake(shell: InteractiveShell) -> None:
    assert "the cell body is empty" in refused(shell, "%%reson_startup", UsageError)


def test_submit_with_nothing_captured_names_every_way_to_have_something(shell: InteractiveShell) -> None:
    text = refused(shell, "%reson submit --name nothing", CaptureError)
    assert all(way in text for way in ("%%reson_model", "%%reson_startup", "%reson project load"))


def test_a_checkpoint_that_is_not_there_is_told_with_where_it_was_looked_for(shell: InteractiveShell, tmp_path: Path) -> None:
    shown(shell, STARTUP)
    text = refused(shell, "%reson check --checkpoint nope.npz", JobError)
    assert f"there is no file nope.npz\n  It was looked for as {tmp_path / 'nope.npz'}: correct the path." in text
    assert "That is a folder; name a file in it." in refused(shell, "%reson check --checkpoint .", JobError)


def test_the_card_of_an_empty_session_names_every_way_to_fill_it(shell: InteractiveShell) -> None:
    text = shown(shell, "import reson_jupyter as r\nprint(r.session()._repr_html_())")
    assert all(way in text for way in ("%%reson_model", "%%reson_startup", "%reson project load"))
