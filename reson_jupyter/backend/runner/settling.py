"""After a runner that died: what its run still had to say is said, its model is kept, and nothing of it stays behind."""

from __future__ import annotations

import shutil
import time

from ...errors import StoreError
from ...events import Event, EventType, RunState
from ..carrying.lost import lost_reason
from ..carrying.relay import content_of
from ..carrying.storing import storable_models, store_logs, store_models
from ..carrying.tail import EventFile
from ..event_log import EventLogReader, EventLogWriter, peek
from ..record import RunRecord
from ..store import Store
from .processes import kill, left_behind
from .remains import WorkFolder


def settle(record: RunRecord, store: Store, work: WorkFolder | None) -> bool:
    """Clears up after a run that nobody carries; the caller holds its lock.

    Args:
        record: The run.
        store: Where its files lie.
        work: The run's work folder, if it had one.

    Returns:
        Whether all of it is done; if not, the work folder is still there and somebody may try again.
    """
    if work is not None:
        kill(left_behind(work.data), 5.0)
    try:
        _tell(record, store, work)
    except StoreError:
        return False
    if work is not None:
        shutil.rmtree(work.path, ignore_errors=True)
    return True


def _tell(record: RunRecord, store: Store, work: WorkFolder | None) -> None:
    """Completes the run's log and its result. Raises `StoreError`."""
    latest = peek(store, record.prefix)  # before the writer, which may give a sign of life of its own
    log = EventLogWriter(store, record.prefix)
    if log.state.done:
        return
    said = EventLogReader(store, record.prefix).read()
    events, last_words = [], []
    if work is not None and work.path.is_dir():
        known = {content_of(event) for event in said}
        events = [event for event in EventFile(work.server / "events.ndjson").read() if content_of(event) not in known]
        last_words = [event.time for event in events]
        if any(event.type is EventType.AGGREGATED for event in [*said, *events]):
            models, warnings = storable_models(work.models(), work.out, record.prefix)
            files = store_models(models, record.prefix, store.put_file)
            events += warnings
            events.append(Event(time=time.time(), type=EventType.RESULT, data={"files": files}))
        store_logs(work.logs(), record.prefix, store)
    lost = {"state": RunState.LOST.value, "reason": lost_reason(log.state)}
    # It took until it was heard last, not until somebody looked.
    ended = max([latest.time if latest else record.created, *last_words])
    log.append([*events, Event(time=ended, type=EventType.STATE, data=lost)])
