"""Zips that are the same to the byte whenever the same is put into them."""

from __future__ import annotations

import hashlib
import json
import re
import stat
import sys
import unicodedata
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...errors import ShardError
from ..unpack import ZIP_ERRORS
from .items import Content, Item

MANIFEST = "manifest.ndjson"
# The comment of a zip, with a digest of its directory: what somebody else put there, or has changed since, must not be replaced.
_MADE = b"made by reson_jupyter "
_SEAL_LENGTH = len(_MADE) + 2 * hashlib.sha256().digest_size
_LONG_AGO = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
_ZIP64_FROM = 1 << 31
_MAX_DEPTH = 100  # of what is in meta; readers of JSON have limits of their own
_SHARD = re.compile(r"shard_(\d+)(_.*)?\.zip", re.ASCII | re.DOTALL)
_NAME_BYTES = 80  # of a site's name in that of its shard; file systems take 255 for all of it

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
    """Whether a zip was written by this module and has the members that it had then.

    Raises:
        OSError: it cannot be read.
    """
    if not path.is_file():
        return False
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - _SEAL_LENGTH, 0))
        comment = file.read()
        if not comment.startswith(_MADE):  # what is said of the others costs no memory
            return False
        try:
            with zipfile.ZipFile(file) as archive:
                return archive.comment == comment == _seal(archive)
        except ZIP_ERRORS:
            return False


def plain(value: Any) -> Any:
    """What JSON knows of a value that it does not know: numbers and arrays of numpy as such, all else as text."""
    found = value.tolist() if hasattr(value, "tolist") else str(value)
    return found if type(found) is not type(value) else str(found)  # there are numbers that only numpy has


def check_meta(meta: Mapping[str, Any]) -> None:
    """Finds out whether a sample's meta can be a part of its line.

    Raises:
        ValueError: it cannot.
    """
    for name, value in meta.items():
        if value is None or type(value) is str:
            continue
        try:
            depth = _depth(json.loads(json.dumps(value, default=plain, allow_nan=False)))
        except (TypeError, ValueError) as error:
            raise ValueError(f"its {name} cannot be written as JSON: {error}") from None
        except RecursionError:
            depth = sys.getrecursionlimit()
        if depth > _MAX_DEPTH:
            raise ValueError(f"its {name} is nested deeper than {_MAX_DEPTH} levels")


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level := [one for one in level if isinstance(one, list | dict)]:
        level = [inner for one in level for inner in (one.values() if isinstance(one, dict) else one)]
        depth += 1
    return depth


def _line(item: Item, name: str) -> bytes:
    record: dict[str, Any] = {"id": item.id, "uri": f"file://{name}", "y": list(item.labels)}
    if item.meta:
        record["meta"] = item.meta
    try:
        return json.dumps(record, default=plain).encode() + b"\n"
    except RecursionError:
        raise ShardError(f"The meta of sample {item.id!r} is nested too deep.", "Make it flatter.") from None


@contextmanager
def _new_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    with zipfile.ZipFile(path, "x", zipfile.ZIP_STORED) as archive:
        yield archive
        archive.comment = _seal(archive)


def _seal(archive: zipfile.ZipFile) -> bytes:
    digest = hashlib.sha256()
    for member in archive.infolist():
        digest.update(f"{member.file_size} {member.CRC} {member.filename}\n".encode("utf-8", "surrogateescape"))
    return _MADE + digest.hexdigest().encode()


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
        called = f"_{_file_name(sites[number])}" if sites else ""
        yield f"shard_{number:0{width}}{called}.zip"


def number_of(name: str) -> int | None:
    """Returns the number in a file name that `shard_names` may have given; None if the name is another."""
    found = _SHARD.fullmatch(name)
    return int(found[1]) if found else None


def _file_name(site: str) -> str:
    """Returns a name without what file systems and shells dislike: letters of all scripts and digits are kept."""
    composed = unicodedata.normalize("NFC", site)
    kept = "".join(one if one in ".-" or unicodedata.category(one)[0] in "LMN" else "_" for one in composed)
    return kept.encode()[:_NAME_BYTES].decode(errors="ignore")
