"""The cells that gave something, or could not: one row for each role, and for each command; a project is one, too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ...capture.capture import Capture
from ...readiness import problem_of
from ...review import Review
from ...session import Refusal, Session
from ..capturing.cards import lines_shipped, model_size
from ..capturing.cells import CellIds
from ..project_card import project_rows
from ..stale_check import stale_checks
from .jsonable import shown

if TYPE_CHECKING:
    from ...edge.project import Project

Row = dict[str, Any]
Told = tuple[str, str]
ReviewOf = Callable[[Capture], Review | None]

_ROLES = ("model", "train", "executor", "persistor")


def capture_rows(session: Session, cells: CellIds, review_of: ReviewOf) -> list[Row]:
    """Returns the rows: first of what trains, whether there is anything or not, and then of the rest, such as commands.

    What trains is a model with three roles that have a default, or a startup, or a project.

    Args:
        session: What is captured and what was refused.
        cells: The cells that ran.
        review_of: Gives what is known of a model; None if nothing is yet.
    """
    captures, refusals = session.captures, session.refusals
    stale = stale_checks(session)
    project = session.project
    trains = () if project else ("startup",) if "startup" in captures else _ROLES
    rest = sorted({*captures, *refusals}.difference(trains))
    rows = [_row(key, captures.get(key), refusals.get(key), stale.get(key), cells, review_of) for key in (*trains, *rest)]
    return [_project_row(project), *rows] if project else rows


def _project_row(project: Project) -> Row:
    """What it says, read anew: its files are the user's, who may have written to them since."""
    problem = problem_of(project)
    told = dict(project_rows(project))
    folder = told.pop("folder")
    checks = [{"level": "error", "text": shown(f"{problem.message}\n{problem.hint or ''}".strip())}] if problem else []
    checks += [
        {"level": "warning" if name == "seed" and not project.build else "ok", "text": shown(f"{name}: {text}")}
        for name, text in told.items()
    ]
    empty = _row("project", None, None, None, CellIds(), lambda _: None)
    return empty | {"name": shown(project.title.removeprefix("project ")), "size": shown(folder), "checks": checks}


def _row(
    key: str, capture: Capture | None, refusal: Refusal | None, stale: Told | None, cells: CellIds, review_of: ReviewOf
) -> Row:
    review = (review_of(capture) if capture and capture.role == "model" else None) or Review(None)
    cell = capture.cell if capture else ""
    return {
        "key": key,
        "role": key.partition(" ")[0],
        "name": capture.name if capture else "",
        "cell": cell,
        "cell_id": cells.of(cell),
        "lines": lines_shipped(capture) if capture else 0,
        "size": model_size(review.facts) if review.facts else "",
        "checks": [
            *([_refused(refusal, cells)] if refusal else []),
            *({"level": level, "text": shown(text)} for level, text in _checks(capture, refusal, stale, review)),
        ],
    }


def _refused(refusal: Refusal, cells: CellIds) -> dict[str, str]:
    """With a cell of its own: what is captured may be of another."""
    text = shown(f"{refusal.message}\n{refusal.hint}".strip())
    return {"level": "error", "text": text, "cell": refusal.cell, "cell_id": cells.of(refusal.cell)}


def _checks(capture: Capture | None, refusal: Refusal | None, stale: Told | None, review: Review) -> Iterator[Told]:
    if capture is None:
        return
    if stale:
        yield stale
    for text in (*capture.warnings, *filter(None, [review.warning]), *capture.renewed):
        yield "warning", text
    for function in capture.functions:
        yield "ok", f"{function.name} is called to {function.task}"
    if not refusal and not stale and not capture.warnings and not review.warning and not capture.renewed:
        yield "ok", "nothing stands out"


def empty_rows() -> list[Row]:
    """Returns the rows where nothing was captured."""
    return [_row(role, None, None, None, CellIds(), lambda _: None) for role in _ROLES]
