"""What the user gives, and the samples that are in it."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from tqdm import tqdm

from ...errors import ShardError
from ..classes import SUFFIXES, visible_files
from ..problems import Problems
from ..shards import find_shards
from .folders import items_of_class_folders, items_of_manifests
from .items import Items
from .pack import MANIFEST
from .pairs import is_frame, items_of_rows, rows_of_frame, rows_of_pairs

TAKEN = (
    "Pass a folder of class folders, shards, a list of (path, labels), a DataFrame, a torch Dataset of images, or "
    "{site: files} for data of any kind."
)


def items_of(source: Any, path_column: str, label_column: str, stack: ExitStack, spool: IO[bytes], progress: bool) -> Items:
    """Returns the samples of a source, in the order of their ids.

    Raises:
        ShardError: there are none, or something is wrong with one.
    """
    found = _items_of(source, path_column, label_column, stack, spool, progress)
    if not found.items:
        raise ShardError("There is no sample to make shards of.", TAKEN)
    found.items.sort(key=lambda item: item.id)
    problems = Problems()
    for one, other in zip(found.items, found.items[1:], strict=False):
        if one.id == other.id:
            problems.add(f"{other.content} is there twice")
    problems.raise_if_any("Samples must be different", "Take each of them once: one and the same must not get to two sites.")
    _refuse_unlabelled(found)
    return found


def shards_of(source: Any) -> list[Path]:
    """Returns the shards that a source is, if it is one or a folder of them."""
    path = _path_of(source)
    if path is None or (path / MANIFEST).is_file():
        return []
    if path.is_file():
        return [path]
    try:
        shards = find_shards(path)
    except ShardError:
        return []
    # Beside class folders, a zip is what they were unpacked from.
    return [] if any(name.lower().endswith(SUFFIXES) for name in visible_files(str(path))) else shards


def _items_of(source: Any, path_column: str, label_column: str, stack: ExitStack, spool: IO[bytes], progress: bool) -> Items:
    path = _path_of(source)
    if path and (path / MANIFEST).is_file():
        return items_of_manifests([path], stack)
    if path:
        shards = shards_of(path)
        return items_of_manifests(shards, stack) if shards else items_of_class_folders(path)
    problems = Problems()
    if is_frame(source):
        rows = rows_of_frame(source, path_column, label_column)
    elif isinstance(source, Iterable) or hasattr(source, "__getitem__"):
        rows = rows_of_pairs(source, problems)
    else:
        raise ShardError(f"Shards cannot be made of a {type(source).__name__}.", TAKEN)
    total = len(source) if hasattr(source, "__len__") else None
    bar = tqdm(rows, desc="reading", total=total, unit="sample", leave=False, disable=not progress)
    return items_of_rows(bar, spool, problems)


def _path_of(source: Any) -> Path | None:
    if not isinstance(source, str | Path):
        return None
    path = Path(source).expanduser()
    if not path.exists():
        raise ShardError(f"There is no file or folder {source}.", TAKEN)
    if path.is_file() and path.suffix.lower() != ".zip":
        table = "Read it with pandas.read_csv and pass the DataFrame." if path.suffix.lower() in (".csv", ".tsv") else TAKEN
        raise ShardError(f"{source} is neither a folder nor a zip.", table)
    return path.absolute()


def _refuse_unlabelled(found: Items) -> None:
    """Only where samples may have several labels is "none of them" an answer."""
    if any(len(item.labels) > 1 for item in found.items):
        return
    problems = Problems()
    for item in found.items:
        if not item.labels:
            problems.add(f"{item.content} has no label, and no sample has several")
    problems.raise_if_any("Every sample needs a label", "Add the labels, or leave these samples out.")
