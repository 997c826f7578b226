"""Whether a run is in its store yet, and still."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ...errors import NotFound, RunError, StoreError
from ..record import RunRecord
from ..store import Store


@contextmanager
def told_if_deleted(store: Store, record: RunRecord) -> Iterator[None]:
    """Says of a run that was deleted that it was, in the place of what was not found of it. Raises `RunError`."""
    try:
        yield
    except (NotFound, RunError) as error:
        refuse_deleted(store, record)
        if isinstance(error, NotFound):
            hint = "Its upload was cut off, or somebody removed it; submit the run again."
            raise RunError(f"run {record.id} is not whole in its store: {error.message}", hint) from None
        raise


def refuse_deleted(store: Store, record: RunRecord) -> None:
    """Raises `RunError` if the store has nothing of a run."""
    try:
        anything = next(store.list(f"{record.prefix}/"), None)
    except StoreError:  # a store that does not answer just now tells nothing
        return
    if anything is None:
        raise deleted(record)


def deleted(record: RunRecord) -> RunError:
    """Returns what is said of a run that was deleted."""
    return RunError(
        f"run {record.id} was deleted: there is nothing of it in {record.store} any more",
        "What this handle has heard of it stays: run.events(), run.metrics. A deleted run cannot be brought back.",
    )
