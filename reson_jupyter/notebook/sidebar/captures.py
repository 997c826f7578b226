"""The cells that gave something, or could not: one row for each role, and for each command."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ...capture.capture import Capture
from ...capture.stale import Outdated
from ...errors import ConfigError
from ...review import Review
from ...session import Refusal, Session
from ..capturing.cards import lines_shipped, model_size
from ..capturing.cells import CellIds
from .jsonable import shown

Row = dict[str, Any]
Told = tuple[str, str]
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
    stale = {key: _stale_check(outdated, session) for key, outdated in session.outdated.items()}
    commands = sorted(key for key in {*captures, *refusals} if key not in _ROLES)
    return [_row(key, captures.get(key), refusals.get(key), stale.get(key), cells, review_of) for key in (*_ROLES, *commands)]


def _row(
    key: str, capture: Capture | None, refusal: Refusal | None, stale: Told | None, cells: CellIds, review_of: ReviewOf
) -> Row:
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
        "checks": [{"level": level, "text": shown(text)} for level, text in _checks(capture, refusal, stale, review)],
    }


def _checks(capture: Capture | None, refusal: Refusal | None, stale: Told | None, review: Review) -> Iterator[Told]:
    if refusal:
        yield "error", f"{refusal.message}\n{refusal.hint}".strip()
    if capture is None:
        return
    if stale:
        yield stale
    for text in (*capture.warnings, *filter(None, [review.warning]), *capture.renewed):
        yield "warning", text
    for function in capture.functions:
        yield "ok", f"{function.name} is called to {function.purpose}"
    if not refusal and not stale and not capture.warnings and not review.warning and not capture.renewed:
        yield "ok", "nothing stands out"


def _stale_check(outdated: Outdated, session: Session) -> Told:
    if not outdated.ships:
        return "error", outdated.what
    try:
        refused = session.submission.stale_captures == "refuse"
    except ConfigError:  # told with the form of the target
        refused = False
    if refused:
        return "error", f"{outdated.what}; run that cell again, or set stale_captures to recapture"
    return "warning", f"{outdated.what}; the next submit takes what the kernel has now"


def empty_rows() -> list[Row]:
    """Returns the rows where nothing was captured."""
    return [_row(role, None, None, None, CellIds(), lambda _: None) for role in _ROLES]
