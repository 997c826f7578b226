"""A project that a site has itself: where it is, and whether it is the one that a run was submitted with."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

_VARIABLE = "RESON_PROJECT"
_SHOWN = 5
_SITE_FILE = Path("local", "reson.json")


class BadProject(Exception):
    """A project that cannot be run at this site; the message says why, and what its administrator can do."""

    says_all = True  # to the site's preparation: nothing of the exception but its message is for people


def local_folder(files: Mapping[str, str], workspace: Path) -> Path:
    """Returns the folder where this site has a project.

    Args:
        files: The SHA-256 of each file of the project, as hex, by its path in the folder. What else is in the folder, such as
            data and environments, is the site's own affair.
        workspace: NVFlare's workspace at this site, which may have a file that says where the project is.

    Raises:
        BadProject: the site does not say where it is, or it is another one.
    """
    folder, said = _set_folder(workspace / _SITE_FILE)
    place = Path(folder).expanduser()
    if not place.is_absolute() or not place.is_dir():
        raise BadProject(f"{said} says that the project is in {folder!r}, which is no folder of this site")
    if differences := list(_differences(place, files)):
        more = len(differences) - _SHOWN
        named = ", ".join(differences[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
        raise BadProject(
            f"the project in {place} is not the one that this run was submitted with: {named}; "
            "bring the folder up to date, or submit the run with the project as it is here"
        )
    return place


def linked(folder: Path, link: Path) -> Path:
    """Returns a link to the folder beside the job's scripts: so tracebacks call its files as those of a project that shipped."""
    with contextlib.suppress(OSError):  # such as on a system that lets nobody make links; then the folder will do
        if link.is_symlink():  # of this run's process before this one
            link.unlink()
        link.symlink_to(folder, target_is_directory=True)
        return link
    return folder


def _set_folder(path: Path) -> tuple[str, str]:
    """The folder that the site has set, and where that is said."""
    if folder := os.environ.get(_VARIABLE, ""):
        return folder, _VARIABLE
    try:
        content = json.loads(path.read_text("utf-8-sig"))
        set_here = content.get("project") if isinstance(content, dict) else None
    except FileNotFoundError:
        set_here = None
    except (OSError, ValueError, RecursionError) as error:
        raise BadProject(f"{path} cannot be read: {type(error).__name__}") from None
    if not set_here or not isinstance(set_here, str):
        raise BadProject(
            "this run's project does not travel, every site has it itself, and this site does not say where: "
            f'set {_VARIABLE} there, or write {{"project": "/path/to/client"}} to local/reson.json of its workspace'
        )
    return set_here, str(path)


def _differences(folder: Path, files: Mapping[str, str]) -> Iterator[str]:
    """What of the files is missing or other than it should be, in words."""
    for name, digest in sorted(files.items()):
        try:
            found = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        except FileNotFoundError:
            yield f"{name} is missing"
        except OSError as error:
            yield f"{name} cannot be read ({error.strerror})"
        else:
            if found != digest:
                yield f"{name} differs"
