"""What a project folder says of itself, and what becomes of it in a job."""

from __future__ import annotations

import hashlib
from dataclasses import fields
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from reson_jupyter import edge
from reson_jupyter.edge.project import Environment, Project, read_project, reread
from reson_jupyter.errors import ProjectError
from reson_jupyter.prepare_edge import prepare_edge
from reson_jupyter.request import Request
from reson_jupyter.session import Session
from tests.edge.project_folders import DISPATCHER, IMPORTER, STARTUP, with_files, write


def test_the_guides_project_is_an_importer_with_build_startup_and_environment(tmp_path: Path) -> None:
    folder = write(tmp_path / "importer-client" / "client", IMPORTER)
    assert read_project(folder) == Project(
        folder=folder,
        kind="importer",
        entry="startup.py",
        build="build.py",
        commands={},
        environment=Environment("importer-client", ("pip", "setuptools"), ("scaleout", "scaleoututil==1.0.0", "numpy>=1.26")),
    )


def test_a_legacy_project_is_a_dispatcher_with_its_commands(tmp_path: Path) -> None:
    project = read_project(write(tmp_path, DISPATCHER))
    assert (project.kind, project.entry, project.build) == ("dispatcher", "", "python model.py")
    assert project.commands == {
        "startup": "python data.py",
        "train": "python train.py --epochs 2",
        "validate": "python validate.py",
    }
    assert project.environment is None


@pytest.mark.parametrize("named", ["project", "project/client", "project/client/scaleout.yaml"])
def test_the_folder_around_client_and_the_project_file_name_the_project_as_well(tmp_path: Path, named: str) -> None:
    folder = write(tmp_path / "project" / "client", IMPORTER)
    assert read_project(tmp_path / named).folder == folder


def test_a_relative_path_is_kept_in_full_so_that_a_later_chdir_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "client", IMPORTER)
    monkeypatch.chdir(tmp_path)
    project = read_project("client")
    monkeypatch.chdir("/")
    assert sorted(project.files()) == sorted(IMPORTER)


def test_a_folder_that_is_only_called_client_goes_by_the_one_around_it(tmp_path: Path) -> None:
    assert read_project(write(tmp_path / "mnist" / "client", IMPORTER)).title == "project mnist"
    assert read_project(write(tmp_path / "digits", IMPORTER)).title == "project digits"


def test_a_client_folder_beside_the_notebook_is_not_called_after_the_notebooks_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write(tmp_path / "notebooks" / "client", IMPORTER)
    monkeypatch.chdir(folder.parent)
    assert read_project("client").title == "project client"


def test_names_that_may_mean_something_else_at_a_site_are_told(tmp_path: Path) -> None:
    odd = ["torch.py", "numpy/__init__.py", "Data.txt", "data.txt"]
    ordinary = ["lib/json.py", "json.txt", "numpy_tools.py", "tools/__init__.py"]
    folder = write(tmp_path, {**IMPORTER, **dict.fromkeys([*odd, *ordinary], "")})
    assert read_project(folder).notes() == (
        "Data.txt and data.txt are one file where a site's disk does not tell capitals from small letters",
        "numpy/__init__.py: the sites have another module numpy, and `import numpy` may get either; better rename it",
        "torch.py: the sites have another module torch, and `import torch` may get either; better rename it",
    )


def test_files_are_read_anew_each_time_and_the_digest_follows_them(tmp_path: Path) -> None:
    folder = write(tmp_path / "client", IMPORTER)
    project = read_project(folder)
    before = project.digest()
    assert project.files() == {path: text.encode() for path, text in sorted(IMPORTER.items())}
    assert project.digest() == before
    write(folder, {"steps.py": "def one_step(params):\n    return params\n"})
    assert project.files()["steps.py"] == b"def one_step(params):\n    return params\n"
    assert project.digest() != before


def test_the_digest_tells_where_a_files_name_ends_and_its_text_begins(tmp_path: Path) -> None:
    one = read_project(write(tmp_path / "one" / "client", {**IMPORTER, "a": "bc"}))
    other = read_project(write(tmp_path / "other" / "client", {**IMPORTER, "ab": "c"}))
    assert one.digest() != other.digest()
    copy = read_project(write(tmp_path / "copy" / "client", {**IMPORTER, "a": "bc"}))
    assert copy.digest() == one.digest()


def test_the_sites_need_the_dependencies_but_nothing_of_scaleouts_nor_what_builds(tmp_path: Path) -> None:
    project = read_project(write(tmp_path, IMPORTER))
    assert project.environment and project.environment.build_dependencies == ("pip", "setuptools")
    assert project.requirements() == ("numpy>=1.26",)


