"""Class folders: one folder of images for each class, and the labels that names of classes stand for."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from ..errors import ShardError

SUFFIXES = (".jpg", ".jpeg", ".png")


def labels_of(names: Iterable[str]) -> dict[str, int]:
    """Returns the label of each class: its number if all are called by numbers, else its place in the order of the names."""
    ordered = sorted(set(names))
    numbered = all_numbers(ordered)
    return {name: int(name) if numbered else place for place, name in enumerate(ordered)}


def all_numbers(names: Iterable[str]) -> bool:
    """Whether classes are called 0, 1, ..., so that their names tell no more than their labels."""
    return all(name.isdecimal() and name.isascii() for name in names)


def visible_files(folder: str) -> Iterator[str]:
    """Yields the files in a folder and in all folders below, in the order of their names, as paths/with/slashes relative to it.

    Hidden files and folders and __MACOSX are left out; links are followed, but not in circles.

    Raises:
        ShardError: a folder cannot be read.
    """
    try:
        yield from _files_below(folder, "", ())
    except OSError as error:
        raise ShardError(f"{error.filename or folder} cannot be read: {error.strerror}.", "Check its permissions.") from None


def _files_below(folder: str, below: str, above: tuple[tuple[int, int], ...]) -> Iterator[str]:
    place = os.path.join(folder, below)
    status = os.stat(place)
    known = (status.st_dev, status.st_ino)
    if known in above:
        return
    with os.scandir(place) as entries:
        shown = [entry for entry in entries if not entry.name.startswith(".") and entry.name != "__MACOSX"]
        found = sorted((entry.name, entry.is_dir()) for entry in shown)
    for name, is_folder in found:
        path = f"{below}/{name}" if below else name
        if is_folder:
            yield from _files_below(folder, path, (*above, known))
        else:
            yield path
