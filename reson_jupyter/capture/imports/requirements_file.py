"""The user's own requirements file: what in it does not fit what this kernel has."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import InvalidVersion

_COMMENT = re.compile(r"(^|\s+)#.*$")
_OTHER_FILE = re.compile(r"(-r|-c|--requirement|--constraint)\b")
_EDITABLE = re.compile(r"(-e|--editable)[\s=]+")
_PATH = re.compile(r"\.{0,2}/|~|file:|[A-Za-z]:\\|[^\s@=<>;]+\.(whl|zip|tar\.gz)$")
_URL = re.compile(r"(\w+\+)?\w+://")
_NAME_IN_URL = re.compile(r"[#&]egg=([\w.-]+)|/([\w.]+?(?:-[A-Za-z_][\w.]*)*)-\d[^/]*\.(?:whl|zip|tar\.gz)")


def differences(lines: Sequence[str], needed: Iterable[str], version: Callable[[str], str | None]) -> Iterator[str]:
    """Yields a sentence for each line that a site cannot use or that this kernel does not fit, and for each missing name.

    Args:
        lines: The lines of the file.
        needed: The distributions that ships imports.
        version: The version that this kernel has of a distribution; None if it has none.
    """
    named: set[NormalizedName] = set()
    for line in _logical(lines):
        if _OTHER_FILE.match(line):
            yield f"the requirements say {line!r}, but that file does not travel with the job"
            continue
        target = _EDITABLE.sub("", line)
        if _URL.match(target) and not target.startswith("file:"):
            if found := _NAME_IN_URL.search(target):
                named.add(canonicalize_name(found[1] or found[2]))
        elif _PATH.match(target) or target != line:
            yield f"the requirements say {line!r}, which is on this machine only"
        elif not line.startswith("-"):
            yield from _about(line, named, version)
    for name in sorted(set(needed), key=str.casefold):
        if canonicalize_name(name) not in named:
            yield f"the requirements do not name {name}, which ships imports; this kernel has {name} {version(name)}"


def needed(lines: Sequence[str]) -> Iterator[str]:
    """Yields what the lines ask for as name, versions and marker, such as "numpy>=2": no addresses, which may hold passwords."""
    for line in _logical(lines):
        target = _EDITABLE.sub("", line)
        if _URL.match(target):
            if found := _NAME_IN_URL.search(target):
                yield found[1] or found[2]
        elif target == line and not line.startswith("-") and not _PATH.match(line):
            with contextlib.suppress(InvalidRequirement):
                wanted = Requirement(re.split(r"\s--", line)[0])
                marker = f"; {wanted.marker}" if wanted.marker else ""
                yield f"{wanted.name}{wanted.specifier}{marker}"


def _logical(lines: Sequence[str]) -> Iterator[str]:
    """The lines without comments, those that end in a backslash joined with the next."""
    text = re.sub(r"\\\n", " ", "\n".join(line.rstrip() for line in lines))
    for line in text.splitlines():
        if bare := _COMMENT.sub("", line).strip():
            yield bare


def _about(line: str, named: set[NormalizedName], version: Callable[[str], str | None]) -> Iterator[str]:
    try:
        wanted = Requirement(re.split(r"\s--", line)[0])
    except InvalidRequirement:
        yield f"the requirements say {line!r}, which pip cannot read"
        return
    named.add(canonicalize_name(wanted.name))
    if wanted.url and "file:" in wanted.url:
        yield f"the requirements say {line!r}, which is on this machine only"
    held = version(wanted.name)
    if held is None or wanted.url or (wanted.marker and not wanted.marker.evaluate()):
        return
    try:
        fits = wanted.specifier.contains(held, prereleases=True)
    except InvalidVersion:
        return
    if not fits:
        yield f"the requirements say {wanted.name}{wanted.specifier}, but this kernel has {wanted.name} {held}"
