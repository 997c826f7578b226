"""Files as the folders that people know them by."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from .contents import PlannedFile


@dataclass
class Folder:
    """A folder: its folders and its files, by name."""

    folders: dict[str, Folder] = field(default_factory=dict)
    files: dict[str, PlannedFile] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many files are in it, however deep."""
        return len(self.files) + sum(folder.count for folder in self.folders.values())

    @property
    def bytes(self) -> int:
        """How much they hold."""
        return sum(file.bytes for file in self.files.values()) + sum(folder.bytes for folder in self.folders.values())


def tree_of(files: Iterable[PlannedFile]) -> Folder:
    """Returns the folders of files, in the order of the files."""
    root = Folder()
    for file in files:
        *parents, name = file.path.split("/")
        folder = root
        for parent in parents:
            folder = folder.folders.setdefault(parent, Folder())
        folder.files[name] = file
    return root
