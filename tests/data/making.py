"""Images and shards for the tests of making shards."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from reson_jupyter.data.making import make_shards
from reson_jupyter.data.shards import check_shards
from reson_jupyter.errors import ShardError


def image_bytes(number: int, kind: str = "PNG") -> bytes:
    """Returns a small image that no other number has."""
    file = io.BytesIO()
    Image.new("RGB", (6, 4), (number % 256, number // 256 % 256, 7)).save(file, kind)
    return file.getvalue()


def write_images(folder: Path, names: Iterable[str]) -> Path:
    """Writes an image under each name, with one number after another; the suffix tells the kind."""
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(image_bytes(number, "PNG" if path.suffix.lower() == ".png" else "JPEG"))
    return folder


def class_folders(folder: Path, **counts: int) -> Path:
    """Writes class folders with so many images each."""
    return write_images(folder, [f"{name}/{number}.png" for name, count in counts.items() for number in range(count)])


def records(shard: Path) -> list[dict[str, Any]]:
    """Returns the manifest's records."""
    with zipfile.ZipFile(shard) as archive:
        return [json.loads(line) for line in archive.read("manifest.ndjson").splitlines()]


def images(shard: Path) -> dict[str, bytes]:
    """Returns each sample's image by its id."""
    with zipfile.ZipFile(shard) as archive:
        return {record["id"]: archive.read(record["uri"].removeprefix("file://")) for record in records(shard)}


def ids(*shards: Path) -> list[str]:
    """Returns the ids of all samples, in order."""
    return sorted(record["id"] for shard in shards for record in records(shard))


def digests(folder: Path) -> dict[str, str]:
    """Returns what lies below a folder, files with their digests."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def shard_of(source: Any, out: Path, **options: Any) -> Path:
    """Makes one shard."""
    report = make_shards(source, out, 1, progress=False, **options)
    assert check_shards(out, images="all").problems.shown == []
    return report.shards[0].path


def refusal(source: Any, out: Path, **options: Any) -> str:
    """Returns what is said of a source; nothing must have been written."""
    with pytest.raises(ShardError) as caught:
        make_shards(source, out, 1, progress=False, **options)
    assert not out.exists()
    return str(caught.value)


def made(source: Any, out: Path, *options: Any, **named: Any) -> list[Path]:
    """Makes shards, in which a check of every image must find nothing, and returns them."""
    report = make_shards(source, out, *options, progress=False, **named)
    checked = check_shards(out, manifest_required=report.samples > 0, images="all")
    assert checked.problems.shown == report.problems.shown == []
    assert [shard.sha256 for shard in checked.shards] == [shard.sha256 for shard in report.shards]
    return [shard.path for shard in report.shards]
