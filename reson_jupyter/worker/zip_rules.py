"""What makes a zip unsafe to unpack, told from its directory alone, before anything is read or written.

This file travels to the sites below the executor's module, ours or a user's. So that neither disturbs the other, every name at
its top level starts with `_reson_`, and it uses no builtin that `from torch import *` replaces. The package reads zips by it, as
well.
"""

import builtins as _reson_py
import os as _reson_os
import re as _reson_re
import stat as _reson_stat
import unicodedata as _reson_unicodedata
import zipfile as _reson_zipfile
from collections.abc import Callable as _reson_Callable

_reson_Say = _reson_Callable[[str], None]

# A shard of as many images takes 450 MB of memory and some ten seconds to check.
_reson_MAX_MEMBERS = 500_000
_reson_MAX_BYTES = 1 << 40
# Tables of text become 20 times smaller, and masks, of which a shard may have some beside its images, hundreds of times; so the
# whole is looked at, and not each member. A bomb has a ratio near 1,000; and no more is written than the disk has room for.
_reson_MAX_RATIO = 100
# Below this a high ratio does no harm: a shard of some empty masks is not a bomb.
_reson_HARMLESS_BYTES = 16 << 20
_reson_MAX_NAME_BYTES = 1_000
_reson_MAX_DEPTH = 32
_reson_LOCAL_HEADER_BYTES = 30
_reson_ENCRYPTED = 0x2041
# Of the others zipfile unpacks as much at once as they say: 342 bytes of bzip2 take 500 MB of memory.
_reson_METHODS = (_reson_zipfile.ZIP_STORED, _reson_zipfile.ZIP_DEFLATED)
_reson_DRIVE = _reson_re.compile(r"[A-Za-z]:")


def _reson_is_of_macos(name: str) -> "bool":
    """Whether a member is one that macOS puts into zips and folders unasked: nobody's data."""
    *folders, last = name.split("/")
    return "__MACOSX" in folders or last == ".DS_Store" or last.startswith("._")


def _reson_find_problems(archive: _reson_zipfile.ZipFile, say: _reson_Say) -> None:
    """Says, by sentences, what makes a zip unsafe to unpack, from its directory alone."""
    members = archive.infolist()
    if len(members) > _reson_MAX_MEMBERS:
        say(f"it has {len(members):,} members; at most {_reson_MAX_MEMBERS:,} are unpacked")
        return
    sound = []
    for member in members:
        problem = _reson_name_problem(member) or _reson_kind_problem(member)
        if problem:
            say(f"member {member.orig_filename[:200]!r} {problem}")
        else:
            sound.append(member.orig_filename)
    _reson_find_clashes(sound, say)
    _reson_find_overlaps(archive, members, say)
    _reson_check_size(archive, members, say)


def _reson_name_problem(member: _reson_zipfile.ZipInfo) -> "str | None":
    name = member.orig_filename
    if name.count("/") > _reson_MAX_DEPTH or len(name.encode(errors="replace")) > _reson_MAX_NAME_BYTES:
        return f"has a name of more than {_reson_MAX_DEPTH} folders or {_reson_MAX_NAME_BYTES:,} bytes"
    parts = name.removesuffix("/").split("/")
    if name.startswith("/") or _reson_DRIVE.match(name) or ".." in parts:
        return "would be written outside the folder"
    if "\\" in name:
        return "has a backslash in its name"
    if _reson_py.any(ord(char) < 32 or ord(char) == 127 for char in name):
        return "has a control character in its name"
    if "" in parts or "." in parts or _reson_py.any(len(part.encode(errors="replace")) > 255 for part in parts):
        return "has a part in its name that is empty, a dot or too long"
    if member.filename != name:
        return f"has a second name, {member.filename[:200]!r}"
    return None


def _reson_kind_problem(member: _reson_zipfile.ZipInfo) -> "str | None":
    kind = _reson_stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, _reson_stat.S_IFREG, _reson_stat.S_IFDIR) or (kind == _reson_stat.S_IFDIR) > member.is_dir():
        return "is a link or another special file"
    if member.flag_bits & _reson_ENCRYPTED:
        return "is encrypted"
    if member.compress_type not in _reson_METHODS:
        return f"is compressed in a way that is not read here (method {member.compress_type}); only stored and deflated are"
    if member.is_dir() and member.file_size:
        return "is a folder with content of its own"
    if member.compress_type == _reson_zipfile.ZIP_STORED and member.compress_size != member.file_size:
        return f"is stored as it is, but has two sizes, {member.file_size:,} and {member.compress_size:,} bytes"
    return None


def _reson_find_clashes(names: list[str], say: _reson_Say) -> None:
    # Some file systems do not tell A from a, nor the two ways to write é.
    seen, files, folders = set[str](), set[str](), set[str]()
    for name in names:
        folded = _reson_unicodedata.normalize("NFD", _reson_unicodedata.normalize("NFD", name).casefold())
        if (bare := folded.removesuffix("/")) in seen:
            say(f"member {name[:200]!r} is there twice, perhaps in capitals or with other accents")
        seen.add(bare)
        if folded == bare:
            files.add(bare)
        folder = folded.rpartition("/")[0]
        while folder and folder not in folders:
            folders.add(folder)
            folder = folder.rpartition("/")[0]
        if len(folders) > _reson_MAX_MEMBERS:
            say(f"its names make more than {_reson_MAX_MEMBERS:,} folders, which is the most that are made")
            return
    for both in sorted(files & folders):
        say(f"{both[:200]!r} is a file and a folder at once")


def _reson_find_overlaps(archive: _reson_zipfile.ZipFile, members: list[_reson_zipfile.ZipInfo], say: _reson_Say) -> None:
    """Members that share bytes turn some kilobytes into terabytes (CVE-2024-0450); zipfile notices only since 3.11.8."""
    ordered = sorted(members, key=lambda member: member.header_offset)
    starts = [member.header_offset for member in ordered[1:]]
    for member, end in zip(ordered, [*starts, archive.start_dir], strict=_reson_py.bool(ordered)):
        least = member.header_offset + _reson_LOCAL_HEADER_BYTES + len(member.orig_filename) + member.compress_size
        if member.header_offset < 0 or least > end:
            say(f"member {member.orig_filename[:200]!r} shares its bytes with another one")


def _reson_check_size(archive: _reson_zipfile.ZipFile, members: list[_reson_zipfile.ZipInfo], say: _reson_Say) -> None:
    total = _reson_py.sum(member.file_size for member in members)
    packed = _reson_os.fstat(archive.fp.fileno()).st_size if archive.fp else 0
    if total > _reson_MAX_BYTES:
        say(f"it would unpack to {total:,} bytes; at most {_reson_MAX_BYTES:,} are unpacked")
    elif total > _reson_py.max(_reson_MAX_RATIO * packed, _reson_HARMLESS_BYTES):
        say(f"its {packed:,} bytes would unpack to {total:,}, more than {_reson_MAX_RATIO} times as much")
