"""Where a federation lies, and how any kernel of this machine's user finds it again."""

from __future__ import annotations

import contextlib
import fcntl
import json
import platform
import re
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ...errors import TargetError
from ...home import folder_of_home
from ...paths import expanded

# Sockets below a folder have paths of at most 103 characters on some systems; Python's own take 36 of them below tmp.
_LONGEST = 64


@dataclass(frozen=True)
class Place:
    """Where the federation of this machine's user lies.

    Attributes:
        folder: What it consists of is below.
        sites: How many sites it has.
        complete: Whether it was started to the end.
        host: The machine whose processes it consists of; a home may be seen by several.
    """

    folder: str
    sites: int
    complete: bool = False
    host: str = field(default_factory=platform.node)

    def save(self) -> None:
        """Writes it down, in one step."""
        draft = _books() / "federation.part"
        draft.write_text(json.dumps(asdict(self)))
        draft.replace(_books() / "federation.json")


def known_place() -> Place | None:
    """Returns where the federation lies that was started last, also half, and not stopped; None if there is none.

    Raises:
        TargetError: it is one of another machine.
    """
    book = _books() / "federation.json"
    try:
        place = Place(**json.loads(book.read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None
    if place.host != platform.node():
        raise TargetError(
            f"a federation was started from this home folder on another machine, {place.host}",
            f"Stop it there. If there is no such machine any more, delete {book}",
        )
    return place


def forget_place() -> None:
    """Has it that there is no federation."""
    (_books() / "federation.json").unlink(missing_ok=True)


@contextlib.contextmanager
def only_one() -> Iterator[None]:
    """Keeps others from starting or stopping a federation meanwhile.

    Raises:
        TargetError: another is at it.
    """
    with (_books() / "lock").open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TargetError(
                "another notebook or script is starting or stopping the federation of this machine", "Wait until it is done."
            ) from None
        yield


def new_folder(chosen: str | Path | None) -> Path:
    """Makes the empty folder for a federation: the one that was chosen, else one below RESON_HOME, or a temporary one.

    The path is a short one without white space: NVFlare starts its jobs with it in a command line.

    Raises:
        TargetError: what was chosen cannot be used.
    """
    if chosen is None:
        folder = usual_folder()
        if _why_not(folder):
            base = tempfile.gettempdir()
            return Path(tempfile.mkdtemp(prefix="reson-federation-", dir="/tmp" if re.search(r"\s", base) else base)).resolve()
    else:
        folder = expanded(chosen, TargetError).resolve()
        if why := _why_not(folder):
            raise TargetError(f"the folder {folder} cannot hold a federation: {why}", "Choose another one, or none at all.")
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        empty = not any(folder.iterdir())
    except OSError as error:
        raise TargetError(f"the folder {folder} cannot be used: {error.strerror}", "Check the disk and permissions.") from None
    if not empty:
        raise TargetError(f"the folder {folder} is not empty", "Choose an empty one, or one that does not exist yet.")
    return folder


def usual_folder() -> Path:
    """Where a federation lies for which nobody chose a folder, unless NVFlare would not take the path."""
    return _books() / "nodes"


def _why_not(folder: Path) -> str:
    if re.search(r"\s", str(folder)):
        return "NVFlare takes no path with white space"
    return f"its path has more than {_LONGEST} characters" if len(str(folder)) > _LONGEST else ""


def _books() -> Path:
    return folder_of_home("federation")
