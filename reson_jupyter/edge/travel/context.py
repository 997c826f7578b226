"""Where a callback stands: what the metrics that it logs belong to."""

from __future__ import annotations

from .messages import TaskRequest


class LoggingContext:
    """Model, round and session of a call, and the step that its next metric gets.

    Args:
        step: The first step.
        model_id: The global model; like the next two it is the request's unless it is given.
        round_id: The round.
        session_id: The job.
        request: What the callback was asked to do.
    """

    def __init__(
        self,
        *,
        step: int = 0,
        model_id: str | None = None,
        round_id: str | None = None,
        session_id: str | None = None,
        request: TaskRequest | None = None,
    ) -> None:
        self.model_id = request.model_id if model_id is None and request else model_id
        self.round_id = request.round_id if round_id is None and request else round_id
        self.session_id = request.session_id if session_id is None and request else session_id
        self.request = request
        self.step = step
