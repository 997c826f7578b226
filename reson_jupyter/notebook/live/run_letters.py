"""The letters that pages get of a run: deltas of what is new, and the full state in a bounded size.

A page can miss letters: what arrives while its script loads, and what the server drops when a cell floods it. It notices from
the version numbers and asks for the full state. While the kernel is busy in a cell (`run.wait()`) it cannot be answered, so
until a page has been heard once, the full state is repeated, each time after twice the time: what a page missed while it loaded
its script comes again within seconds. The full state is thinned (see `thin`); what a round was exactly, a page asks for.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import RLock
from typing import Any

from .run_snapshot import Message, RunSnapshot, jsonable
from .thin import BUDGET, thinned

Letter = dict[str, Any]

_FIRST_REPEAT_S = 0.25


class RunLetters:
    """Folds the messages of one run and writes its letters.

    Args:
        snapshot: The run's state so far, a full message (see `run_snapshot`).
        send: Called with every letter, in order and one at a time, on whichever thread pushes or asks.
    """

    def __init__(self, snapshot: Message, send: Callable[[Letter], None]) -> None:
        self._lock = RLock()
        self._folded = RunSnapshot()
        self._folded.apply(jsonable(snapshot))
        self._bounded: Message | None = None
        self._send = send
        self._page_heard = False
        self._opened = time.monotonic()
        self._repeat_at = _FIRST_REPEAT_S

    @property
    def done(self) -> bool:
        """Whether the run is over."""
        return self._folded.done

    def letter(self) -> Letter:
        """The full state, thinned, stamped with this machine's clock (epoch seconds)."""
        with self._lock:
            self._bounded = self._bounded or _bounded(self._folded.message())
            return _stamped(self._bounded)

    def whole(self) -> Message:
        """The full state with every point there was."""
        with self._lock:
            return self._folded.message()

    def push(self, message: Message) -> None:
        """Takes the next message and sends what is new; at most about four a second, from one thread.

        Args:
            message: A delta, or a full message after which everything said before is forgotten.
        """
        message = jsonable(message)
        with self._lock:
            self._folded.apply(message)
            self._bounded = None
            # Whoever attaches to a long run hears of all its rounds at once.
            too_much = sum(len(line["rounds"]) for line in message.get("lines", [])) > BUDGET
            if message["full"] or too_much or self._repeat_is_due():
                self._send(self.letter())
            else:
                self._send(_stamped(message))

    def ask(self, content: object) -> bool:
        """Answers a page's question; may be called on any thread and never raises.

        Args:
            content: `{"op": "snapshot"}` for the full state, or `{"op": "round", "round": n}` for all values of a round.

        Returns:
            Whether it was such a question.
        """
        match content:
            case {"op": "snapshot", **rest} if not rest:
                with self._lock:
                    self._page_heard = True
                    self._send(self.letter())
            case {"op": "round", "round": int(number), **rest} if not rest:
                with self._lock:
                    self._send({"kind": "round", "round": number, "lines": self._folded.of_round(number)})
            case _:
                return False
        return True

    def _repeat_is_due(self) -> bool:
        age = time.monotonic() - self._opened
        if self._page_heard or not (self.done or age >= self._repeat_at):
            return False
        self._repeat_at = 2 * age
        return True


def _stamped(message: Message) -> Letter:
    return {"kind": "letter", "clock": time.time(), "message": message}


def _bounded(message: Message) -> Message:
    lines = thinned(message["lines"])
    until = (new["rounds"][-1] for new, old in zip(lines, message["lines"], strict=True) if new is not old)
    return {**message, "lines": lines, "thinned": max(until, default=0)}
