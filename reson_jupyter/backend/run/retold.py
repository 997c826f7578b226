"""What a view says of a run beside its cards, so that nothing is said twice."""

from __future__ import annotations

from typing import Any

from ...events import RunState
from ..failure.cards import headline, on_cards
from ..progress import RunProgress

_SENDING = (RunState.PENDING, RunState.UPLOADING, RunState.QUEUED)


class Retold:
    """Refers to the cards of a run's errors where the error itself would come again.

    Args:
        run: The run.
    """

    def __init__(self, run: RunProgress) -> None:
        self._run = run
        self._known = (0, 0)
        self._headlines: dict[str, str] = {}

    def text(self, sentence: str) -> str:
        """An error in a few words, if it has a card; else as it is."""
        return self._of_cards().get(sentence, sentence)

    def row(self, site: dict[str, Any]) -> dict[str, Any]:
        """The row of a site with its problem in a few words."""
        return {**site, "problem": self.text(site["problem"])} if site["problem"] else site

    def reason(self) -> str:
        """Why the run ended as it did, without the error that its first card tells."""
        run, first = self._run, self._run.first_failure
        if first is None or first.explained.sentence not in self._of_cards():
            return run.reason
        short = first.told.replace(first.explained.sentence, headline(first.explained))
        return run.reason.replace(first.told, f"{short}.")

    def _of_cards(self) -> dict[str, str]:
        known = (len(self._run.failures), self._run.errors_from)
        if known != self._known:
            self._known = known
            self._headlines = {failure.explained.sentence: headline(failure.explained) for failure in on_cards(self._run)}
        return self._headlines


def notes_of(run: RunProgress) -> dict[str, list[str]]:
    """How the job was made: what deserves attention, where to look, and the rest, with what is sent while it is on its way."""
    warnings = list(run.warnings)
    links = [note for note in run.notes if note not in warnings and "://" in note]
    rest = [note for note in run.notes if note not in (*warnings, *links)]
    sending = [run.sending] if run.sending and run.state in _SENDING else []
    return {"warnings": warnings, "links": links, "notes": [*rest, *sending]}
