"""What is known of the captured model, found out away from whoever asks: it takes a process of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ...capture.capture import Capture
from ...review import Question, Review, answer, question_of
from ...session import Session


class Reviews:
    """Reviews the captured model once, and once more when something has changed that matters.

    Args:
        session: What the model is to be trained with.
        changed: Called when a review is there.
    """

    def __init__(self, session: Session, changed: Callable[[], None]) -> None:
        self._session = session
        self._changed = changed
        self._lock = threading.Lock()
        self._asked: Question | None = None
        self._review: Review | None = None

    def of(self, capture: Capture) -> Review | None:
        """Returns what is known of the model; None if nothing is yet. Never waits."""
        question = question_of(capture, self._session)
        with self._lock:
            if question == self._asked:
                return self._review
            self._asked, self._review = question, None
        threading.Thread(target=self._look, args=(question,), name="reson review", daemon=True).start()
        return None

    def _look(self, question: Question) -> None:
        review = answer(question)
        with self._lock:
            if question != self._asked:
                return
            self._review = review
        self._changed()
