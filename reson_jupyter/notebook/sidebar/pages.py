"""The pages that look at this kernel, and the one thread that tells them what changed.

Whoever changes something only says which part; parts are computed, compared and sent on a thread of their own, at most four times
a second, so that a flood of changes is one message, and handlers never wait. A page that closes is forgotten. One that was
reloaded, or whose browser is gone, seldom says so; every page says now and then that it is there, and one that does not is told
nothing until it is heard again, and then everything.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import comm

from .jsonable import jsonable

Message = dict[str, Any]

PAUSE = 0.25
# Pages say every 30 s that they are there; browsers let a page that nobody sees do so once a minute.
_SILENCE = 150.0
_NAP = 10.0

_log = logging.getLogger(__name__)


class Page:
    """One page: how far it is told, and what it is still to be told.

    Attributes:
        gone: Whether it has closed.
        followers: Called when the page was told everything, as what else it follows has to begin anew as well.
    """

    def __init__(self, channel: comm.base_comm.BaseComm) -> None:
        self.channel = channel
        self.version = 0
        self.needs_all = True
        self.mail: list[Message] = []
        self.heard = time.monotonic()
        self.gone = False
        self.followers: list[Callable[[], None]] = []

    @property
    def awake(self) -> bool:
        """Whether it is open, and was heard lately."""
        return not self.gone and time.monotonic() - self.heard < _SILENCE


class Pages:
    """The open pages.

    Args:
        parts: What there is to tell, by name: each call gives a part as it is now.
        empty: Each part where there is nothing to tell.
        beside: Gives the messages that a page gets beside everything.
        on_open: Called when a page opens, or wakes.
    """

    def __init__(
        self,
        parts: Mapping[str, Callable[[], Any]],
        empty: Mapping[str, Any],
        beside: Callable[[], Sequence[Message]],
        on_open: Callable[[], None],
    ) -> None:
        self._lock = threading.RLock()
        self._news = threading.Condition(self._lock)
        self._parts = parts
        self._beside = beside
        self._on_open = on_open
        self._pages: dict[str, Page] = {}
        self._changed = set(parts)
        self._known = dict(empty)
        self._texts = {name: json.dumps(part) for name, part in empty.items()}
        self._not_before = 0.0
        self._teller: threading.Thread | None = None

    @property
    def watched(self) -> bool:
        """Whether any page looks."""
        with self._lock:
            return any(page.awake for page in self._pages.values())

    def find(self, identity: str) -> Page | None:
        """Returns the page whose state goes over the comm of that id."""
        with self._lock:
            return self._pages.get(identity)

    def open(self, channel: comm.base_comm.BaseComm) -> None:
        """Tells a new page everything, and what changes from then on."""
        page = Page(channel)
        with self._news:
            self._pages[channel.comm_id] = page
            self._changed.update(self._parts)
            self._wake()
        self._on_open()

    def forget(self, page: Page) -> None:
        """Tells a page nothing any more."""
        with self._news:
            self._pages.pop(page.channel.comm_id, None)
            page.gone = True
            self._news.notify_all()

    def hear(self, page: Page) -> None:
        """A page has said something, so it is there."""
        with self._news:
            slept, page.heard = not page.awake, time.monotonic()
            if not slept:
                return
            self.tell_all(page)
        self._on_open()

    def tell_all(self, page: Page) -> None:
        """Tells a page everything once more."""
        with self._news:
            page.needs_all = True
            self._changed.update(self._parts)
            self._wake()

    def post(self, page: Page, message: Message) -> None:
        """Sends a message to one page, after what has changed until now."""
        with self._news:
            page.mail.append(message)
            self._wake()

    def post_all(self, message: Message) -> None:
        """Sends a message to every page."""
        with self._news:
            for page in self._pages.values():
                self.post(page, message)

    def changed(self, *parts: str) -> None:
        """Parts may be otherwise than they were; never waits, and may be called from anywhere."""
        with self._news:
            self._changed.update(parts or self._parts)
            self._wake()

    def _wake(self) -> None:
        if self._teller is None and self.watched:
            self._teller = threading.Thread(target=self._tell, name="reson sidebar", daemon=True)
            self._teller.start()
        self._news.notify_all()

    def _tell(self) -> None:
        while self._wait():
            self._tell_pages()

    def _wait(self) -> bool:
        """Waits until there is something to tell; False when nobody is there to be told."""
        with self._news:
            while self.watched:
                pages = [page for page in self._pages.values() if page.awake]
                pause = _NAP
                if self._changed or any(page.needs_all for page in pages):
                    pause = self._not_before - time.monotonic()
                elif any(page.mail for page in pages):
                    return True
                if pause <= 0:
                    return True
                self._news.wait(pause)
            self._teller = None
            return False

    def _tell_pages(self) -> None:
        with self._lock:
            changed, self._changed = self._changed, set()
            pages = [(page, page.needs_all, page.mail) for page in self._pages.values() if page.awake]
            for page, _, _ in pages:
                page.needs_all, page.mail = False, []
        if changed:
            self._not_before = time.monotonic() + PAUSE
        news = [name for name in self._parts if name in changed and self._is_new(name)]
        for page, needs_all, mail in pages:
            self._tell_page(page, list(self._parts) if needs_all else news, needs_all, mail)

    def _is_new(self, name: str) -> bool:
        """Computes a part; one that cannot be computed stays as it was."""
        try:
            part = jsonable(self._parts[name]())
            text = json.dumps(part)
        except Exception:
            _log.exception("the sidebar cannot be told of %s", name)
            return False
        # In Python, 1 and True and 1.0 are equal.
        if self._texts[name] == text:
            return False
        self._known[name], self._texts[name] = part, text
        return True

    def _tell_page(self, page: Page, parts: list[str], full: bool, mail: list[Message]) -> None:
        try:
            if parts:
                page.version += 1
                told = {name: self._known[name] for name in parts}
                page.channel.send({"kind": "state", "version": page.version, "full": full, "parts": told})
            for message in (*(self._beside() if full else ()), *mail):
                page.channel.send(jsonable(message))
            for follower in list(page.followers) if full else ():
                follower()
        except Exception:
            _log.exception("a page of the sidebar cannot be reached")
            self.forget(page)
            with suppress(Exception):
                page.channel.close()
