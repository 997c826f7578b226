"""What the entry points of scaleout.yaml say: scripts that are imported, or shell commands that are run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from ...errors import ProjectError
from .problems import Problems
from .project import Kind
from .yaml_file import required_text

# What a dispatcher runs; an entry point of another name is nobody's.
_COMMANDS = ("startup", "train", "validate", "predict")
# The scripts of callbacks.
_SCRIPTS = ("startup", "build")


@dataclass(frozen=True)
class Entries:
    """The entry points of a project, as `Project` has them."""

    kind: Kind
    startup: str = ""
    build: str = ""
    commands: Mapping[str, str] = field(default_factory=dict)

    @property
    def scripts(self) -> dict[str, str]:
        """The scripts that are imported, by the function that is called in each."""
        named = {"startup": self.startup, "build": self.build} if self.kind == "importer" else {}
        return {name: script for name, script in named.items() if script}


def entries_of(value: object, file: Path, problems: Problems) -> Entries:
    """Reads the entry points.

    Args:
        value: What stands under `entry_points`.
        file: The project file.
        problems: Takes note of commands where scripts have to be; the scripts in them are taken for what was meant.

    Raises:
        ProjectError: they are not those of a project, and what was meant cannot be told.
    """
    if not isinstance(value, dict):
        raise ProjectError(f"{file}: entry_points has no entries", "Write below it, with two spaces before: startup: startup.py")
    points = {str(name): point for name, point in value.items() if point is not None}
    if isinstance(points.get("startup"), str):
        with problems.noted():
            if isinstance(points.get("build"), dict):
                hint = "Where startup is a script, so is build: write build: build.py"
                raise ProjectError(f"{file}: build is a command, but startup is a script", hint)
        return _scripts(points, file)
    if _is_command(points.get("startup")) and not points.keys() & {"train", "validate", "predict"}:
        with problems.noted():
            raise _commands_for_scripts(points, file)
        return _scripts(points, file)
    commands = {name: _command(points[name], name, file) for name in ("build", *_COMMANDS) if name in points}
    if "train" not in commands:
        hint = "Add startup: startup.py, which defines startup(client); or for shell commands: train: {command: python train.py}"
        raise ProjectError(f"{file} says of nothing that it trains: entry_points has neither startup nor train", hint)
    return Entries("dispatcher", "", commands.pop("build", ""), commands)


def _is_command(value: object) -> bool:
    return isinstance(value, dict) and isinstance(value.get("command"), str)


def _commands_for_scripts(points: Mapping[str, object], file: Path) -> ProjectError:
    """What is said of a startup that is a command beside no command that trains: its author has callbacks, most likely."""
    commands = [name for name in _SCRIPTS if isinstance(points.get(name), dict)]
    are = f"{commands[0]} is a command" if len(commands) == 1 else f"{' and '.join(commands)} are commands"
    lines = " and ".join(f"{name}: {_named_in(points[name]) or f'{name}.py'}" for name in commands)
    return ProjectError(
        f"{file}: {are}, and there is no train, so nothing trains",
        f"Write {lines} (without command:), if startup(client) is defined there. Or, where shell commands train, "
        "add train: {command: python train.py}",
    )


def _named_in(point: object) -> str:
    """The script that a command runs; "" if that cannot be told."""
    words = str(point["command"]).split() if isinstance(point, dict) and "command" in point else []
    return next((word for word in words if word.endswith(".py") and word == PurePosixPath(word).name), "")


def _scripts(points: Mapping[str, object], file: Path) -> Entries:
    """The scripts of callbacks; of commands those that they run, if there are such files."""
    named = {}
    for name in _SCRIPTS:
        if not isinstance(point := points.get(name), dict):
            named[name] = "" if point is None else _script(point, name, file)
        else:
            meant = _named_in(point)
            named[name] = meant if meant and os.path.isfile(file.parent / meant) else ""
    return Entries("importer", named["startup"], named["build"])


def _script(value: object, name: str, file: Path) -> str:
    script = PurePosixPath(required_text(value, name, file))
    # It is imported by the part of its name before the ending.
    if len(script.parts) != 1 or script.suffix != ".py" or "." in script.stem:
        raise ProjectError(
            f"{file}: {name} is {str(script)!r}, which cannot be imported",
            f"Write a file beside scaleout.yaml, such as {name}.py.",
        )
    return script.name


def _command(value: object, name: str, file: Path) -> str:
    if not isinstance(value, dict) or "command" not in value:
        hint = f"Write {name}: {{command: python {name}.py}}. Or, if callbacks train: startup: startup.py"
        raise ProjectError(f"{file}: {name} has no command", hint)
    return required_text(value["command"], f"the command of {name}", file)
