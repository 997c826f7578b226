"""A job's way to the platform: exactly once, whatever becomes of the answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from ...errors import PlatformError
from ..record import RunRecord
from .api import Platform, Task

_TASK_FILE = "task.json"
_ATTEMPTS = 4
# How often a job is looked for that may have been submitted: the platform may note it a moment later.
_LOOKS, _BETWEEN_LOOKS = 3, 2.0
_LONGEST_PAUSE = 60.0
_LOOK_THERE = "The platform's pages list the account's jobs: look for {} there before you submit it again."
_REFUSALS = (400, 401, 402, 403, 404, 409, 413, 422)


class Remembered(BaseModel):
    """What a run's folder keeps of its submission: whether it was begun, and the job's id once that is known."""

    begun: bool = False
    task_id: str = ""


def remembered(folder: Path) -> Remembered:
    """Returns what a run's folder says; nothing, if it does not."""
    try:
        return Remembered.model_validate_json((folder / _TASK_FILE).read_bytes())
    except (OSError, ValueError):
        return Remembered()


class Submitter:
    """Submits the job of a run.

    A run's id is the job's name. So the job is found again among all others, and where the platform makes the results' place of
    the name, that is the run's prefix as well.

    Args:
        platform: Where to.
        record: The run.
        selection: Which workers, as `selection` gives it.
        has_model: Whether there is a checkpoint to start from.
        say: Told what goes wrong on the way.
    """

    def __init__(
        self, platform: Platform, record: RunRecord, selection: Mapping[str, Any], has_model: bool, say: Callable[[str], object]
    ) -> None:
        self._platform = platform
        self._record = record
        self._folder = record.folder
        self._body = body_of(record, selection, has_model)
        self._say = say

    def submit(self) -> str:
        """Returns the job's id; the job is submitted unless it has been before.

        Raises:
            PlatformError: the platform refused it, or could not be asked; or nobody can tell whether it has the job.
        """
        known = remembered(self._folder)
        if known.task_id:
            return known.task_id
        # A carrier before this one may have died while it waited for the answer.
        task = self._look() if known.begun else None
        self._remember(Remembered(begun=True))
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                task = task or self._platform.submit(self._body)
                break
            except Exception as error:  # whatever it is, the job may be there and cost money
                told = error if isinstance(error, PlatformError) else None
                if told is not None and told.status in _REFUSALS:
                    raise
                why = told.message if told else type(error).__name__
                self._say(f"the submission got no good answer ({why}); looking whether the job is there")
                task = self._look()
                if task is None and (told is None or attempt == _ATTEMPTS):
                    raise
                if task is None:
                    time.sleep(min(_LONGEST_PAUSE, 2.0**attempt))
        assert task is not None
        self._remember(Remembered(begun=True, task_id=task.id))
        return task.id

    def _look(self) -> Task | None:
        problem: PlatformError | None = None
        for look in range(_LOOKS):
            if look:
                time.sleep(_BETWEEN_LOOKS)
            try:
                if task := self._platform.find(self._record.id):
                    return task
                problem = None
            except PlatformError as error:
                problem = error
        if problem is None:
            return None
        raise PlatformError(
            f"nobody can tell whether the job was submitted: {problem.message}",
            " ".join(filter(None, (problem.hint, _LOOK_THERE.format(self._record.id)))),
            status=problem.status,
            code=problem.code,
        )

    def _remember(self, what: Remembered) -> None:
        path = self._folder / _TASK_FILE
        part = path.with_suffix(".part")
        part.write_text(what.model_dump_json())
        part.replace(path)


def body_of(record: RunRecord, selection: Mapping[str, Any], has_model: bool) -> dict[str, Any]:
    """Returns the body by which a run's job is submitted."""
    return {
        "name": record.id,
        "shardsDirPath": f"/{record.prefix}/shards",
        "trainingScriptsFolderPath": f"/{record.prefix}/scripts",
        "trainingConfigFolderPath": f"/{record.prefix}/configs",
        "trainingRequirementsFolderPath": f"/{record.prefix}/requirements",
        **({"modelFolderPath": f"/{record.prefix}/model"} if has_model else {}),
        **selection,
    }
