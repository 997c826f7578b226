"""The letters of one run's live view to one page, over a comm of their own: nothing of it lands in a file."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import comm

from ...backend.run.handle import Run
from ...backend.run.live import LiveFeed
from ..live.cell_text import cell_text
from ..live.run_letters import RunLetters
from .jsonable import jsonable
from .pages import Page
from .problems import problem_of


class RunChannel:
    """Sends the letters until the page, or its comm, is gone.

    Args:
        channel: The comm that the page opened.
        page: Whose it is; while it is asleep it gets no letters.
        find: Gives the run; it may take long.
    """

    def __init__(self, channel: comm.base_comm.BaseComm, page: Page, find: Callable[[], Run]) -> None:
        self._channel = channel
        self._page = page
        self._letters: RunLetters | None = None
        self._stop: Callable[[], None] | None = None
        self._closed = False
        self._lock = threading.RLock()
        channel.on_msg(self._ask)
        channel.on_close(lambda _: self.close())
        threading.Thread(target=self._open, args=(find,), name="reson run of a page", daemon=True).start()

    def close(self) -> None:
        """Sends nothing any more."""
        with self._lock:
            self._closed = True
            if self._stop:
                self._stop()
        with suppress(ValueError):
            self._page.followers.remove(self._repeat)

    def _open(self, find: Callable[[], Run]) -> None:
        try:
            run = find()
            feed = LiveFeed(run, cell_text)
            letters = RunLetters(feed.snapshot(), self._send)
        except Exception as error:
            self._send({"kind": "problem", "problem": problem_of(error)})
            with suppress(Exception):
                self._channel.close()
            return
        self._letters = letters
        # A page asks for everything when it opens, which may have been before this.
        self._repeat()
        self._page.followers.append(self._repeat)
        stop = run.observe(lambda _: letters.push(feed.delta()))
        with self._lock:
            self._stop = stop
            if self._closed:
                stop()

    def _repeat(self) -> None:
        if self._letters:
            self._letters.ask({"op": "snapshot"})

    def _ask(self, message: dict[str, Any]) -> None:
        if self._letters:
            self._letters.ask(message["content"].get("data"))

    def _send(self, letter: dict[str, Any]) -> None:
        if self._page.gone:
            self.close()
        if self._closed or not self._page.awake:
            return
        try:
            self._channel.send(jsonable(letter))
        except Exception:  # whoever observes the run is not to hear of it
            self.close()
