"""What is known of a captured model before there is any data: its size, and whether the default training can use it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from .capture.capture import Capture
from .capture.roles.contract import require_kind, require_model_arguments
from .capture.roles.model_check import ModelFacts, check_model
from .errors import CaptureError
from .session import Session

# For a constructor that needs `num_classes` before the shards have told it.
_SOME_CLASSES = 10


@dataclass(frozen=True)
class Review:
    """The facts, if they could be told, and what the user should look at; "" if there is nothing."""

    facts: ModelFacts | None
    warning: str = ""


@dataclass(frozen=True)
class Question:
    """All that a review depends on."""

    live: object = field(repr=False)
    arguments: Mapping[str, object]
    num_classes: int
    img_size: int
    default_training: bool
    is_ours: bool


class _Last:
    """The review that was asked for last: who shows it elsewhere need not have it made once more."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.question: Question | None = None
        self.review = Review(None)


_last = _Last()


def review_model(capture: Capture, session: Session) -> Review:
    """Looks at a model as the session would train it now.

    Nothing is refused yet: the train function may be in a cell that runs later.
    """
    return answer(question_of(capture, session))


def question_of(capture: Capture, session: Session) -> Question:
    """Returns what is to be reviewed; what is equal has the same review."""
    training, captures = session.training, session.captures
    arguments = dict(session.model_config.model_args)
    if capture.accepts_num_classes:
        arguments.setdefault("num_classes", training.num_classes or _SOME_CLASSES)
    is_ours = "executor" not in captures and "persistor" not in captures
    default_training = not session.has_own_training
    return Question(capture.live, arguments, training.num_classes, training.img_size, default_training, is_ours)


def answer(question: Question) -> Review:
    """Reviews a model; it takes a process of its own, and some seconds at most."""
    with _last.lock:
        if question != _last.question:
            _last.review = _review(question)
            _last.question = question
        return _last.review


def _review(question: Question) -> Review:
    model = require_kind(question.live, "model")
    try:
        require_model_arguments(model, question.arguments)
    except CaptureError as error:
        return Review(None, f"{error.message}. {error.hint}")
    if not question.is_ours:
        return Review(None)
    default_training = question.default_training
    try:
        facts = check_model(
            model,
            question.arguments,
            num_classes=question.num_classes or None,
            img_size=question.img_size if default_training else None,
        )
    except CaptureError as error:
        advice = f" {error.hint}" if error.hint else ""
        until = "the default image classification trains until you capture a train function, and " if default_training else ""
        return Review(None, f"{until}{error.message}.{advice}")
    return Review(facts)
