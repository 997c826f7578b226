"""What of a project folder stays at home: what .scaleoutignore lists, by the rules of gitignore, and what is never code."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from pathspec import GitIgnoreSpec, RegexPattern

from ...errors import ProjectError
from ...units import size

IGNORE_FILE = ".scaleoutignore"

# Folders of tools, and what they leave behind; nobody's client code is in there.
_NEVER = ("__pycache__/", "*.pyc", ".git/", ".hg/", ".svn/", ".ipynb_checkpoints/", ".scaleout/", ".DS_Store")
# A virtual environment has this file; Scaleout's guide has people make one inside of the project.
_OF_ENVIRONMENT = "pyvenv.cfg"
_MOST_BYTES = 100_000
# Python's `re` tries all ways to share a name out among the stars of a pattern: with more, one long name takes minutes.
_MOST_STARS = 4
_STARS = re.compile(r"\*+")


class Ignored:
    """Says what stays at home.

    Args:
        folder: The project's folder.

    Raises:
        ProjectError: .scaleoutignore cannot be read, or has a line that is no pattern.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # Of several lines the last one counts.
        self._patterns = tuple(reversed(_compiled(folder, ignore_lines(folder))))

    def file(self, path: PurePosixPath) -> bool:
        """Whether the file at `path`, relative to the project's folder, stays at home; the folders around it do not."""
        return self._match(path.as_posix())

    def folder(self, path: PurePosixPath) -> bool:
        """Whether the folder at `path` stays at home with all that is in it, whatever later lines say of that."""
        return self._match(f"{path.as_posix()}/") or (self._folder / path / _OF_ENVIRONMENT).is_file()

    def _match(self, path: str) -> bool:
        return next((bool(pattern.include) for pattern in self._patterns if _is_about(pattern, path)), False)


def ignore_lines(folder: Path) -> list[str]:
    """Returns the lines of a folder's .scaleoutignore; none if it has no such file. Raises `ProjectError`: it cannot be read."""
    file = folder / IGNORE_FILE
    if file.exists() and not file.is_file():
        raise ProjectError(f"{file} is no ordinary file", "It is a text file, with one pattern on a line.")
    try:
        with file.open("rb") as opened:
            data = opened.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            hint = f"At most {size(_MOST_BYTES)} are read; a line such as data/ keeps a whole folder at home."
            raise ProjectError(f"{file} is too big for a list of patterns", hint)
        return data.decode("utf-8-sig").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise ProjectError(f"{file} cannot be read: {error}", "It is a text file in UTF-8, with one pattern on a line.") from None


def only_shipped_here(folder: Path, paths: Iterable[str]) -> dict[str, str]:
    """Returns which of the paths Scaleout's own command would leave out of a package, each with the line that does it.

    Scaleout reads .scaleoutignore by the rules of a shell, in which `*` also stands for the `/` between folders: what
    `data/*.csv` keeps at home there may ship here. Who writes a line with `!` knows which rules are meant.
    """
    patterns = [line.strip() for line in ignore_lines(folder) if line.strip() and not line.startswith("#")]
    if any(pattern.startswith("!") for pattern in patterns):
        return {}
    found = ((path, _left_out_by(PurePosixPath(path), patterns)) for path in paths)
    return {path: pattern for path, pattern in found if pattern}


def _left_out_by(path: PurePosixPath, patterns: Sequence[str]) -> str | None:
    for part in (path, *path.parents[:-1]):
        for pattern in patterns:
            if fnmatch.fnmatch(part.as_posix(), pattern) or fnmatch.fnmatch(part.name, pattern):
                return pattern
    return None


def _is_about(pattern: RegexPattern, path: str) -> bool:
    """Whether a line is about a path itself. One about a folder around it has had its say: "!lib" brings back no lib/data."""
    found = pattern.regex.search(path) if pattern.regex else None
    # The group is the "/" that ends the name of the folder that was found.
    return found is not None and all(found.start(group) in (-1, len(path) - 1) for group in range(1, found.re.groups + 1))


def _compiled(folder: Path, lines: Sequence[str]) -> list[RegexPattern]:
    for number, line in enumerate(lines, 1):
        try:
            GitIgnoreSpec.from_lines([line])
        except ValueError:
            hint = "Write it as in a .gitignore; a ! or # that begins a name, and a space that ends one, need a \\ before them."
            raise ProjectError(f"{folder / IGNORE_FILE}, line {number}: {line!r} is no pattern", hint) from None
        if not line.startswith("#") and _most_stars(line) > _MOST_STARS:
            raise ProjectError(
                f"{folder / IGNORE_FILE}, line {number}: {line!r:.60} has more than {_MOST_STARS} stars",
                "Write several lines that say less each.",
            )
    return [pattern for pattern in GitIgnoreSpec.from_lines([*_NEVER, *lines]).patterns if isinstance(pattern, RegexPattern)]


def _most_stars(line: str) -> int:
    """How many stars share one name out among them, or, if those are more, how many `**` a path."""
    parts = line.strip().split("/")
    return max(parts.count("**"), *(len(_STARS.findall(part)) for part in parts))
