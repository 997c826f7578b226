"""What stands under the cell that runs already, and is not shown a second time: a run's live view, a project's card."""

from __future__ import annotations

from IPython.core.getipython import get_ipython

_cell_of_view: dict[str, int] = {}  # by the runs' ids: the number of the cell under which their view stands


_shown: tuple[object, int] | None = None  # what was shown last, and the number of the cell under which it stands


def note_view(run_id: str) -> None:
    """Remembers that a run's view stands under the cell that runs now."""
    _cell_of_view[run_id] = _number()


def has_view(run_id: str) -> bool:
    """Returns whether a run's view stands under the cell that runs now."""
    return _cell_of_view.get(run_id) == _number()


def is_first_of_cell(thing: object) -> bool:
    """Returns whether a thing is not what was shown last under the cell that runs now; it is from then on."""
    global _shown
    before, _shown = _shown, (thing, _number())
    return before is None or before[0] is not thing or before[1] != _number()


def _number() -> int:
    shell = get_ipython()
    return shell.execution_count if shell else 0
