"""The folder where shards are to lie: what may be replaced in it, and that nothing half-written is ever left there."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ...errors import ShardError
from .pack import is_made_here

TEST = Path("test", "test.zip")
# Hidden, so that nothing in it is taken for a shard.
_UNFINISHED = ".making"


def old_shards(folder: Path, sources: Collection[Path], with_test: bool) -> list[Path]:
    """Returns the zips in a folder that new shards replace: all of them, for every zip there would be a site's.

    Args:
        folder: The folder; it need not exist.
        sources: Zips that the new shards are made of.
        with_test: Whether there is to be a test set.

    Raises:
        ShardError: somebody else put them there, or the new ones are made of them.
    """
    try:
        if not folder.exists():
            return []
        if not folder.is_dir():
            raise ShardError(f"{folder} is a file.", "Choose a folder for the shards.")
        shards = [path for path in folder.iterdir() if path.suffix.lower() == ".zip" and not path.name.startswith(".")]
        test = [folder / TEST] if (folder / TEST).exists() else []
        foreign = sorted(path.name for path in shards if not is_made_here(path))
        foreign_test = [str(TEST) for path in test if not is_made_here(path)]
    except OSError as error:
        raise ShardError(f"{error.filename or folder} cannot be read: {error.strerror}.", "Check its permissions.") from None
    if with_test:
        foreign += foreign_test
    if foreign:
        more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
        raise ShardError(
            f"There are zips in {folder} that make_shards did not make: {foreign[0]}{more}. Each would be the shard of a site.",
            "Choose another folder, or move them away.",
        )
    if {path.resolve() for path in (*shards, *test)} & {path.resolve() for path in sources}:
        raise ShardError(f"The new shards would replace those in {folder} that they are made of.", "Choose another folder.")
    return [*shards, *(test if not foreign_test else [])]


def check_room(folder: Path, needed: int) -> None:
    """Refuses what the disk has no room for.

    Raises:
        ShardError: see there.
    """
    free = shutil.disk_usage(existing_part(folder)).free
    if needed > free:
        raise ShardError(f"The shards need {needed:,} bytes, and {folder} has room for {free:,}.", "Make room on the disk.")


def existing_part(folder: Path) -> Path:
    """Returns the folder, or the nearest above it that exists."""
    return next(one for one in (folder, *folder.absolute().parents) if one.is_dir())


@contextmanager
def replacing(folder: Path, old: Collection[Path]) -> Iterator[Path]:
    """Yields an empty folder for new shards; when it is full, they take the place of the old ones. Else all is as it was.

    Raises:
        ShardError: the disk fails.
    """
    was_there, unfinished = folder.exists(), folder / _UNFINISHED
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(unfinished, ignore_errors=True)  # of a make that was killed
        unfinished.mkdir()
        yield unfinished
        # Should this be cut short, shards are missing; the other way round, samples would be at two sites.
        for path in old:
            path.unlink()
            if path.parent != folder:
                with suppress(OSError):
                    path.parent.rmdir()  # if nothing else is in it
        for path in sorted(unfinished.rglob("*.zip")):
            target = folder / path.relative_to(unfinished)
            target.parent.mkdir(exist_ok=True)
            path.replace(target)
    except OSError as error:
        reason = f"{error.filename or folder}: {error.strerror or error}"
        raise ShardError(f"The shards cannot be written: {reason}.", "Check the disk and its permissions.") from None
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
        if not was_there:
            with suppress(OSError):
                folder.rmdir()
