"""The cells that gave something, or could not: one row for each role, and for each command."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ...capture.capture import Capture
from ...review import Review
from ...session import Refusal, Session
from ..capturing.cards import lines_shipped, model_size
from ..capturing.cells import CellIds
from .jsonable import shown

Row = dict[str, Any]
ReviewOf = Callable[[Capture], Review | None]

_ROLES = ("model", "train", "executor", "persistor")


def capture_rows(session: Session, cells: CellIds, review_of: ReviewOf) -> list[Row]:
    """Returns the rows: the four roles in their order, whether there is anything or not, and then the commands.

    Args:
        session: What is captured and what was refused.
        cells: The cells that ran.
        review_of: Gives what is known of a model; None if nothing is yet.
    """
    captures, refusals = session.captures, session.refusals
    commands = sorted(key for key in {*captures, *refusals} if key not in _ROLES)
    return [_row(key, captures.get(key), refusals.get(key), cells, review_of) for key in (*_ROLES, *commands)]


def _row(key: str, capture: Capture | None, refusal: Refusal | None, cells: CellIds, review_of: ReviewOf) -> Row:
    review = (review_of(capture) if capture and capture.role == "model" else None) or Review(None)
    # The cell to look at is the one that ran last, whatever came of it.
    newest = refusal or capture
    cell = newest.cell if newest else ""
    return {
        "key": key,
        "role": key.partition(" ")[0],
        "name": capture.name if capture else "",
        "cell": cell,
        "cell_id": cells.of(cell),
        "lines": lines_shipped(capture) if capture else 0,
        "size": model_size(review.facts) if review.facts else "",
        "checks": [{"level": level, "text": shown(text)} for level, text in _checks(capture, refusal, review)],
    }


def _checks(capture: Capture | None, refusal: Refusal | None, review: Review) -> Iterator[tuple[str, str]]:
    if refusal:
        yield "error", f"{refusal.message}\n{refusal.hint}".strip()
    if capture is None:
        return
    for text in (*capture.warnings, *filter(None, [review.warning]), *capture.renewed):
        yield "warning", text
    for function in capture.functions:
        yield "ok", f"{function.name} is called to {function.purpose}"
    if not refusal and not capture.warnings and not review.warning and not capture.renewed:
        yield "ok", "nothing stands out"


def empty_rows() -> list[Row]:
    """Returns the rows where nothing was captured."""
    return [_row(role, None, None, CellIds(), lambda _: None) for role in _ROLES]
