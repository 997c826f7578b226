"""The files of a project folder that ship, read and checked: no secrets, nothing from elsewhere, not too much."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ...backend.store.base import check_key
from ...errors import ProjectError, StoreError
from ...names import printable
from ...units import size
from .ignore import IGNORE_FILE, Ignored
from .secret_names import is_of_secrets
from .secrets import find_secrets

MOST_FILES = 5_000
MOST_BYTES = 100_000_000
_SHOWN = 5
# Digests of contents without a secret: a project is read several times on its way to a run, and looking takes the longest.
_clean: set[bytes] = set()
_LIST_IT = f"List it in {IGNORE_FILE} beside scaleout.yaml"


@dataclass(frozen=True)
class Entry:
    """A file that ships: its place in the project and on this machine, and its size in bytes."""

    path: str
    file: Path
    size: int


def read_files(folder: Path) -> dict[str, bytes]:
    """Returns what ships of a project folder, by path below it, sorted.

    Raises:
        ProjectError: a file holds a secret, cannot be read or cannot ship, or there are too many.
    """
    files = {entry.path: _read(entry) for entry in list_files(folder)}
    digests = {path: hashlib.sha256(data).digest() for path, data in files.items()}
    if secrets := find_secrets({path: data for path, data in files.items() if digests[path] not in _clean}, files):
        hint = (
            "Take them out, or list their files in .scaleoutignore beside scaleout.yaml; "
            "a site gets secrets from its own environment: os.environ['NAME'] where it is needed."
        )
        raise ProjectError(f"these must not leave {folder}:\n  " + "\n  ".join(secrets), hint)
    _clean.update(digests.values())
    return files


def list_files(folder: Path) -> list[Entry]:
    """Returns which files of a project folder ship, sorted by path, without reading them.

    Raises:
        ProjectError: a file cannot ship, or there are too many.
    """
    entries: list[Entry] = []
    total = 0
    for entry in _walk(folder, PurePosixPath(), Ignored(folder)):
        entries.append(entry)
        total += entry.size
        if len(entries) > MOST_FILES:
            raise ProjectError(f"{folder} has more than {MOST_FILES:,} files", _with_biggest(entries))
    if total > MOST_BYTES:
        raise ProjectError(f"the files of {folder} are {size(total)}; at most {size(MOST_BYTES)} ship", _with_biggest(entries))
    return sorted(entries, key=lambda entry: entry.path)


def _walk(root: Path, below: PurePosixPath, ignored: Ignored) -> Iterator[Entry]:
    try:
        found = sorted(os.scandir(root / below), key=lambda entry: entry.name)
    except OSError as error:
        raise ProjectError(f"the folder {root / below} cannot be read: {error.strerror}", f"{_LIST_IT}.") from None
    for entry in found:
        path = below / entry.name
        # What "data/" keeps at home is data, also where a link leads to it.
        if ignored.folder(path) if (root / path).is_dir() else ignored.file(path):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(root, path, ignored)
        else:
            yield _entry(root, path, ignored)


def _entry(root: Path, path: PurePosixPath, ignored: Ignored) -> Entry:
    """A file that ships. Raises `ProjectError`: it cannot."""
    shown = printable(os.fsencode(path).decode(errors="backslashreplace"))
    try:
        check_key(path.as_posix())
    except StoreError as error:
        reason = error.message.partition(": ")[2].rstrip(".")
        raise ProjectError(f"{shown} cannot ship under this name: {reason}", f"Rename it. Or: {_LIST_IT}.") from None
    if is_of_secrets(path):
        hint = f"{_LIST_IT}; a site gets secrets from its own environment."
        raise ProjectError(f"{shown} is a file for secrets, which must not leave {root}", hint)
    file = root / path
    if file.is_symlink() and file.exists():
        _refuse_link(root, file, shown, ignored)
    if not file.is_file():
        raise ProjectError(f"{shown} is no ordinary file", f"{_LIST_IT}.")
    return Entry(path.as_posix(), file, file.stat().st_size)


def _refuse_link(root: Path, link: Path, shown: str, ignored: Ignored) -> None:
    """Makes sure that a link leads to a file of the same folder that may ship itself."""
    target = link.resolve()
    if target.is_dir():
        raise ProjectError(f"{shown} is a link to a folder, {target}", f"Copy the folder to its place. Or: {_LIST_IT}.")
    if not target.is_relative_to(root.resolve()):
        raise ProjectError(f"{shown} is a link to {target}, outside of {root}", f"Copy the file to its place. Or: {_LIST_IT}.")
    path = PurePosixPath(target.relative_to(root.resolve()))
    if is_of_secrets(path):
        hint = f"{_LIST_IT}; a site gets secrets from its own environment."
        raise ProjectError(f"{shown} is a link to {path}, a file for secrets, which must not leave {root}", hint)
    if ignored.file(path) or any(ignored.folder(folder) for folder in path.parents[:-1]):
        hint = f"{_LIST_IT} as well. Or copy the file to its place."
        raise ProjectError(f"{shown} is a link to {path}, which {IGNORE_FILE} keeps at home", hint)


def _read(entry: Entry) -> bytes:
    try:
        return entry.file.read_bytes()
    except OSError as error:
        raise ProjectError(f"{entry.file} cannot be read: {error.strerror}", f"{_LIST_IT}.") from None


def _with_biggest(entries: list[Entry]) -> str:
    biggest = sorted(entries, key=lambda entry: -entry.size)[:_SHOWN]
    listed = ", ".join(f"{printable(entry.path)} ({size(entry.size)})" for entry in biggest)
    return f"Data stays at the sites. List what is no code in {IGNORE_FILE} beside scaleout.yaml; the biggest files: {listed}."
