"""Zips that nobody should unpack, each with what is said of it."""

from __future__ import annotations

import bz2
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from .zips import overlapping_zip, patched, write_zip

GOOD = {"manifest.ndjson": b'{"id": "1", "uri": "a", "y": 0}\n', "a": b"x"}


def holding(name: str) -> Callable[[Path], object]:
    return lambda path: write_zip(path, GOOD | {name: b"evil"})


def special(kind: int, content: str) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        info = zipfile.ZipInfo("b")
        info.external_attr = (kind | 0o777) << 16
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in GOOD.items():
                archive.writestr(name, data)
            archive.writestr(info, content)

    return write


def nul(path: Path) -> None:
    write_zip(path, GOOD | {"bXcanary": b"evil"})
    path.write_bytes(path.read_bytes().replace(b"bXcanary", b"b\0canary"))


def encrypted(path: Path) -> None:
    patched(write_zip(path, {"b": b"x", **GOOD}), 8, struct.pack("<H", 1))


def lying_and_stored(path: Path) -> None:
    patched(write_zip(path, {"b": b"x" * 1_000, **GOOD}), 24, struct.pack("<I", 10))


def lying_and_deflated(path: Path) -> None:
    """100 MB that claim to be ten bytes, in the manifest, which is read to be checked."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.ndjson", bytes(100_000_000), compresslevel=1)
        archive.writestr("a", b"x")
    patched(path, 24, struct.pack("<I", 10))


def lying_and_bzip2(path: Path) -> None:
    """A gigabyte in some hundred bytes, which claims to be ten; zipfile would unpack it all at once."""
    data = bz2.compress(bytes(50_000_000)) * 20
    write_zip(path, {"b": data, **GOOD})
    patched(path, 10, struct.pack("<H", zipfile.ZIP_BZIP2))
    patched(path, 24, struct.pack("<I", 10))


def bomb(path: Path) -> None:
    """A gigabyte of zeros."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    data = block * 1024 + packer.flush()
    write_zip(path, {"b": data, **GOOD})
    patched(path, 10, struct.pack("<H", zipfile.ZIP_DEFLATED))
    patched(path, 24, struct.pack("<I", 1 << 30))


def overlapping(path: Path) -> None:
    path.write_bytes(overlapping_zip(members=250, size=2_000_000))


def deep(path: Path) -> None:
    write_zip(path, GOOD | {f"{'b/' * 30_000}{number}/c": b"" for number in range(20)})


EVIL: dict[str, tuple[Callable[[Path], object], str]] = {
    "traversal": (holding("../canary"), "outside the folder"),
    "traversal inside": (holding("images/../../canary"), "outside the folder"),
    "another member": (holding("images/../a"), "outside the folder"),
    "absolute": (holding("/tmp/canary"), "outside the folder"),
    "drive letter": (holding("C:/canary"), "outside the folder"),
    "backslash": (holding("..\\canary"), "backslash"),
    "NUL": (nul, "control character"),
    "twice, in capitals": (holding("A"), "there twice"),
    "file and folder": (holding("a/b"), "a file and a folder at once"),
    "link": (special(stat.S_IFLNK, "../canary"), "a link"),
    "device": (special(stat.S_IFBLK, ""), "special file"),
    "encrypted": (encrypted, "is encrypted"),
    "lying and stored": (lying_and_stored, "has two sizes"),
    "lying and deflated": (lying_and_deflated, "cannot be unpacked: Bad CRC-32"),
    "lying and bzip2": (lying_and_bzip2, "compressed in a way that is not read here"),
    "bomb": (bomb, "more than 100 times as much"),
    "overlapping": (overlapping, "shares its bytes"),
    "deep": (deep, "more than 32 folders"),
}
