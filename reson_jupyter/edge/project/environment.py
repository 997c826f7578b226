"""Reads python_env.yaml: what a project's code needs installed."""

from __future__ import annotations

import difflib
import reprlib
from pathlib import Path
from typing import Any

from ...errors import ProjectError
from ...names import printable
from .project import Environment
from .yaml_file import PROJECT_FILE, read_yaml, required_text

# What Scaleout's clients know; which Python and which Scaleout a site has is not for a job to say.
_KEYS = ("name", "python", "scaleout", "build_dependencies", "dependencies")


def read_environment(folder: Path, named: str) -> Environment:
    """Reads the file that `python_env` names.

    Raises:
        ProjectError: it is not in the project's folder, or something in it is wrong.
    """
    file = _file(folder, named)
    if file is None:
        hint = "Put it beside scaleout.yaml, or take python_env out if the sites see to their environment themselves."
        raise ProjectError(
            f"{folder / PROJECT_FILE} has python_env: {printable(named):.200}, which is no file of the project", hint
        )
    content = read_yaml(file)
    if not isinstance(content, dict):
        raise ProjectError(
            f"{file} {'is empty' if content is None else 'has no keys'}", "It has: name, build_dependencies, dependencies."
        )
    for key in content:
        _refuse_slip(key, file)
    name = content.get("name")
    return Environment(
        name="" if name is None else required_text(name, "name", file),
        build_dependencies=_lines(content, "build_dependencies", file),
        dependencies=_lines(content, "dependencies", file),
    )


def _file(folder: Path, named: str) -> Path | None:
    """A file in a folder; None if it is no file, or not in there."""
    try:
        file = (folder / named).resolve()
        return file if file.is_relative_to(folder.resolve()) and file.is_file() else None
    except (OSError, ValueError):  # no file can have such a name
        return None


def _refuse_slip(key: object, file: Path) -> None:
    if key not in _KEYS:
        near = difflib.get_close_matches(str(key), _KEYS, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"It has: {', '.join(_KEYS)}."
        raise ProjectError(f"{file}: nothing is called {reprlib.repr(key):.60} there", hint)


def _lines(content: dict[Any, Any], key: str, file: Path) -> tuple[str, ...]:
    value = content.get(key) or []
    if not isinstance(value, list):
        raise ProjectError(f"{file}: {key} is no list", f"Write one requirement on a line:\n{key}:\n  - torch==2.10.0")
    return tuple(required_text(line, f"an entry of {key}", file) for line in value)
