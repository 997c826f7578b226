"""Reads a project folder: scaleout.yaml, python_env.yaml, and whether the scripts they name give what is asked of them."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...capture.imports.requirements import BUNDLED
from ...capture.text.names import bound_in, parsed
from ...errors import ProjectError
from ...paths import expanded
from .entry_points import Entries, entries_of
from .environment import read_environment
from .project import Project
from .yaml_file import PROJECT_FILE, read_yaml, required_text

_SIGNATURES = {"startup": "startup(client)", "build": "build()"}


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
    entries = entries_of(config.get("entry_points"), folder / PROJECT_FILE)
    named = config.get("python_env")
    environment = None if named is None else read_environment(folder, required_text(named, "python_env", folder / PROJECT_FILE))
    project = Project(
        folder=folder,
        kind=entries.kind,
        entry=entries.startup,
        build=entries.build,
        commands=entries.commands,
        environment=environment,
        local_package=local_package,
    )
    files = project.files()
    if project.kind == "importer":
        _check_names(files, folder)
        _check_scripts(entries, files, folder)
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


def _check_scripts(entries: Entries, files: Mapping[str, bytes], folder: Path) -> None:
    """Makes sure that the scripts ship and define what is called in them."""
    for name, script in entries.scripts.items():
        if script not in files:
            there = (folder / script).is_file()
            problem = "is left out by .scaleoutignore" if there else "is not there"
            raise ProjectError(f"{folder / PROJECT_FILE} has {name}: {script}, which {problem}", f"Put it beside {PROJECT_FILE}.")
        try:
            tree = parsed(files[script].decode("utf-8-sig"))
        except (SyntaxError, ValueError) as error:
            line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
            reason = error.msg if isinstance(error, SyntaxError) else error
            raise ProjectError(f"{folder / script}{line}: this is no Python: {reason}") from None
        if not _may_define(tree, name):
            raise ProjectError(f"{folder / script} defines no {name}", f"Define {_SIGNATURES[name]} at its top level.")


def _may_define(tree: ast.Module, name: str) -> bool:
    """Whether a script may have a name once it has run; a star import may bring any."""
    bound = set(bound_in(tree.body))
    return name in bound or "*" in bound
