"""Reads a project folder: scaleout.yaml, python_env.yaml, and whether the scripts they name give what is asked of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...capture.imports.requirements import BUNDLED
from ...errors import ProjectError
from ...paths import expanded
from .entry_points import Entries, entries_of
from .environment import read_environment
from .ignore import IGNORE_FILE
from .problems import Problems
from .project import Environment, Project
from .scripts import check_scripts
from .yaml_file import PROJECT_FILE, read_yaml, required_text


def read_project(path: str | Path, *, local_package: bool = False) -> Project:
    """Reads a Scaleout Edge project.

    Args:
        path: The folder that has scaleout.yaml, or the one around it if that is called "client".
        local_package: Whether the sites have the files already, so that a job carries only their hashes.

    Raises:
        ProjectError: there is no project, something in it is wrong, or its files cannot ship.
    """
    folder = _folder(expanded(path, ProjectError).absolute())
    config = _mapping(read_yaml(folder / PROJECT_FILE), folder)
    problems = Problems(folder)
    entries, environment = Entries("dispatcher"), None
    with problems.noted():
        entries = entries_of(config.get("entry_points"), folder / PROJECT_FILE, problems)
    with problems.noted():
        environment = _environment(config.get("python_env"), folder)
    project = Project(
        folder=folder,
        kind=entries.kind,
        entry=entries.startup,
        build=entries.build,
        commands=entries.commands,
        environment=environment,
        local_package=local_package,
    )
    with problems.noted():
        files = project.files()
        if PROJECT_FILE not in files:
            raise ProjectError(
                f"{PROJECT_FILE} itself is left out by {IGNORE_FILE} of {folder}", "Write !scaleout.yaml on its last line."
            )
        if project.kind == "importer":
            check_scripts(entries.scripts, files, folder, problems)
            _check_names(files, folder)
    problems.raise_if_any()
    return project


def reread(project: Project) -> Project:
    """Returns a project as its folder describes it now: the same object, or another. Raises `ProjectError` as `read_project`."""
    now = read_project(project.folder, local_package=project.local_package)
    return project if now == project else now


def _folder(path: Path) -> Path:
    """The folder that has the project file. Raises `ProjectError`: there is none."""
    if path.name == PROJECT_FILE and path.is_file():
        return path.parent.resolve()
    if path.name.endswith((".tgz", ".tar.gz")) and path.is_file():
        raise ProjectError(f"{path} is a packed project", f"Unpack it first: tar -xzf {path.name} -C a/folder")
    if not path.is_dir():
        raise ProjectError(f"there is no folder {path}", "Name the folder that has scaleout.yaml.")
    for folder in (path, path / "client"):
        if (folder / PROJECT_FILE).is_file():
            return folder.resolve()
    if (path / "fedn.yaml").is_file():
        raise ProjectError(
            f"{path} has a fedn.yaml, but no {PROJECT_FILE}", f"Rename it to {PROJECT_FILE}, as Scaleout 1.0 has it."
        )
    below = sorted(file.parent.name for file in path.glob(f"*/{PROJECT_FILE}"))
    hint = f"Name the folder that has it: {', '.join(below)}." if below else "Every Scaleout Edge project has one."
    raise ProjectError(f"{path} has no {PROJECT_FILE}", hint)


def _environment(named: object, folder: Path) -> Environment | None:
    return None if named is None else read_environment(folder, required_text(named, "python_env", folder / PROJECT_FILE))


def _mapping(config: object, folder: Path) -> Mapping[str, Any]:
    hint = "It has to have at least:\nentry_points:\n  startup: startup.py"
    if not isinstance(config, dict) or "entry_points" not in config:
        what = "is empty" if config is None else "has no entry_points"
        raise ProjectError(f"{folder / PROJECT_FILE} {what}", hint)
    return config


def _check_names(files: Mapping[str, bytes], folder: Path) -> None:
    """Makes sure that no module of the project hides one of those that every job has."""
    for path in files:
        if (name := path.split("/")[0].removesuffix(".py")) in BUNDLED:
            raise ProjectError(
                f"{folder / path}: {name} is also the name of one of the modules that every job has", "Rename yours."
            )
