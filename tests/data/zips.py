"""Zips for tests, good and bad."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any


def manifest(*labels: Any, start: int = 0) -> bytes:
    """Returns a manifest whose samples have these labels and name images/0.png and so on."""
    lines = [{"id": f"s{n}", "uri": f"file://images/{n}.png", "y": y} for n, y in enumerate(labels, start)]
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def write_zip(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    """Writes a zip with these members."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def write_shard(path: Path, *labels: Any, **extra: bytes) -> Path:
    """Writes a good shard with one image (of a few bytes) for each label."""
    images = {f"images/{n}.png": b"image %d" % n for n in range(len(labels))}
    return write_zip(path, {"manifest.ndjson": manifest(*labels), **images, **extra})


def overlapping_zip(members: int, size: int) -> bytes:
    """Returns a zip whose members all share the bytes of one compressed member (CVE-2024-0450)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", bytes(size))
        first = archive.infolist()[0]
        for number in range(1, members):
            info = zipfile.ZipInfo("a")
            info.compress_type, info.CRC, info.header_offset = zipfile.ZIP_DEFLATED, first.CRC, first.header_offset
            info.compress_size, info.file_size = first.compress_size, first.file_size
            info.external_attr, info.filename, info.orig_filename = first.external_attr, f"a{number}", f"a{number}"
            archive.filelist.append(info)
    return buffer.getvalue()


def patched(path: Path, offset_in_directory: int, value: bytes) -> Path:
    """Overwrites bytes of the first member's entry in the zip's directory."""
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02") + offset_in_directory
    data[at : at + len(value)] = value
    path.write_bytes(data)
    return path
