"""The logs of a run's server and sites: from their files while the run goes on here, afterwards from the store."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from ...errors import NotFound, RunError
from ..record import RunRecord
from ..store import Store
from ..targets.base import Target

SERVER = "server"
_TIME = re.compile(rb"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d[,.]\d+")


class LogText(str):
    """Text that a notebook shows as it is, line by line."""

    def __repr__(self) -> str:
        return str(self)


class Logs:
    """The logs of one run.

    Args:
        record: The run.
        store: Where its logs lie when it is over.
        target: Where they can be read before.
        is_over: Whether the run is over.
    """

    def __init__(self, record: RunRecord, store: Store, target: Target, is_over: Callable[[], bool]) -> None:
        self._record = record
        self._store = store
        self._target = target
        self._is_over = is_over

    def text(self, names: Sequence[str]) -> LogText:
        """Returns the logs as they are now; of several the lines are marked, and in order of time.

        Raises:
            RunError: the run goes on elsewhere, or ended without storing these logs.
        """
        self._check()
        found = {name: content for name in names if (content := self._beyond(name, 0)) is not None}
        if not found and self._is_over():
            raise RunError(f"run {self._record.id} has stored no log of {', '.join(names)}", "run.events() has what it said.")
        if len(names) == 1:
            return LogText(_decoded(found.get(names[0], b"")))
        width = max(map(len, names))
        timed = [(time, _marked(name, width, line)) for name, content in found.items() for time, line in _timed(content)]
        return LogText("".join(f"{line}\n" for _, line in sorted(timed, key=lambda pair: pair[0])))

    def follow(self, names: Sequence[str], pause: Callable[[], object]) -> Iterator[str]:
        """Yields the lines of the logs, marked if they are several, until the run is over and all were given.

        Args:
            names: The sites, or the server.
            pause: Waits before the logs are read again.

        Raises:
            RunError: the run goes on elsewhere.
        """
        self._check()
        offsets = dict.fromkeys(names, 0)
        width = max(map(len, names)) if len(names) > 1 else 0
        while True:
            over = self._is_over()  # asked first: what is written before the end is read after it
            for name in names:
                news = self._beyond(name, offsets[name]) or b""
                whole = news if over else news[: news.rfind(b"\n") + 1]
                offsets[name] += len(whole)
                for line in whole.removesuffix(b"\n").split(b"\n") if whole else ():
                    yield _marked(name, width, line) if width else _decoded(line)
            if over:
                return
            pause()

    def _check(self) -> None:
        if not self._is_over() and self._target.is_carried(self._record) is None:
            raise RunError(
                f"run {self._record.id} goes on elsewhere, where its logs cannot be read from here",
                "They are in the store when it is over; run.events() has what the run says.",
            )

    def _beyond(self, name: str, offset: int) -> bytes | None:
        """What a log has beyond an offset; None if it is not there, or not yet."""
        live = None if self._is_over() else self._target.read_log(self._record, name, offset)
        if live is not None:
            return live
        try:  # at the end the files are stored and gone before the run is over
            return self._store.get(f"{self._record.prefix}/files_out/logs/{name}.txt")[offset:]
        except NotFound:
            return None


def _timed(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The lines, each with its time; one that has none belongs to the line before it."""
    time = b""
    for line in content.removesuffix(b"\n").split(b"\n") if content else ():
        found = _TIME.match(line)
        time = found[0] if found else time
        yield time, line


def _marked(name: str, width: int, line: bytes) -> str:
    return f"{name:{width}} | {_decoded(line)}"


def _decoded(line: bytes) -> str:
    return line.decode(errors="replace")
