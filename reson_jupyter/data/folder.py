"""The folder of the shards: what in it is a shard, and what was perhaps meant to be one."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path

from ..errors import ShardError
from .classes import SUFFIXES

TEST = Path("test", "test.zip")
# Where make_shards keeps the old shards until all of the new ones are in their place.
REPLACED = Path(".making", "old")
_EXPECTED = "Put one zip per site there, such as shard_0.zip and shard_1.zip, each with manifest.ndjson at its root."
_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".7z", ".rar")
_SHOWN = 5


def find_shards(folder: Path) -> list[Path]:
    """Returns the shards in `folder`: *.zip in any capitals, not hidden ones, in the order of their names.

    The order is that of the platform, character by character: shard_10.zip comes before shard_2.zip.

    Raises:
        ShardError: there is no such folder, no shard in it, or not all of those that are to be in it.
    """
    if folder.is_file() and _is_zip(folder.name):
        hint = f"Pass the folder that it lies in, {folder.parent}; every zip in it is the shard of one site."
        raise ShardError(f"{folder} is one shard, not a folder of shards.", hint)
    if not folder.is_dir():
        raise ShardError(f"The shards folder {folder} does not exist or is no folder.", _EXPECTED)
    refuse_unfinished(folder)
    try:
        shards = sorted((path for path in folder.iterdir() if _is_zip(path.name) and path.is_file()), key=lambda path: path.name)
        if shards:
            return shards
        classes = [path.name for path in _visible(folder) if _has_images(path)]
    except OSError as error:
        raise ShardError(f"The shards folder {folder} cannot be read: {error.strerror}.", "Check its permissions.") from None
    if classes:
        raise ShardError(
            f"There is no shard in {folder}, but folders of images: {shortened(classes)}.",
            f"Make shards of them: %reson shards make {shlex.quote(str(folder))} --out DIR --sites 3",
        )
    meant = "".join(f"\n  - {line}" for line in stray_warnings(folder))
    raise ShardError(f"There is no shard in {folder}.{meant}", _EXPECTED)


def refuse_unfinished(folder: Path) -> None:
    """Refuses a folder in which some shards are old and some are new, or some are missing.

    Raises:
        ShardError: it is such a folder.
    """
    if (folder / REPLACED).exists():
        raise ShardError(
            f"The shards in {folder} are not all there: make_shards was cut short while it replaced them, or is about to.",
            "If none is at work, run it again: it puts the old ones back before it begins.",
        )


def stray_warnings(folder: Path, manifest_file: str = "manifest.ndjson") -> list[str]:
    """Returns what lies in the folder, is no shard and looks as if it were meant to be one; hidden files do not."""
    try:
        found = _visible(folder)
        archives = [path.name for path in found if _is_other_archive(path)]
        folders = [
            f"{path.name}/" for path in found if path.is_dir() and (_is_zip(path.name) or (path / manifest_file).is_file())
        ]
    except OSError:
        return []
    warnings = []
    if archives:
        warnings.append(f"not read, because shards are *.zip only: {shortened(archives)}")
    if folders:
        warnings.append(f"not read, because shards are zips and no folders (zip their content): {shortened(folders)}")
    return warnings


def shortened(names: Iterable[str]) -> str:
    """Returns some names in words, and how many more there are."""
    found = list(names)
    more = [f"and {len(found) - _SHOWN:,} more"] if len(found) > _SHOWN else []
    return ", ".join([*found[:_SHOWN], *more])


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _is_zip(name: str) -> bool:
    return name.lower().endswith(".zip") and not name.startswith(".")


def _is_other_archive(path: Path) -> bool:
    name = path.name.lower()
    return (name.endswith(_ARCHIVES) or (".zip" in name and not name.endswith(".zip"))) and path.is_file()


def _has_images(path: Path) -> bool:
    return path.is_dir() and any(file.name.lower().endswith(SUFFIXES) for file in path.iterdir())
