"""Zips that nobody should unpack, each with what is said of it."""

from __future__ import annotations

import bz2
import random
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


def all_directory(path: Path) -> None:
    """More entries than are taken into memory, in a directory of allowed size; the end record says it is one."""
    directory = struct.pack("<4s4B4H3L5H2L", b"PK\1\2", 20, 0, 20, 0, *[0] * 7, 4, *[0] * 6) + b"name"
    size = len(directory) * 600_000
    with path.open("wb") as file:
        file.write(directory * 600_000)
        file.write(struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1, 1, size, 0, 0))


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
    "all directory": (all_directory, "has more than 500,000 members"),
    "deep": (deep, "more than 32 folders"),
}


# Manifests that would take minutes or gigabytes to read whole, each with what is said of it.


def blank_lines() -> bytes:
    return random.Random(0).randbytes(24 << 20).translate(b" \t\n " * 64)


def numbers() -> bytes:
    return random.Random(0).randbytes(8 << 20).hex("\n").encode()


def deflated_lines(path: Path) -> None:
    """256 MB of blank lines in 260 kB, beside a file that makes the whole look harmless."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(b"  \n" * (1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    data, pad = block * 85 + packer.flush(), random.Random(0).randbytes(4 << 20)
    write_zip(path, {"manifest.ndjson": data, "a": pad})
    patched(path, 10, struct.pack("<H", zipfile.ZIP_DEFLATED))
    patched(path, 24, struct.pack("<I", 85 * (3 << 20)))


def with_manifest(lines: Callable[[], bytes]) -> Callable[[Path], object]:
    return lambda path: write_zip(path, {"manifest.ndjson": lines(), "a": b"x"})


EVIL_MANIFESTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "deflated": (deflated_lines, "more than 200 times as much"),
    "blank lines": (with_manifest(blank_lines), "lines up to here are blank; the rest was not looked at"),
    "bad lines": (with_manifest(numbers), "line 1000 is the 1,000th bad one; the rest was not looked at"),
    "the same line": (with_manifest(lambda: GOOD["manifest.ndjson"] * 1_000_000), "line 1001 is the 1,000th bad one"),
    "one line": (with_manifest(lambda: b"[" + b"[]," * (8 << 20) + b"[]]"), "line 1 has more than 1,048,576 bytes"),
}
