"""Unpacking a shard whose zip nobody vouches for: every name, size and place is checked before anything is written."""

from __future__ import annotations

import lzma
import os
import re
import shutil
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

from ..errors import ShardError
from .problems import Problems

MAX_MEMBERS = 2_000_000
MAX_BYTES = 1 << 40
MAX_RATIO = 100
# Below this a high ratio does no harm: a shard of some empty masks is not a bomb.
_HARMLESS_BYTES = 16 << 20
_LOCAL_HEADER_BYTES = 30
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_CHUNK = 1 << 20
_DRIVE = re.compile(r"[A-Za-z]:")
# What zipfile raises for bytes that are not what the zip's directory says.
ZIP_ERRORS = (zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, ValueError)
_HINT = "Make the shard again, with a tool that writes plain zips."


def unpack_shard(zip_path: Path, dest: Path) -> None:
    """Unpacks a shard into `dest`, which must not exist or be empty. On any failure nothing is left there.

    Raises:
        ShardError: the zip is damaged or not safe to unpack, or the disk is too small.
    """
    name = zip_path.name
    try:
        if dest.exists() and any(dest.iterdir()):
            raise ShardError(f"{dest} is not empty, so {name} cannot be unpacked there.", "Choose an empty folder.")
        with open_zip(zip_path) as archive:
            problems = Problems()
            find_problems(archive, problems)
            problems.raise_if_any(f"{name} is not safe to unpack", _HINT)
            _check_room(archive, dest, name)
            try:
                dest.mkdir(parents=True, exist_ok=True)
                _write_members(archive, dest)
            except BaseException:
                shutil.rmtree(dest, ignore_errors=True)
                raise
    except ZIP_ERRORS as error:
        raise ShardError(f"{name} cannot be unpacked: {error}.", _HINT) from None
    except OSError as error:
        raise ShardError(f"{name} cannot be unpacked: {error.strerror or error}.", "Check the disk and permissions.") from None


def open_zip(path: Path) -> zipfile.ZipFile:
    """Opens a zip; `find_problems` then tells whether it is safe to read.

    Raises:
        ShardError: it is no zip, or cannot be read.
    """
    try:
        return zipfile.ZipFile(path)
    except ZIP_ERRORS as error:
        reason = error if path.stat().st_size else "it is empty"
        raise ShardError(f"{path.name} is not a zip file: {reason}.", _HINT) from None
    except OSError as error:
        raise ShardError(f"{path} cannot be read: {error.strerror or error}.", "Check the path and its permissions.") from None


def find_problems(archive: zipfile.ZipFile, problems: Problems) -> None:
    """Notes what makes a zip unsafe to unpack, from its directory alone."""
    members = archive.infolist()
    if len(members) > MAX_MEMBERS:
        problems.add(f"it has {len(members):,} members; at most {MAX_MEMBERS:,} are unpacked")
        return
    for member in members:
        problem = _name_problem(member.orig_filename) or _kind_problem(member)
        if problem:
            problems.add(f"member {member.orig_filename[:200]!r} {problem}")
    _find_clashes(members, problems)
    _find_overlaps(archive, members, problems)
    _check_size(archive, members, problems)


def _name_problem(name: str) -> str | None:
    parts = name.removesuffix("/").split("/")
    if name.startswith("/") or _DRIVE.match(name) or ".." in parts:
        return "would be written outside the folder"
    if "\\" in name:
        return "has a backslash in its name"
    if any(ord(char) < 32 or ord(char) == 127 for char in name):
        return "has a control character in its name"
    if "" in parts or "." in parts or any(len(part.encode(errors="replace")) > 255 for part in parts):
        return "has a part in its name that is empty, a dot or too long"
    return None


def _kind_problem(member: zipfile.ZipInfo) -> str | None:
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR) or (kind == stat.S_IFDIR) > member.is_dir():
        return "is a link or another special file"
    if member.flag_bits & 0x41:
        return "is encrypted"
    if member.compress_type not in _METHODS:
        return f"is compressed in a way that is not known here (method {member.compress_type})"
    if member.is_dir() and member.file_size:
        return "is a folder with content of its own"
    return None


def _find_clashes(members: Sequence[zipfile.ZipInfo], problems: Problems) -> None:
    # Some file systems do not tell A from a, nor the two ways to write é.
    folded = [unicodedata.normalize("NFC", member.orig_filename).casefold() for member in members]
    seen: set[str] = set()
    for member, name in zip(members, folded, strict=True):
        if name.removesuffix("/") in seen:
            problems.add(f"member {member.orig_filename[:200]!r} is there twice, perhaps in capitals or with other accents")
        seen.add(name.removesuffix("/"))
    files = {name for name in folded if not name.endswith("/")}
    for parent in sorted({name.rpartition("/")[0] for name in folded}):
        parts = parent.split("/")
        if any("/".join(parts[: count + 1]) in files for count in range(len(parts))):
            problems.add(f"{parent[:200]!r} is a file and a folder at once")


def _find_overlaps(archive: zipfile.ZipFile, members: Sequence[zipfile.ZipInfo], problems: Problems) -> None:
    """Members that share bytes turn some kilobytes into terabytes (CVE-2024-0450); zipfile notices only since 3.11.8."""
    ordered = sorted(members, key=lambda member: member.header_offset)
    starts = [member.header_offset for member in ordered[1:]]
    for member, end in zip(ordered, [*starts, archive.start_dir], strict=bool(ordered)):
        least = member.header_offset + _LOCAL_HEADER_BYTES + len(member.orig_filename) + member.compress_size
        if member.header_offset < 0 or least > end:
            problems.add(f"member {member.orig_filename[:200]!r} shares its bytes with another one")


def _check_size(archive: zipfile.ZipFile, members: Sequence[zipfile.ZipInfo], problems: Problems) -> None:
    total = sum(member.file_size for member in members)
    packed = os.fstat(archive.fp.fileno()).st_size if archive.fp else 0
    if total > MAX_BYTES:
        problems.add(f"it would unpack to {total:,} bytes; at most {MAX_BYTES:,} are unpacked")
    elif total > max(MAX_RATIO * packed, _HARMLESS_BYTES):
        problems.add(f"its {packed:,} bytes would unpack to {total:,}, more than {MAX_RATIO} times as much")


def _check_room(archive: zipfile.ZipFile, dest: Path, name: str) -> None:
    existing = next(folder for folder in (dest, *dest.absolute().parents) if folder.exists())
    total, free = sum(member.file_size for member in archive.infolist()), shutil.disk_usage(existing).free
    if total > free:
        raise ShardError(f"{name} unpacks to {total:,} bytes, and {existing} has room for {free:,}.", "Make room on the disk.")


def _write_members(archive: zipfile.ZipFile, dest: Path) -> None:
    for member in archive.infolist():
        target = dest / member.orig_filename
        if member.is_dir():
            target.mkdir(parents=True, exist_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        # "x": a file that is already there, on a file system with rules of its own, is never written through.
        with archive.open(member) as source, target.open("xb") as file:
            while chunk := source.read(_CHUNK):
                file.write(chunk)
