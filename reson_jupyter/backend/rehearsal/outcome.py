"""What a rehearsal came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from ..failure.explain import Explained, explain
from ..job import Job


@dataclass(frozen=True)
class Step:
    """One step that was done.

    Attributes:
        name: Such as "train".
        seconds: How long it took.
        detail: What is worth knowing of it, such as "7 samples"; else "".
    """

    name: str
    seconds: float
    detail: str = ""


@dataclass(frozen=True)
class StepFailure:
    """What went wrong, as the job's own process tells it.

    Attributes:
        step: The step's name.
        message: One line.
        traceback: As `traceback.format_exc` writes it; "" when there is none, as when the process died.
    """

    step: str
    message: str
    traceback: str


@dataclass(frozen=True)
class Facts:
    """What the steps found out; 0 for what no step came to.

    Attributes:
        parameters: Numbers in the model's parameters.
        bytes_down: Bytes that every site receives in each round.
        bytes_up: Bytes that every site sends back.
        samples: How many samples the site said it trained on; None if it did not say.
        metrics: The last value of every metric of the one step; None where it was not finite.
    """

    parameters: int = 0
    bytes_down: int = 0
    bytes_up: int = 0
    samples: float | None = None
    metrics: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True, repr=False)
class Rehearsal:
    """A rehearsal that is over.

    Attributes:
        job: The job that was rehearsed.
        steps: The steps that were done, in order.
        failure: What went wrong, if anything did.
        unfinished: The step that was going on when the time was up, if that is no failure; else "".
        notes: What the user should know, though nothing fails by it.
        facts: What was measured.
        output: The last that the user's code printed.
        seconds: Time in all, with the start of the process.
    """

    job: Job
    steps: tuple[Step, ...]
    failure: StepFailure | None
    unfinished: str
    notes: tuple[str, ...]
    facts: Facts
    output: str
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether nothing went wrong; a training that took too long for a rehearsal is not wrong."""
        return self.failure is None

    @property
    def said(self) -> list[str]:
        """The notes as those of a submit, which keep their kind."""
        return [type(note)(f"rehearsal: {note}") for note in self.notes]

    @cached_property
    def explained(self) -> Explained | None:
        """The failure in terms of the notebook's cells."""
        if self.failure is None:
            return None
        return explain(self.failure.message, self.failure.traceback, self.job.sources)

    @property
    def sentence(self) -> str:
        """How it went, in one line."""
        if self.failure is None or self.explained is None:
            return f"rehearsal passed in {self.seconds:.1f} s" + (
                f", unfinished at {self.unfinished!r}" if self.unfinished else ""
            )
        where = self.explained.where
        function = f" (in {where.function})" if where and where.function.isidentifier() else ""
        return f"rehearsal failed at {self.failure.step!r}: {self.explained.sentence}{function}"

    def __repr__(self) -> str:
        return f"Rehearsal({self.sentence})"
