"""Which runs have their live view under the cell that runs: of those, the cell shows no second card."""

from __future__ import annotations

from IPython.core.getipython import get_ipython

_cell_of_view: dict[str, int] = {}  # by the runs' ids: the number of the cell under which their view stands


def note_view(run_id: str) -> None:
    """Remembers that a run's view stands under the cell that runs now."""
    _cell_of_view[run_id] = _number()


def has_view(run_id: str) -> bool:
    """Returns whether a run's view stands under the cell that runs now."""
    return _cell_of_view.get(run_id) == _number()


def _number() -> int:
    shell = get_ipython()
    return shell.execution_count if shell else 0
