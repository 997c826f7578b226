"""Writes a project folder from a startup that a notebook has captured."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ...capture.imports.requirements import distributions_of, requirements_for
from ...errors import ProjectError
from ...paths import expanded
from .reading import read_project
from .yaml_file import PROJECT_FILE

if TYPE_CHECKING:
    from ...capture.capture import Capture
    from ...session import Session
    from .project import Project

_ENVIRONMENT_FILE = "python_env.yaml"
_BUILD = '''"""Makes the seed model: `scaleout run build -p` calls build(), which stands in startup.py with what it needs."""

from startup import build

__all__ = ["build"]
'''


def init_project(path: str | Path, session: Session) -> Project:
    """Writes a project folder from the session's captured startup; either the whole folder is written, or nothing.

    Args:
        path: The folder; it is made, and may be there only if it is empty.
        session: Has the startup.

    Returns:
        The project, as it reads.

    Raises:
        ProjectError: no startup is captured, the folder has files, or it cannot be written.
    """
    capture = session.capture("startup")
    if capture is None:
        hint = "Put %%reson_startup on the first line of the cell that defines startup(client), and run that cell."
        raise ProjectError("no startup is captured, so there is nothing to write", hint)
    folder = expanded(path, ProjectError).absolute()
    _refuse_used(folder)
    _write(folder, _files(capture, folder.name))
    return read_project(folder)


def _files(capture: Capture, name: str) -> dict[str, str]:
    builds = any(function.purpose == "build" for function in capture.functions)
    entry_points = {"build": "build.py"} if builds else {}
    config = {"python_env": _ENVIRONMENT_FILE, "entry_points": {**entry_points, "startup": "startup.py"}}
    environment = {
        "name": name,
        # Release 1.1 does not take an environment for installed if this list is empty.
        "build_dependencies": ["pip", "setuptools", "wheel"],
        "dependencies": _dependencies(capture),
    }
    own = {
        PROJECT_FILE: _as_yaml(config),
        _ENVIRONMENT_FILE: _as_yaml(environment),
        "startup.py": capture.source,
        **({"build.py": _BUILD} if builds else {}),
    }
    for file in capture.files:
        if file.path in own:
            raise ProjectError(f"{file.origin} would ship under the name that the project's own {file.path} has", "Rename it.")
    return own | {file.path: file.text for file in capture.files}


def _dependencies(capture: Capture) -> list[str]:
    """What the captured code imports, pinned to what this kernel has; NVFlare and torch only if it imports them."""
    wanted = {canonicalize_name(name) for module in capture.imports for name in distributions_of(module)}
    lines = requirements_for(capture.imports).lines
    return [line for line in lines if canonicalize_name(Requirement(line).name) in wanted]


def _as_yaml(content: Mapping[str, object]) -> str:
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def _refuse_used(folder: Path) -> None:
    try:
        there = sorted(file.name for file in folder.iterdir()) if folder.exists() else []
    except OSError as error:
        raise ProjectError(f"{folder} cannot be used: {error.strerror}", "Name a new folder.") from None
    if there:
        raise ProjectError(f"{folder} has files already: {', '.join(there[:3])}", "Name a new folder; nothing was written.")


def _write(folder: Path, files: Mapping[str, str]) -> None:
    """Writes files beside the folder first, so that it never has a part of them."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as scratch:
            new = Path(scratch, folder.name)
            for path, text in files.items():
                file = new / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, "utf-8", newline="\n")
            # An empty folder in its place goes first, because not every system renames over one.
            if folder.exists():
                folder.rmdir()
            new.rename(folder)
    except OSError as error:
        raise ProjectError(f"{folder} cannot be written: {error.strerror}", "Name another folder.") from None
