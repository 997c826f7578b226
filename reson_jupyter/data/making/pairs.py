"""Samples of pairs (image, labels): a list, a DataFrame, a torch Dataset."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Iterable, Iterator
from typing import IO, TYPE_CHECKING, Any

from ...errors import ShardError
from ..pixels import png_of
from ..problems import Problems
from .items import ImageContent, InFile, InSpool, Item, Items, id_of
from .labels import Label, indices_of, read_labels
from .pack import check_meta, plain

if TYPE_CHECKING:
    import pandas as pd

_TAKEN = (
    "Each must be (image, labels): a path, a PIL image, a tensor or an array; and a class index or name, or a list of them.\n"
    "  Of two arrays: zip(images, labels). Of rows that are dicts: ((row['image'], row['label']) for row in data)."
)

Row = tuple[Any, Any, dict[str, Any]]


def is_frame(source: object) -> bool:
    """Whether something is a DataFrame; where there is one, pandas is imported already."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(source, pandas.DataFrame)


def rows_of_frame(frame: pd.DataFrame, path_column: str, label_column: str) -> Iterator[Row]:
    """Returns the rows of a DataFrame: path, label, and what the other columns say; missing values are left out.

    Raises:
        ShardError: it lacks one of the two columns.
    """
    names = list(map(str, frame.columns))
    missing = [name for name in (path_column, label_column) if name not in names]
    if missing:
        raise ShardError(
            f"The DataFrame has no column {' and none '.join(map(repr, missing))}; it has {', '.join(map(repr, names))}.",
            "Say which columns hold the paths and the labels: path_column=..., label_column=...",
        )
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ShardError(f"The DataFrame has the column {twice[0]!r} twice.", "Rename one of them.")
    return (_frame_row(dict(zip(names, row, strict=True)), path_column, label_column) for row in frame.itertuples(index=False))


def rows_of_pairs(pairs: Any, problems: Problems) -> Iterator[Row]:
    """Yields what a list, an iterator or a Dataset holds; nothing is kept of what was yielded."""
    for number, pair in enumerate(_each(pairs)):
        if isinstance(pair, tuple | list) and len(pair) == 2:
            yield pair[0], pair[1], {}
        else:
            problems.add(f"item {number} ({type(pair).__name__}) is no pair of an image and its labels")


def _each(pairs: Any) -> Iterator[Any]:
    # A Dataset need not end an iteration, but it knows its length.
    indexed = hasattr(pairs, "__len__") and hasattr(pairs, "__getitem__")
    each = (pairs[number] for number in range(len(pairs))) if indexed else iter(pairs)
    for number in itertools.count():
        try:
            one = next(each)
        except StopIteration:
            return
        except Exception as error:  # the user's own
            error.add_note(f"This was item {number} of the {type(pairs).__name__}.")
            raise
        yield one


def items_of_rows(rows: Iterable[Row], spool: IO[bytes], problems: Problems) -> Items:
    """Returns the samples; images that are no files are written to the spool, one at a time."""
    contents: list[ImageContent] = []
    labels: list[tuple[Label, ...]] = []
    metas: list[dict[str, Any]] = []
    for number, (image, label, meta) in enumerate(rows):
        try:
            those = read_labels(label)
            check_meta(meta)
            contents.append(_content(image, number, spool))
        except ValueError as error:
            named = f" ({os.fspath(image)})" if isinstance(image, str | os.PathLike) else ""
            problems.add(f"item {number}{named}: {error}")
            continue
        labels.append(those)
        metas.append(meta)
    problems.raise_if_any("These items cannot be samples", _TAKEN)
    return _with_ids(contents, labels, metas, problems)


def _with_ids(
    contents: list[ImageContent], labels: list[tuple[Label, ...]], metas: list[dict[str, Any]], problems: Problems
) -> Items:
    indices, named = indices_of(labels, problems)
    problems.raise_if_any("These items cannot be samples", "Use numbers for all labels, or names for all.")
    base = _base_of(contents)
    width = len(str(len(contents) - 1))
    items = []
    for number, (content, those, meta) in enumerate(zip(contents, labels, metas, strict=True)):
        if isinstance(content, InFile):
            content = InFile(base, os.path.relpath(content.name, base))
            identity = id_of(content.name)
        else:
            identity = f"{number:0{width}}"
        if named:
            meta = {"class": those[0] if len(those) == 1 else list(those), **meta}
        items.append(Item(identity, tuple(indices[label] for label in those), meta, content))
    classes = [str(label) for label in indices] if named else []
    return Items(items, classes)


def _content(image: Any, number: int, spool: IO[bytes]) -> ImageContent:
    if isinstance(image, str | os.PathLike):
        return InFile("", os.path.abspath(os.path.expanduser(os.fspath(image))))
    if image is None:
        raise ValueError("it has no image")
    try:
        data = png_of(image)
    except OSError as error:  # what Pillow cannot write as PNG
        raise ValueError(f"it cannot be made a PNG: {error}") from None
    try:
        start = spool.seek(0, os.SEEK_END)
        spool.write(data)
    except OSError as error:
        raise ShardError(f"Item {number} cannot be written: {error.strerror or error}.", "Make room on the disk.") from None
    return InSpool(spool, start, len(data), number)


def _base_of(contents: list[ImageContent]) -> str:
    """The folder that all files have in common, so that ids do not depend on where it lies."""
    folders = {os.path.dirname(content.name) for content in contents if isinstance(content, InFile)}
    return os.path.commonpath(folders) if folders else ""


def _frame_row(row: dict[str, Any], path_column: str, label_column: str) -> Row:
    image, label = row.pop(path_column), row.pop(label_column)
    image, label = (None if _is_missing(value) else value for value in (image, label))
    return image, label, {name: _plain(value) for name, value in row.items() if not _is_missing(value)}


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | float | list | dict) else plain(value)


def _is_missing(value: Any) -> bool:
    return sys.modules["pandas"].isna(value) is True
