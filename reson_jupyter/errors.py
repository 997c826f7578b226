"""Every error a user can meet, one tree.

    ResonError
    ├── ConfigError      a configuration value cannot be used
    ├── CaptureError     a cell cannot be turned into source that ships
    ├── ShardError       a shard zip or its manifest cannot be used
    ├── ProjectError     a Scaleout Edge project folder cannot be used
    ├── JobError         the parts do not make a job
    ├── RehearsalFailed  the job failed when it was tried here, before anything was uploaded
    ├── StoreError       files could not be written to or read from a store
    │   └── NotFound     there is no such object in the store
    ├── TargetError      the run could not be started or reached where it should run
    │   └── PlatformError  the platform refused something, or did not answer
    └── RunError         something about a run
        ├── RunFailed    the run ended without a trained model; carries the failures
        ├── RunTimeout   waiting ended before the run did (the run goes on)
        └── RunNotFound  no run of that id is known
    Detached             a KeyboardInterrupt: waiting for a run was interrupted (the run goes on)

These are shown to the user as one message without a traceback. Anything else that is raised is a bug of this package or of the
user's own code and keeps its traceback.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from .card import Card
from .names import printable_lines


class ResonError(Exception):
    """An error meant for the user.

    Args:
        message: What happened, and where.
        hint: What to do about it, as a full sentence.
    """

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = _encodable(message)
        self.hint = hint and _encodable(hint)

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message

    def _render_traceback_(self) -> list[str]:
        """IPython shows these lines instead of a traceback."""
        return [printable_lines(f"{type(self).__name__}: {self}")]

    def _repr_html_(self) -> str:
        """What a notebook shows of an error that was kept."""
        return Card(f"{type(self).__name__}: {self.message}", [("what to do", self.hint)] if self.hint else []).html()


def _encodable(text: str) -> str:
    """Returns text that any terminal takes: bytes of a file's name that are no UTF-8 are escaped."""
    return text.encode("utf-8", "backslashreplace").decode()


class ConfigError(ResonError):
    """A configuration value cannot be used.

    Args:
        message: What happened.
        hint: What to do about it.
        fields: What is wrong with which field, where that is known.
    """

    def __init__(self, message: str, hint: str | None = None, fields: Mapping[str, str] | None = None) -> None:
        super().__init__(message, hint)
        self.fields = dict(fields or {})


class CaptureError(ResonError):
    """A cell cannot be turned into source that ships."""


class ShardError(ResonError):
    """A shard zip or its manifest cannot be used."""


class ProjectError(ResonError):
    """A Scaleout Edge project folder cannot be used."""


class JobError(ResonError):
    """The parts do not make a job."""


class RehearsalFailed(ResonError):
    """The job failed when it was rehearsed; nothing has been uploaded or started.

    Args:
        message: What happened, and where.
        hint: What to do about it.
        rehearsal: The `Rehearsal`: the steps that were done, the whole traceback, and what was printed.
    """

    def __init__(self, message: str, hint: str, rehearsal: object) -> None:
        super().__init__(message, hint)
        self.rehearsal = rehearsal


class StoreError(ResonError):
    """Files could not be written to or read from a store."""


class NotFound(StoreError):
    """There is no such object in the store."""


class TargetError(ResonError):
    """The run could not be started or reached where it should run."""


class PlatformError(TargetError):
    """The ResonTech platform refused something, or did not answer.

    Args:
        message: What happened.
        hint: What to do about it.
        status: The HTTP status of the answer; 0: there was none, so nobody can tell whether the request arrived.
        code: What the platform calls it, such as "invalid_api_key"; "" if it gave no name.
    """

    def __init__(self, message: str, hint: str | None = None, *, status: int = 0, code: str = "") -> None:
        super().__init__(message, hint)
        self.status = status
        self.code = code


class RunError(ResonError):
    """Something about a run."""


class RunFailed(RunError):
    """The run ended without a trained model; its failures are in the message."""


class RunTimeout(RunError):
    """Waiting ended before the run did; the run goes on."""


class RunNotFound(RunError):
    """No run of that id is known here."""


class Detached(KeyboardInterrupt):
    """Waiting for a run was interrupted; the run goes on. It ends the cell or script as any interrupt does.

    Args:
        run_id: The run that was waited for.
    """

    def __init__(self, run_id: str) -> None:
        super().__init__(run_id)
        self.run_id = run_id

    def __str__(self) -> str:
        return f"the run goes on; wait again: reson.attach({self.run_id!r}).wait(); stop it: run.abort() or its Abort button"

    def _render_traceback_(self) -> list[str]:
        """IPython shows this line instead of a traceback."""
        return [f"Detached: {self}"]


@contextmanager
def detachable(run_id: str) -> Iterator[None]:
    """Makes an interrupt of what is done in it a `Detached`."""
    try:
        yield
    except KeyboardInterrupt:
        raise Detached(run_id) from None
