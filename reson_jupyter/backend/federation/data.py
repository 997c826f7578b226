"""What the sites of a federation at hand have as data: shards of a folder, or its subfolders."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from ...data.bars import bar
from ...data.classes import SUFFIXES
from ...data.digests import sha256_of
from ...data.folder import TEST, find_shards
from ...data.unpack import unpack_shard
from ...errors import ShardError
from ...paths import expanded
from ..placement import Survey, place
from ..sending import Shard
from .kits import set_data_root


def find_data(folder: str | Path) -> list[Path]:
    """Returns what the sites get: the shards of the folder, else its subfolders, in the order of their names.

    Raises:
        ShardError: there are neither, or the subfolders are classes of images.
    """
    base = expanded(folder, ShardError).resolve()
    try:
        entries = sorted(base.iterdir())
        folders = [path for path in entries if path.is_dir() and path.name[0] != "." and path.name != TEST.parent.name]
        shards = any(path.suffix.lower() == ".zip" for path in entries)
        if shards or not folders or any(_has_images(path) for path in folders):
            return find_shards(base)
    except (FileNotFoundError, NotADirectoryError):
        return find_shards(base)
    except OSError as error:
        raise ShardError(f"The folder {base} cannot be read: {error.strerror}.", "Check its permissions.") from None
    return folders


def share_out(found: Sequence[Path], folder: Path, sites: Sequence[str]) -> None:
    """Gives the sites of a federation their data: what is called as a site goes there, else it is dealt out in order.

    Shards are unpacked below the federation's folder; folders stay where they are.

    Raises:
        TargetError: there are more than sites.
        ShardError: a shard is not safe to unpack, or the disk is too small.
    """
    placed = place(Survey(tuple(sites)), [Shard(path.name, "", path) for path in found])
    paths = {site: shard.source for site, shard in placed.items() if shard and isinstance(shard.source, Path)}
    for site, path in bar(list(paths.items()), "data of the sites", unit="site"):
        set_data_root(folder / site, path if path.is_dir() else _unpacked(path, folder / "data"))


def _unpacked(shard: Path, folder: Path) -> Path:
    """Unpacks a shard, once for each content: what a run may be reading is never touched."""
    digest = sha256_of(shard)
    target = folder / digest[:16]
    if not target.exists():
        draft = folder / f"{target.name}.part"
        shutil.rmtree(draft, ignore_errors=True)
        unpack_shard(shard, draft)
        draft.rename(target)
        target.with_suffix(".sha256").write_text(digest)  # by it the decoded images are kept for the next run
    return target


def _has_images(folder: Path) -> bool:
    return any(path.name.lower().endswith(SUFFIXES) for path in folder.iterdir())
