"""YAML files of a project."""

from __future__ import annotations

from pathlib import Path

import yaml

from ...errors import ProjectError

PROJECT_FILE = "scaleout.yaml"
_MOST_BYTES = 1_000_000


def read_yaml(file: Path) -> object:
    """Returns what a YAML file holds.

    Raises:
        ProjectError: it cannot be read, or is no YAML.
    """
    try:
        with file.open("rb") as opened:
            data = opened.read(_MOST_BYTES + 1)
    except OSError as error:
        raise ProjectError(f"{file} cannot be read: {error.strerror}") from None
    if len(data) > _MOST_BYTES:
        raise ProjectError(f"{file} is too big for a file of a few lines")
    try:
        return yaml.safe_load(data)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ProjectError(f"{file}{line}: this is no YAML: {error.problem}", "Mind the indentation.") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ProjectError(f"{file} is no YAML: {str(error).splitlines()[0]}") from None


def required_text(value: object, key: str, file: Path) -> str:
    """Returns the text that `key` has in a file. Raises `ProjectError`: it has something else."""
    if not isinstance(value, str) or not value.strip():
        raise ProjectError(f"{file}: {key} is {value!r:.60}; it has to be a text", f"Write {key} in quotes, or leave it out.")
    return value.strip()
