"""What the entry points of scaleout.yaml say: scripts that are imported, or shell commands that are run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from ...errors import ProjectError
from .project import Kind
from .yaml_file import required_text

# What a dispatcher runs; an entry point of another name is nobody's.
_COMMANDS = ("startup", "train", "validate", "predict")


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


def entries_of(value: object, file: Path) -> Entries:
    """Reads the entry points.

    Args:
        value: What stands under `entry_points`.
        file: The project file.

    Raises:
        ProjectError: they are not those of a project.
    """
    if not isinstance(value, dict):
        raise ProjectError(f"{file}: entry_points has no entries", "Write below it, with two spaces before: startup: startup.py")
    points = {str(name): point for name, point in value.items() if point is not None}
    if isinstance(points.get("startup"), str):
        scripts = {name: _script(points[name], name, file) for name in ("startup", "build") if name in points}
        return Entries("importer", scripts["startup"], scripts.get("build", ""))
    commands = {name: _command(points[name], name, file) for name in ("build", *_COMMANDS) if name in points}
    if "train" not in commands:
        hint = "Add startup: startup.py, which defines startup(client); or for shell commands: train: {command: python train.py}"
        raise ProjectError(f"{file} says of nothing that it trains: entry_points has neither startup nor train", hint)
    return Entries("dispatcher", "", commands.pop("build", ""), commands)


def _script(value: object, name: str, file: Path) -> str:
    if isinstance(value, dict):
        hint = f"Where startup is a script, so is {name}: write {name}: {name}.py"
        raise ProjectError(f"{file}: {name} is a command, but startup is a script", hint)
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
