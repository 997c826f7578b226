"""Starting and stopping the one federation that a user has on a machine."""

from __future__ import annotations

import contextlib
import shutil
import socket
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

import psutil

from ...data.report import counted
from ...errors import ConfigError, TargetError
from ...paths import expanded
from ...units import size
from .data import find_data, share_out
from .handle import Federation
from .kits import SERVER, base_environment, kit_of_user, make_kits
from .launch import bring_up
from .nodes import end_nodes, open_doors, running_nodes
from .place import Place, forget_place, known_place, new_folder, only_one, usual_folder

_SITES = 3
_CLOSED = (2, 9)
_NEWER = "Install nvflare 2.9 or newer: pip install -U nvflare"
_BYTES_PER_NODE = 600 * 1024**2  # of a job's process with torch, which the server and each site has


def start_federation(sites: int | None = None, *, data: str | Path | None = None, folder: str | Path | None = None) -> Federation:
    """Starts NVFlare's server and some sites on this machine, each a process of its own, reachable from this machine only.

    They outlive the kernel; `stop_federation` ends them. One that runs already is taken, and what is missing of it is started.

    Args:
        sites: How many sites: site-1, site-2, ...; None for as many as there are in `data`, or 3.
        data: A folder with a shard (zip) or a subfolder for each site, which that site then has as its data.
        folder: An empty folder for all that belongs to it; None for one below RESON_HOME.

    Raises:
        TargetError: it could not be started, or one of another size or in another folder runs already.
        ShardError: `data` cannot be used.
        ConfigError: an argument makes no sense.
    """
    found = find_data(data) if data is not None else []
    count = len(found) or _SITES if sites is None else sites
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise ConfigError(f"a federation cannot have {count!r} sites", "Give a whole number, 1 or more.")
    with only_one():
        running = _running(sites, folder)
        if found and data is not None:
            _check_data(found, data, count if running is None else len(running.sites))
        if running is None:
            _check_version(version("nvflare"))
            _check_memory(count)
            _clear()
            return _started_anew(count, new_folder(folder), found)
        with _told("changed", running.folder):
            share_out(found, running.folder, running.sites)
            bring_up(running)
        return running


def stop_federation() -> bool:
    """Ends the federation with every run that is in progress on it, and deletes its folder.

    Returns:
        Whether there was one.

    Raises:
        TargetError: a process could not be ended, or the folder not be deleted.
    """
    with only_one():
        return _clear()


def stop_federation_at(folder: Path) -> None:
    """Does so with the federation that lies in this folder, if it is still there."""
    with only_one():
        place = known_place()
        if place is not None and Path(place.folder) == folder:
            _clear()


def federation() -> Federation | None:
    """Returns the federation of this machine, whatever kernel or script started it; None if there is none.

    Raises:
        TargetError: there is one of another machine in this home folder.
    """
    place = known_place()
    return Federation.at(Path(place.folder), place.sites) if place else None


def at_hand(kit: Path) -> Federation | None:
    """Returns the federation of this machine if that is its user's startup kit, else None."""
    with contextlib.suppress(TargetError):  # one of another machine
        known = federation()
        return known if known and known.startup_kit == kit.absolute() else None
    return None


def was_at_hand(kit: str) -> bool:
    """Whether that was the startup kit of a federation of this machine, in its usual place, that was stopped."""
    path = expanded(kit, TargetError)
    return path == kit_of_user(usual_folder()) and not path.exists()


def _running(sites: int | None, folder: str | Path | None) -> Federation | None:
    """The federation if its server runs; None: there is none, or what is left of one is good for nothing."""
    place = known_place()
    if place is None or not place.complete or SERVER not in running_nodes(Path(place.folder)):
        return None
    elsewhere = folder is not None and expanded(folder, TargetError).resolve() != Path(place.folder)
    if sites not in (None, place.sites) or elsewhere:
        raise TargetError(
            f"a federation of {counted(place.sites, 'site')} runs on this machine already, in {place.folder}",
            "Stop it first: %reson federation stop, or reson.stop_federation()",
        )
    return Federation.at(Path(place.folder), place.sites)


def _started_anew(count: int, folder: Path, data: Sequence[Path]) -> Federation:
    # Known before anything is there, so that whatever becomes of this process, the next start or stop clears up after it.
    Place(str(folder), count).save()
    federation = Federation.at(folder, count)
    try:
        with _told("set up", folder):
            for name in ("home", "tmp", "logs", "data"):
                (folder / name).mkdir()
            make_kits(folder, count, _free_port(), base_environment(folder))
            share_out(data, folder, federation.sites)
            bring_up(federation)
            _check_doors(folder)
            Place(str(folder), count, complete=True).save()
    except BaseException:
        _clear()
        raise
    return federation


@contextlib.contextmanager
def _told(what: str, folder: Path) -> Iterator[None]:
    """Makes an error of the system one for people."""
    try:
        yield
    except OSError as error:
        why = error.strerror or error
        raise TargetError(f"the federation in {folder} could not be {what}: {why}", "Check the disk and the memory.") from error


def _check_version(installed: str) -> None:
    """Refuses versions whose servers listen on every address of a machine, whatever they are told."""
    if tuple(map(int, installed.split(".")[:2])) < _CLOSED:
        raise TargetError(f"with NVFlare {installed} other machines could reach the federation", _NEWER)


def _check_data(found: Sequence[Path], data: str | Path, sites: int) -> None:
    """Refuses more data than sites before anything is started."""
    if len(found) > sites:
        raise TargetError(
            f"{data} has data for {len(found)} sites, and the federation would have {sites}",
            f"Start it with as many: %reson federation start --sites {len(found)} --data {data} (stop one that runs first).",
        )


def _check_doors(folder: Path) -> None:
    """Looks whether what was told is what is done."""
    if doors := open_doors(folder):
        raise TargetError(f"other machines can reach the federation: it listens on {', '.join(doors)}", _NEWER)


def _clear() -> bool:
    place = known_place()
    if place is None:
        return False
    folder = Path(place.folder)
    if left := end_nodes(folder):
        pids = ", ".join(str(process.pid) for process in left)
        raise TargetError(f"these processes of the federation could not be ended: {pids}", "End them, and stop it again.")
    with _told("deleted", folder), contextlib.suppress(FileNotFoundError):
        shutil.rmtree(folder)
    forget_place()
    return True


def _check_memory(sites: int) -> None:
    needed, free = (sites + 1) * _BYTES_PER_NODE, psutil.virtual_memory().available
    if needed > free:
        fit = int(free // _BYTES_PER_NODE) - 1
        hint = f"Start {fit} at most: %reson federation start --sites {fit}" if fit > 0 else "Make room: not even one would fit."
        raise TargetError(f"a server and {counted(sites, 'site')} need {size(needed)} to train, and {size(free)} are free", hint)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
