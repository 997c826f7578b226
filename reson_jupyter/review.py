"""What is known of a captured model before there is any data: its size, and whether the default training can use it."""

from __future__ import annotations

from dataclasses import dataclass

from .capture.capture import Capture
from .capture.roles.contract import require_kind
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


def review_model(capture: Capture, session: Session) -> Review:
    """Looks at a model as the session would train it now.

    Nothing is refused yet: the train function may be in a cell that runs later.
    """
    training = session.training
    captures = session.captures
    if "executor" in captures or "persistor" in captures:
        return Review(None)
    default_training = not session.has_own_training
    arguments = dict(session.model_config.model_args)
    if capture.accepts_num_classes:
        arguments.setdefault("num_classes", training.num_classes or _SOME_CLASSES)
    try:
        facts = check_model(
            require_kind(capture.live, "model"),
            arguments,
            num_classes=training.num_classes or None,
            img_size=training.img_size if default_training else None,
        )
    except CaptureError as error:
        advice = f" {error.hint}" if error.hint else ""
        until = "the default image classification trains until you capture a train function, and " if default_training else ""
        return Review(None, f"{until}{error.message}.{advice}")
    return Review(facts)
