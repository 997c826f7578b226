"""The logs of a running run, by files in its folder: the notebook leaves word that it reads one, the carrier fetches them."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from ...errors import ResonError
from ..carrying.aside import aside

_FOLDER = "logs"
_WANTED = ".wanted"
_INTERVAL = 0.5
_ALL_INTERVAL = 10.0
# So long after somebody last read a log it is still fetched.
_INTEREST = 10.0
# So long the notebook waits for the first of a log.
_PATIENCE = 1.5


def read_log(run: Path, name: str, offset: int) -> bytes | None:
    """Returns what is here of a log beyond an offset, and has more of it fetched; None if it did not come soon.

    Args:
        run: The run's folder.
        name: The site, or "server".
        offset: How much of it is known.
    """
    folder = run / _FOLDER
    if Path(name).name != name:
        return None
    path = folder / f"{name}.txt"
    try:
        folder.mkdir(exist_ok=True)
        (folder / f"{name}{_WANTED}").touch()
        until = time.monotonic() + _PATIENCE
        while not path.exists() and time.monotonic() < until:
            time.sleep(0.05)
        with path.open("rb") as file:
            file.seek(offset)
            return file.read()
    except OSError:
        return None


class LogMirror:
    """The carrier's end: what somebody reads it fetches often, all else now and then, as the sites take their logs with them.

    It works on a thread of its own, so that a site that does not answer holds nobody up.

    Args:
        run: The run's folder.
        names: The sites, and "server".
        fetch: Returns what a log, by its name, has beyond an offset; raises `ResonError`.
        say: Told, once, why logs cannot be had.
    """

    def __init__(self, run: Path, names: Iterable[str], fetch: Callable[[str, int], str], say: Callable[[str], object]) -> None:
        self._folder = run / _FOLDER
        self._names = tuple(names)
        self._fetch = fetch
        self._say = say
        self._told = False
        self._barred: set[str] = set()
        self._all_due = 0.0
        self._hurry = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="logs", daemon=True)

    def start(self) -> None:
        """Begins to fetch; the second time is none."""
        if self._thread.ident is None:
            self._thread.start()

    def hurry(self) -> None:
        """Has all of them fetched at once: their sites are about to end."""
        self._hurry.set()

    def end(self) -> Mapping[str, Path]:
        """Stops; returns the logs that are here by their files' names."""
        self._ended.set()
        self._hurry.set()
        if self._thread.ident is not None:
            self._thread.join(_INTERVAL)
        return {path.name: path for path in sorted(self._folder.glob("*.txt"))}

    def remove(self) -> None:
        """Removes what was fetched: it is in the store."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _work(self) -> None:
        while not self._ended.is_set():
            for name in self._names if self._hurry.is_set() else self._due():
                self._fetch_one(name)
            self._hurry.clear()
            self._hurry.wait(_INTERVAL)

    def _due(self) -> Iterable[str]:
        now = time.monotonic()
        if now >= self._all_due:
            self._all_due = now + _ALL_INTERVAL
            return self._names
        return [name for name in self._names if self._is_wanted(name)]

    def _is_wanted(self, name: str) -> bool:
        try:
            return time.time() - (self._folder / f"{name}{_WANTED}").stat().st_mtime < _INTEREST
        except OSError:
            return False

    def _fetch_one(self, name: str) -> None:
        from .session import NotAllowed  # an import that a notebook should not wait for

        if name in self._barred:
            return
        try:
            self._folder.mkdir(exist_ok=True)
            path = self._folder / f"{name}.txt"
            try:
                news = self._fetch(name, path.stat().st_size if path.exists() else 0)
            except NotAllowed as error:  # for good; whoever reads the log has to know, now and when the run is over
                self._barred.add(name)
                news = f"The log of {name} cannot be brought here: {error.message}.\n"
            _append(path, news.encode())
        except OSError as error:  # the run's folder is gone, or the disk full
            aside(error)
        except ResonError as error:
            if not self._told and self._is_wanted(name):
                self._told = True
                self._say(f"The log of {name} cannot be read while the run goes on: {error.message}")


def _append(path: Path, content: bytes) -> None:
    """Adds to a log, which comes into being with its first content: without any it looks as if nothing had been logged."""
    if path.exists():
        with path.open("ab") as file:
            file.write(content)
    else:
        part = path.with_suffix(".part")
        part.write_bytes(content)
        part.replace(path)
