"""YAML files of a project."""

from __future__ import annotations

import reprlib
from pathlib import Path

import yaml

from ...errors import ProjectError

PROJECT_FILE = "scaleout.yaml"
_MOST_BYTES = 100_000
# Each may multiply what the others stand for; a file of a few lines has one or two.
_MOST_ALIASES = 10


class _TooManyAliases(yaml.MarkedYAMLError):
    """A file refers to its own parts so often that a few lines may stand for more than fits into memory."""


class _Loader(yaml.SafeLoader):
    aliases = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            self.aliases += 1
            if self.aliases > _MOST_ALIASES:
                raise _TooManyAliases(problem_mark=self.peek_event().start_mark)  # type: ignore[no-untyped-call]
        return super().compose_node(parent, index)


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
        return yaml.load(data, _Loader)  # noqa: S506 (it is a SafeLoader)
    except _TooManyAliases as error:
        hint = "Write out what they stand for."
        raise ProjectError(f"{file}{_line(error)}: more than {_MOST_ALIASES} aliases (*name) are not read", hint) from None
    except yaml.MarkedYAMLError as error:
        raise ProjectError(f"{file}{_line(error)}: this is no YAML: {error.problem}", "Mind the indentation.") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ProjectError(f"{file} is no YAML: {str(error).splitlines()[0]}") from None
    except (LookupError, AttributeError, TypeError) as error:
        # What PyYAML's own constructors raise for `!!int ''` and `!!timestamp foo`.
        hint = "Take the !! out, and write texts in quotes."
        raise ProjectError(f"{file}: a value with a !! before it is not of that type", hint) from error


def _line(error: yaml.MarkedYAMLError) -> str:
    return f", line {error.problem_mark.line + 1}" if error.problem_mark else ""


def required_text(value: object, key: str, file: Path) -> str:
    """Returns the text that `key` has in a file. Raises `ProjectError`: it has something else."""
    if not isinstance(value, str) or not value.strip():
        raise ProjectError(
            f"{file}: {key} is {reprlib.repr(value):.60}; it has to be a text", f"Write {key} in quotes, or leave it out."
        )
    return value.strip()
