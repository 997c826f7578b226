"""What makes a zip unsafe to unpack, told from its directory alone, before anything is read or written."""

from __future__ import annotations

import os
import re
import stat
import unicodedata
import zipfile
from collections.abc import Iterable, Sequence

from .problems import Problems

# A shard of as many images takes 450 MB of memory and some ten seconds to check.
MAX_MEMBERS = 500_000
MAX_BYTES = 1 << 40
# Tables of text become 20 times smaller, and masks, of which a shard may have some beside its images, hundreds of times; so the
# whole is looked at, and not each member. A bomb has a ratio near 1,000; and no more is written than the disk has room for.
MAX_RATIO = 100
# Below this a high ratio does no harm: a shard of some empty masks is not a bomb.
_HARMLESS_BYTES = 16 << 20
_MAX_NAME_BYTES = 1_000
_MAX_DEPTH = 32
_LOCAL_HEADER_BYTES = 30
_ENCRYPTED = 0x2041
# Of the others zipfile unpacks as much at once as they say: 342 bytes of bzip2 take 500 MB of memory.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_DRIVE = re.compile(r"[A-Za-z]:")


def is_of_macos(name: str) -> bool:
    """Whether a member is one that macOS puts into zips and folders unasked: nobody's data."""
    *folders, last = name.split("/")
    return "__MACOSX" in folders or last == ".DS_Store" or last.startswith("._")


def find_problems(archive: zipfile.ZipFile, problems: Problems) -> None:
    """Notes what makes a zip unsafe to unpack, from its directory alone."""
    members = archive.infolist()
    if len(members) > MAX_MEMBERS:
        problems.add(f"it has {len(members):,} members; at most {MAX_MEMBERS:,} are unpacked")
        return
    sound = []
    for member in members:
        problem = _name_problem(member) or _kind_problem(member)
        if problem:
            problems.add(f"member {member.orig_filename[:200]!r} {problem}")
        else:
            sound.append(member.orig_filename)
    _find_clashes(sound, problems)
    _find_overlaps(archive, members, problems)
    _check_size(archive, members, problems)


def _name_problem(member: zipfile.ZipInfo) -> str | None:
    name = member.orig_filename
    if name.count("/") > _MAX_DEPTH or len(name.encode(errors="replace")) > _MAX_NAME_BYTES:
        return f"has a name of more than {_MAX_DEPTH} folders or {_MAX_NAME_BYTES:,} bytes"
    parts = name.removesuffix("/").split("/")
    if name.startswith("/") or _DRIVE.match(name) or ".." in parts:
        return "would be written outside the folder"
    if "\\" in name:
        return "has a backslash in its name"
    if any(ord(char) < 32 or ord(char) == 127 for char in name):
        return "has a control character in its name"
    if "" in parts or "." in parts or any(len(part.encode(errors="replace")) > 255 for part in parts):
        return "has a part in its name that is empty, a dot or too long"
    if member.filename != name:
        return f"has a second name, {member.filename[:200]!r}"
    return None


def _kind_problem(member: zipfile.ZipInfo) -> str | None:
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR) or (kind == stat.S_IFDIR) > member.is_dir():
        return "is a link or another special file"
    if member.flag_bits & _ENCRYPTED:
        return "is encrypted"
    if member.compress_type not in _METHODS:
        return f"is compressed in a way that is not read here (method {member.compress_type}); only stored and deflated are"
    if member.is_dir() and member.file_size:
        return "is a folder with content of its own"
    if member.compress_type == zipfile.ZIP_STORED and member.compress_size != member.file_size:
        return f"is stored as it is, but has two sizes, {member.file_size:,} and {member.compress_size:,} bytes"
    return None


def _find_clashes(names: Iterable[str], problems: Problems) -> None:
    # Some file systems do not tell A from a, nor the two ways to write é.
    seen, files, folders = set[str](), set[str](), set[str]()
    for name in names:
        folded = unicodedata.normalize("NFD", unicodedata.normalize("NFD", name).casefold())
        if (bare := folded.removesuffix("/")) in seen:
            problems.add(f"member {name[:200]!r} is there twice, perhaps in capitals or with other accents")
        seen.add(bare)
        if folded == bare:
            files.add(bare)
        folder = folded.rpartition("/")[0]
        while folder and folder not in folders:
            folders.add(folder)
            folder = folder.rpartition("/")[0]
        if len(folders) > MAX_MEMBERS:
            problems.add(f"its names make more than {MAX_MEMBERS:,} folders, which is the most that are made")
            return
    for both in sorted(files & folders):
        problems.add(f"{both[:200]!r} is a file and a folder at once")


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
