"""What lies in the session's folder of shards, as it was when somebody looked last."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...backend.starting import current_start
from ...data.balance import titled
from ...data.report import ShardsReport
from ...errors import ConfigError, ResonError
from ...names import printable
from ...session import Session
from ..commands.shards import look_at_shards
from .jsonable import shown

# Size and time of each zip, by its name; None where nobody can look.
Zips = dict[str, tuple[int, int]] | None

_SHARDS = 50
_CLASSES = 20
EMPTY: dict[str, Any] = {
    "folder": "", "headline": "", "classes": [], "shards": [], "more": 0, "problems": [], "warnings": [], "error": "",
    "looked": 0.0, "changed": False,
}  # fmt: skip


class DataPart:
    """Looks into the folder when it is asked to; what it found holds for this folder only.

    Args:
        session: Which folder it is.
        changed: Called when somebody has looked.
    """

    def __init__(self, session: Session, changed: Callable[[], None]) -> None:
        self._session = session
        self._changed = changed
        self._found = EMPTY
        self._zips: Zips = None

    def look(self) -> None:
        """Reads the shards; takes as long as these are large.

        Raises:
            ConfigError: no folder is configured.
        """
        folder = self._session.submission.shards_dir
        if not folder:
            raise ConfigError("No folder of shards is configured.", "Set shards_dir.", {"shards_dir": "nothing is set"})
        # What is written while it is read is to be seen as a change.
        zips = _zips(folder)
        try:
            found = _of_report(folder, look_at_shards(self._session, folder))
        except ResonError as error:
            found = {**EMPTY, "folder": folder, "error": shown(str(error))}
        if current_start().stopped:
            return
        self._found, self._zips = {**found, "looked": time.time()}, zips
        self._changed()

    def part(self) -> dict[str, Any]:
        """What was found, if it is still the folder."""
        try:
            folder = self._session.submission.shards_dir
        except ConfigError:  # told with the form of the target
            return EMPTY
        found, zips = self._found, self._zips
        if not folder or found["folder"] != folder:
            return EMPTY
        return {**found, "changed": _zips(folder) != zips}


def _zips(folder: str) -> Zips:
    try:
        with os.scandir(Path(folder).expanduser()) as entries:
            stats = {entry.name: entry.stat() for entry in entries if entry.name.lower().endswith(".zip")}
    except (OSError, RuntimeError, ValueError):
        return None
    return {name: (stat.st_size, stat.st_mtime_ns) for name, stat in stats.items()}


def _of_report(folder: str, report: ShardsReport) -> dict[str, Any]:
    counts = Counter(report.label_counts)
    labels = sorted(label for label, _ in counts.most_common(_CLASSES))
    others = len(counts) > len(labels)
    names = report.class_names
    return {
        "folder": folder,
        "headline": report.headline,
        "classes": [titled(label, names) for label in labels] + (["others"] if others else []),
        "shards": [
            {
                "site": f"site-{number}",
                "name": printable(shard.name),
                "samples": shard.samples,
                "bytes": shard.bytes,
                "counts": _counts(shard.label_counts, labels, others),
            }
            for number, shard in enumerate(report.shards[:_SHARDS], 1)
        ],
        "more": max(0, len(report.shards) - _SHARDS),
        "problems": list(report.problems.shown),
        "warnings": [printable(warning) for warning in report.warnings],
        "error": "",
    }


def _counts(counts: dict[int, int], labels: list[int], others: bool) -> list[int]:
    first = [counts.get(label, 0) for label in labels]
    return [*first, sum(counts.values()) - sum(first)] if others else first
