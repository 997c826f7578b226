"""What the user gives, and the samples that are in it."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from ...errors import ShardError
from ...paths import expanded
from ..bars import bar
from ..classes import SUFFIXES, visible_files
from ..folder import refuse_unfinished
from ..problems import Problems
from ..shards import find_shards
from .folders import items_of_class_folders, items_of_manifests
from .items import Item, Items
from .pack import MANIFEST
from .pairs import is_frame, items_of_rows, rows_of_frame, rows_of_pairs

TAKEN = (
    "Pass a folder of class folders, shards, a list of (path, labels), a DataFrame, a torch Dataset of images, or "
    "{site: files} for data of any kind."
)


def items_of(source: Any, path_column: str, label_column: str, stack: ExitStack, spool: IO[bytes], progress: bool) -> Items:
    """Returns the samples of a source, in the order of their ids.

    What is wrong with some of them is noted, as far as all can be looked at nevertheless.

    Raises:
        ShardError: there are none, or none can be told from another.
    """
    found = _items_of(source, path_column, label_column, stack, spool, progress)
    if not found.items:
        raise ShardError("There is no sample to make shards of.", TAKEN)
    found.items.sort(key=lambda item: item.id)
    _keep_one_of_each(found)
    _note_unlabelled(found)
    return found


def shards_of(source: Any) -> list[Path]:
    """Returns the shards that a source is, if it is one or a folder of them."""
    path = _path_of(source)
    if path is None or (path / MANIFEST).is_file():
        return []
    if path.is_file():
        return [path]
    if path.is_dir():
        refuse_unfinished(path)
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
    _refuse_loader(source)
    if is_frame(source):
        rows = rows_of_frame(source, path_column, label_column)
    elif isinstance(source, Iterable) or hasattr(source, "__getitem__"):
        rows = rows_of_pairs(source, problems)
    else:
        raise ShardError(f"Shards cannot be made of a {type(source).__name__}.", TAKEN)
    total = len(source) if hasattr(source, "__len__") else None
    with bar(rows, "reading", total=total, shown=progress) as shown_rows:
        return items_of_rows(shown_rows, spool, problems)


def _path_of(source: Any) -> Path | None:
    if not isinstance(source, str | Path):
        return None
    path = expanded(source, ShardError)
    if not path.exists():
        raise ShardError(f"There is no file or folder {source}.", TAKEN)
    if path.is_file() and path.name == MANIFEST:
        return path.absolute().parent
    if path.is_file() and path.suffix.lower() != ".zip":
        table = "Read it with pandas.read_csv and pass the DataFrame." if path.suffix.lower() in (".csv", ".tsv") else TAKEN
        raise ShardError(f"{source} is neither a folder nor a zip.", table)
    return path.absolute()


def _refuse_loader(source: Any) -> None:
    data = sys.modules.get("torch.utils.data")
    if data is not None and isinstance(source, data.DataLoader):
        raise ShardError("A DataLoader yields batches, and shards are made of samples.", "Pass its Dataset: loader.dataset.")


def _keep_one_of_each(found: Items) -> None:
    """Notes samples that are there more than once, for one and the same must not get to two sites."""
    different: list[Item] = []
    for item in found.items:
        if different and different[-1].id == item.id:
            found.problems.add(f"{item.content} is there twice; take it once")
        else:
            different.append(item)
    found.items = different


def _note_unlabelled(found: Items) -> None:
    """Only where samples may have several labels is "none of them" an answer."""
    if any(len(item.labels) > 1 for item in found.items):
        return
    for item in found.items:
        if not item.labels:
            found.problems.add(f"{item.content} has no label, and no sample has several")
