"""A Scaleout Edge project: a folder of client code, and what its project file says of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from .contents import read_files
from .ignore import only_shipped_here
from .module_names import name_notes

Kind: TypeAlias = Literal["importer", "dispatcher"]

# The sites have these from the job itself.
_PROVIDED = frozenset({"scaleout", "scaleoututil"})


@dataclass(frozen=True)
class Environment:
    """What python_env.yaml lists.

    Attributes:
        name: The environment's name; "" if the file gives none.
        build_dependencies: Lines for pip that are to be installed first, such as pip itself; nothing that a run needs.
        dependencies: Lines for pip.
    """

    name: str = ""
    build_dependencies: tuple[str, ...] = ()
    dependencies: tuple[str, ...] = ()


@dataclass(frozen=True)
class Project:
    """A project folder, as its project file described it when it was read. The files themselves are read anew on each use.

    Attributes:
        folder: The folder that has scaleout.yaml, by its full path.
        kind: "importer": a startup script registers callbacks; "dispatcher": shell commands train and validate.
        entry: The startup script, such as "startup.py"; "" for a dispatcher.
        build: What makes the seed model: a script such as "build.py"; for a dispatcher a shell command; "" if there is none.
        commands: The shell commands of a dispatcher by entry point ("train", "validate", "predict", "startup"), without "build".
        environment: What python_env.yaml lists; None where the project leaves the environment to the sites.
        local_package: Whether the sites have the files already, so that a job carries only their hashes.
    """

    folder: Path
    kind: Kind
    entry: str = ""
    build: str = ""
    commands: Mapping[str, str] = field(default_factory=dict)
    environment: Environment | None = None
    local_package: bool = False

    @property
    def title(self) -> str:
        """What people call it: "project mnist"; "client" beside the notebook goes by its own name, elsewhere by its parent's."""
        around = self.folder.parent
        named = around if self.folder.name == "client" and around.name and not _is_here(around) else self.folder
        return f"project {named.name}"

    def files(self) -> dict[str, bytes]:
        """Returns what ships, by path below the folder ("models/net.py"), sorted; read anew each time.

        Raises:
            ProjectError: a file holds a secret or cannot ship, or there are too many.
        """
        return read_files(self.folder)

    def digest(self) -> str:
        """Returns the SHA-256 over the names and bytes of all files, as hex. Raises `ProjectError` as `files` does."""
        digest = hashlib.sha256()
        for path, data in self.files().items():
            digest.update(f"{path}\0{len(data)}\0".encode())
            digest.update(data)
        return digest.hexdigest()

    def requirements(self) -> tuple[str, ...] | None:
        """Returns what the sites need, as lines for pip; None where that is left to the sites.

        Scaleout's own packages are not in it, which the job brings, nor what only installs the others.
        """
        if self.environment is None:
            return None
        lines = dict.fromkeys(self.environment.dependencies)
        return tuple(line for line in lines if _distribution(line) not in _PROVIDED)

    def spec(self) -> dict[str, Any]:
        """Returns what a site has to know, as plain data. Raises `ProjectError` as `files` does, for a local package."""
        local = {path: hashlib.sha256(data).hexdigest() for path, data in self.files().items()} if self.local_package else None
        return {
            "kind": self.kind,
            "entry": self.entry,
            "commands": dict(self.commands),
            "local": None if local is None else {"files": local},
        }

    def notes(self) -> tuple[str, ...]:
        """Returns sentences for people about what ships. Raises `ProjectError` as `files` does."""
        files = self.files()
        by_git = (
            f"{path} ships, though {pattern!r} of .scaleoutignore keeps it out of Scaleout's own packages; "
            "here the line means what it would in a .gitignore"
            for path, pattern in only_shipped_here(self.folder, files).items()
        )
        return (*by_git, *name_notes(files))

    def __repr__(self) -> str:
        return f"Project({str(self.folder)!r}, {self.kind}{', local package' if self.local_package else ''})"


def _is_here(folder: Path) -> bool:
    """Whether a folder is the one that the kernel works in."""
    try:
        return folder == Path.cwd()
    except OSError:  # it was deleted
        return False


def _distribution(line: str) -> str:
    """The distribution that a requirement line names; "" for options such as "--index-url ..."."""
    try:
        return canonicalize_name(Requirement(line).name)
    except InvalidRequirement:
        return ""
