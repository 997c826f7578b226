"""Files of any kind for each site, which a user's own train function reads."""

from __future__ import annotations

import os
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ...errors import ShardError
from ...paths import expanded
from ..classes import visible_files
from ..problems import Problems
from ..zip_problems import find_problems
from .items import Content, InFile

_TAKEN = (
    "Give each site a folder, a file, a list of files, or {name: content}, where content is a tensor (.pt), an array (.npy), "
    "a DataFrame (.csv), bytes, or the Path of a file."
)

Members = dict[str, Content]


def members_of_sites(sites: Mapping[Any, Any]) -> dict[str, Members]:
    """Returns the members of each site's zip, in the order of their names.

    Raises:
        ShardError: what a site is to get is nothing that can be packed.
    """
    problems = Problems()
    found: dict[str, Members] = {}
    for site, given in sites.items():
        noted = Problems()
        if str(site) in found:
            noted.add("there are two of this name")
        found[str(site)] = _without_problems(given, noted)
        problems.merge(noted, f"site {site}")
    problems.raise_if_any("These cannot be packed", _TAKEN)
    if not found:
        raise ShardError("There is no site to make a shard for.", _TAKEN)
    return found


def _without_problems(given: Any, problems: Problems) -> Members:
    members: Members = {}
    for name, content in _members_of(given, problems):
        if name in members:
            problems.add(f"two files are called {name}")
        members[name] = content
    if not members and not problems.count:
        problems.add("there is no file")
    try:
        _check_names(members, problems)
    except OSError as error:
        raise ShardError(
            f"There is no place for a temporary file: {error.strerror or error}.", "Make room on the disk."
        ) from None
    return dict(sorted(members.items()))


def _check_names(names: Iterable[str], problems: Problems) -> None:
    """Notes what sites would refuse to unpack; those who know are asked, with empty files of the same names."""
    with tempfile.TemporaryFile() as file:
        with zipfile.ZipFile(file, "w") as trial:
            for name in names:
                if not name or name.endswith("/") or not _is_text(name):
                    problems.add(f"{name!r} is no name of a file")
                else:
                    trial.writestr(name, b"")
        with zipfile.ZipFile(file) as trial:
            find_problems(trial, problems)


def _is_text(name: str) -> bool:
    try:
        return bool(name.encode())
    except UnicodeEncodeError:  # bytes that were no UTF-8, in the name of a file
        return False


def _members_of(given: Any, problems: Problems) -> Iterator[tuple[str, Content]]:
    if isinstance(given, str | Path):
        yield from _of_path(expanded(given, ShardError), problems)
    elif isinstance(given, Mapping):
        for name, value in given.items():
            yield from _of_value(str(name), value, problems)
    elif isinstance(given, list | tuple):
        for one in given:
            if isinstance(one, str | Path):
                yield from _of_path(expanded(one, ShardError), problems)
            else:
                problems.add(f"a {type(one).__name__} is no file")
    else:
        problems.add(f"a {type(given).__name__} is neither files nor a dict of them")


def _of_path(path: Path, problems: Problems) -> Iterator[tuple[str, Content]]:
    if path.is_dir():
        for name in visible_files(str(path)):
            if (path / name).is_file():
                yield name, InFile(str(path), name)
            else:
                problems.add(f"{path / name} is no file but a pipe, a socket, a device or a link to nothing")
    elif not path.exists():
        problems.add(f"there is no file {path}")
    elif not path.is_file():
        problems.add(f"{path} is no file but a pipe, a socket or a device")
    elif path.suffix.lower() == ".zip":
        problems.add(f"{path} is a zip already; put it among the shards as it is, or give the folder that it was made of")
    elif not os.access(path, os.R_OK):
        problems.add(f"{path} cannot be read")
    else:
        yield path.name, InFile(str(path.parent), path.name)


def _of_value(name: str, value: Any, problems: Problems) -> Iterator[tuple[str, Content]]:
    for (module, type_name), (suffix, write) in _WRITERS.items():
        # Who has such a value has imported its module.
        if module not in sys.modules or not isinstance(value, getattr(sys.modules[module], type_name)):
            continue
        stem, given = os.path.splitext(name)
        if module == "numpy" and value.dtype.hasobject:
            problems.add(f"{name} is an array of Python objects, which only unsafe formats hold; make it numbers or text")
        elif given.lower() not in ("", suffix):
            problems.add(f"{name} is a {type_name}, which is written as {suffix}: call it {stem}{suffix}")
        else:
            yield f"{stem}{suffix}", _Value(value, write)
        return
    if isinstance(value, bytes):
        yield name, _Value(value, _write_bytes)
    elif isinstance(value, Path):
        for _, content in _of_path(expanded(value, ShardError), problems):
            yield name, content
    else:
        problems.add(f"{name} is a {type(value).__name__}, no tensor, array, DataFrame, bytes or Path")


Write = Callable[[Any, IO[bytes]], None]


@dataclass(frozen=True)
class _Value:
    """Something in memory that is written as a file of its own kind, and not copied before."""

    value: Any
    write_value: Write

    @property
    def size(self) -> int | None:
        """Only writing it tells."""
        return None

    def write(self, target: IO[bytes]) -> None:
        """Writes the file."""
        self.write_value(self.value, target)


def _write_tensor(tensor: Any, target: IO[bytes]) -> None:
    # A slice would be saved with all that it is a slice of: the data of other sites.
    sys.modules["torch"].save(tensor.detach().cpu().clone(), target)


def _write_array(array: Any, target: IO[bytes]) -> None:
    sys.modules["numpy"].save(target, array, allow_pickle=False)


def _write_table(frame: Any, target: IO[bytes]) -> None:
    frame.to_csv(target, index=False, mode="wb", lineterminator="\n")


def _write_bytes(data: bytes, target: IO[bytes]) -> None:
    target.write(data)


_WRITERS: dict[tuple[str, str], tuple[str, Write]] = {
    ("torch", "Tensor"): (".pt", _write_tensor),
    ("numpy", "ndarray"): (".npy", _write_array),
    ("pandas", "DataFrame"): (".csv", _write_table),
}
