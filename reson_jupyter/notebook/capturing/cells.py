"""Which cell of the notebook it was: by the number that it had when it ran."""

from __future__ import annotations

import re
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

_LABEL = re.compile(r"In\[(\d+)\]")


class CellIds:
    """The ids that front ends give with the cells that they run; they can find the cell by it, whatever its number is by now."""

    def __init__(self) -> None:
        self._ids: dict[int, str] = {}
        self._shell: InteractiveShell | None = None

    def watch(self, shell: InteractiveShell) -> None:
        """Takes note of the cells that run from now on."""
        self._shell = shell
        shell.events.register("pre_run_cell", self._runs)

    def of(self, label: str) -> str:
        """Returns the id of the cell that people call `label`, such as "In[4]"; "" if it has none, or was not seen."""
        number = _LABEL.fullmatch(label)
        return self._ids.get(int(number[1]), "") if number else ""

    def _runs(self, info: Any) -> None:
        # A cell that a cell runs has no id of its own; one without history takes no number.
        history = self._shell.history_manager if self._shell else None
        if history and info.store_history and isinstance(info.cell_id, str):
            # Which number the shell counts at by now differs between versions of IPython.
            self._ids[len(history.input_hist_raw)] = info.cell_id
