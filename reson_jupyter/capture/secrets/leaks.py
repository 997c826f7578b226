"""What of the files that are about to ship must not, or perhaps should not: said by cell and line, never by value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from ...source_map import SourceMap
from .scan import scan_files

HINT = (
    "Take it out of what ships; a site gets secrets from its own environment: os.environ['NAME'] where it is needed. "
    "What was ever saved in a notebook is best replaced by a new one."
)


@dataclass(frozen=True)
class Leaks:
    """Sentences about what was found: secrets, which must not ship, and what merely tells of this machine or its user."""

    secrets: tuple[str, ...]
    warnings: tuple[str, ...]


def find_leaks(files: Mapping[str, bytes], sources: Mapping[str, SourceMap]) -> Leaks:
    """Scans files that are about to ship.

    Args:
        files: Their contents by name; a folder before the name says nothing.
        sources: Where lines of scripts come from, by name without folder.
    """
    found: dict[bool, list[str]] = {True: [], False: []}
    for key, finding in scan_files(files):
        name = PurePosixPath(key).name
        place = sources[name].place(finding.line) if name in sources else None
        cell, line = place or (key, finding.line)
        found[finding.blocks].append(f"{cell}, line {line}: {finding.kind}")
    return Leaks(*(tuple(dict.fromkeys(sentences)) for sentences in (found[True], found[False])))