@pytest.mark.parametrize(
    ("line", "ships"),
    [
        ("scaleout", False),
        ("Scaleout==1.0.7 ; python_version > '3.9'", False),
        ("scaleoututil>=1", False),
        ("fedn", True),
        ("scaleout-models", True),
        ("--index-url https://pypi.example/simple", True),
        ("git+https://git.example/nets.git", True),
        ("torch==2.10.0; sys_platform != 'darwin'", True),
    ],
)
def test_a_line_of_dependencies_ships_word_for_word_or_not_at_all(tmp_path: Path, line: str, ships: bool) -> None:
    folder = with_files(tmp_path, python_env__yaml=f'dependencies:\n  - "{line}"\n')
    assert read_project(folder).requirements() == ((line,) if ships else ())


def test_without_python_env_the_environment_is_left_to_the_sites(tmp_path: Path) -> None:
    folder = with_files(tmp_path, scaleout__yaml="entry_points:\n  startup: startup.py\n")
    project = read_project(folder)
    assert project.environment is None
    assert project.requirements() is None
    assert project.build == ""


def test_an_environment_of_a_later_release_that_names_python_and_scaleout_is_read(tmp_path: Path) -> None:
    folder = with_files(tmp_path, python_env__yaml='python: "3.11"\nscaleout: 1.1.0\ndependencies:\n  - numpy\n')
    assert read_project(folder).environment == Environment(dependencies=("numpy",))


def test_a_project_that_travels_tells_the_site_no_hashes(tmp_path: Path) -> None:
    assert read_project(write(tmp_path / "a", IMPORTER)).spec() == {
        "kind": "importer",
        "entry": "startup.py",
        "commands": {},
        "local": None,
    }
    assert read_project(write(tmp_path / "b", DISPATCHER)).spec() == {
        "kind": "dispatcher",
        "entry": "",
        "commands": {"startup": "python data.py", "train": "python train.py --epochs 2", "validate": "python validate.py"},
        "local": None,
    }


def test_a_local_package_tells_the_site_the_hash_of_every_file(tmp_path: Path) -> None:
    spec = read_project(write(tmp_path, IMPORTER), local_package=True).spec()
    assert spec["local"] == {
        "files": {path: hashlib.sha256(text.encode()).hexdigest() for path, text in sorted(IMPORTER.items())}
    }


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Session:
    fresh = Session()
    # `reson_jupyter.session` as an attribute is the public function of that name.
    monkeypatch.setattr(import_module("reson_jupyter.session"), "_current", fresh)
    return fresh


def test_load_project_makes_it_what_trains_and_one_that_cannot_be_used_leaves_the_other(tmp_path: Path, session: Session) -> None:
    good = write(tmp_path / "good", IMPORTER)
    project = edge.load_project(good)
    assert session.project == project
    assert session.has_startup
    with pytest.raises(ProjectError, match="there is no folder"):
        edge.load_project(tmp_path / "bad")
    assert session.project == project
    assert edge.load_project(good, local_package=True).local_package


def test_a_job_is_built_from_the_project_file_as_it_is_now_and_that_is_told(tmp_path: Path, session: Session) -> None:
    folder = write(tmp_path / "client", IMPORTER)
    edge.get_helper("numpyhelper").save([np.zeros(10, np.float32)], str(tmp_path / "seed.npz"))
    named = {"name": "moved", "checkpoint": tmp_path / "seed.npz"}
    request = Request(**{**dict.fromkeys(field.name for field in fields(Request)), **named})
    edge.load_project(folder)
    told = f"project {tmp_path.name}: scaleout.yaml or python_env.yaml was changed since it was loaded, and was read anew"
    assert told not in prepare_edge(request, session).notes
    write(folder, {"begin.py": STARTUP, "scaleout.yaml": "entry_points: {startup: begin.py}\n"})
    prepared = prepare_edge(request, session)
    assert b"'entry': 'begin.py'" in prepared.job.files["scripts/model_def.py"]
    assert told in prepared.notes
    assert session.project == read_project(folder)
    assert told not in prepare_edge(request, session).notes


def test_a_project_is_reread_as_its_folder_is_now(tmp_path: Path) -> None:
    project = read_project(write(tmp_path, IMPORTER), local_package=True)
    write(tmp_path, {"steps.py": ""})
    assert reread(project) is project
    write(tmp_path, {"scaleout.yaml": "entry_points: {startup: startup.py}\n"})
    assert reread(project) == Project(tmp_path, "importer", "startup.py", local_package=True)
    write(tmp_path, {"scaleout.yaml": ""})
    with pytest.raises(ProjectError, match=r"scaleout\.yaml is empty"):
        reread(project)
