"""Zips that are the same to the byte whenever the same is put into them."""

from __future__ import annotations

import json
import re
import stat
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from .items import Content, Item

MANIFEST = "manifest.ndjson"
# Tells what may be replaced from what somebody else put there.
_MADE = b"made by reson_jupyter"
_LONG_AGO = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
_ZIP64_FROM = 1 << 31

Advance = Callable[[], object]


def write_shard(path: Path, items: Sequence[Item], advance: Advance) -> None:
    """Writes samples in the order of their ids: first the manifest, then the images as they are."""
    ordered = sorted(items, key=lambda item: item.id)
    names = [f"images/{number:0{len(str(len(ordered) - 1))}}.{item.suffix}" for number, item in enumerate(ordered)]
    with _new_zip(path) as archive:
        with archive.open(_member(MANIFEST), "w", force_zip64=True) as manifest:
            for item, name in zip(ordered, names, strict=True):
                manifest.write(_line(item, name))
        _write_members(archive, ((name, item.content) for item, name in zip(ordered, names, strict=True)), advance)


def write_files(path: Path, members: Iterable[tuple[str, Content]], advance: Advance) -> None:
    """Writes files of any kind under these names, in this order."""
    with _new_zip(path) as archive:
        _write_members(archive, members, advance)


def is_made_here(path: Path) -> bool:
    """Whether a zip was written by this module."""
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - len(_MADE), 0))
        return file.read() == _MADE


def plain(value: Any) -> Any:
    """What JSON knows of a value that it does not know: numbers and arrays of numpy as such, all else as text."""
    return value.tolist() if hasattr(value, "tolist") else str(value)


def _line(item: Item, name: str) -> bytes:
    record: dict[str, Any] = {"id": item.id, "uri": f"file://{name}", "y": list(item.labels)}
    if item.meta:
        record["meta"] = item.meta
    return json.dumps(record, default=plain).encode() + b"\n"


def _new_zip(path: Path) -> zipfile.ZipFile:
    archive = zipfile.ZipFile(path, "x", zipfile.ZIP_STORED)
    archive.comment = _MADE
    return archive


def _write_members(archive: zipfile.ZipFile, members: Iterable[tuple[str, Content]], advance: Advance) -> None:
    for name, content in members:
        size = content.size
        with archive.open(_member(name), "w", force_zip64=size is None or size >= _ZIP64_FROM) as target:
            content.write(target)
        advance()


def _member(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _LONG_AGO)
    info.create_system = _UNIX
    info.external_attr = (stat.S_IFREG | 0o644) << 16
    return info


def shard_names(count: int, sites: Sequence[str] = ()) -> Iterator[str]:
    """Yields the file names of shards: their order, character by character, is that of the sites.

    Args:
        count: How many sites there are.
        sites: What they are called, if that is known.
    """
    width = len(str(count - 1))
    for number in range(count):
        called = f"_{re.sub(r'[^A-Za-z0-9.-]', '_', sites[number])[:40]}" if sites else ""
        yield f"shard_{number:0{width}}{called}.zip"
