"""Sending a run's files: a plan first, then files side by side, and a look at what the store has in the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event as Flag

from ...errors import StoreError
from .base import ObjectInfo, Progress, Store, is_as
from .meter import Meter, Sent, UploadProgress
from .plan import Plan, Upload, found_in, make_plan
from .rates import remember
from .workers import Workers, finish

__all__ = ["Plan", "Sent", "Upload", "UploadProgress", "make_plan", "upload"]

FILES_AT_ONCE = 8
_ATTEMPTS = 2


def upload(store: Store, plan: Plan, progress: UploadProgress | None = None, cancel: Flag | None = None) -> int:
    """Stores what is new of a plan, files side by side, and returns the bytes that were sent.

    Copies are made when the rest is there, so what the plan sends can be the source of one. In the end the store is asked for
    the size of everything; what has vanished meanwhile is sent again. Cancelled or interrupted, it stops within a second: what
    was stored before stays, a file under way never becomes visible.

    Args:
        store: Where to.
        plan: What, from `make_plan`.
        progress: Told of the bytes, in this thread.
        cancel: Set by another thread to stop.

    Raises:
        StoreError: a source cannot be read or has changed since the plan, the store refused, or `cancel` was set.
    """
    meter = Meter(plan, progress)
    stop = Flag()

    def look() -> None:
        if cancel is not None and cancel.is_set():
            raise StoreError("The upload was stopped.", "What was stored before stays; send it again to go on.")
        meter.tell()

    begun = time.monotonic()
    sent = 0
    missing: Sequence[Upload] = plan.new
    for _ in range(_ATTEMPTS):
        for copies in (False, True):
            items = [item for item in missing if isinstance(item.source, ObjectInfo) is copies]
            workers = Workers(FILES_AT_ONCE, "upload")
            jobs = [workers.submit(_sender(store, plan, item, meter.of(item), stop)) for item in items]
            sent += sum(finish(jobs, look, stop.set))
        missing = _missing(store, plan, look)
        if not missing:
            remember(store, sent, time.monotonic() - begun)
            return sent
        for item in missing:
            meter.again(item)
    raise StoreError(
        f"{missing[0].key} was sent but is not in the store with its {plan.sizes[missing[0].key]} bytes.",
        "Somebody may be deleting or replacing it; send it again.",
    )


def _sender(store: Store, plan: Plan, item: Upload, moved: Progress, stop: Flag) -> Callable[[], int]:
    def send() -> int:
        if isinstance(item.source, Path):
            if not is_as(item.source, plan.stamps[item.key]):
                raise StoreError(f"{item.source} has changed since it was looked at.", "Send it again when it stays as it is.")
            return store.put_file(
                item.key, item.source, content_type=item.content_type, progress=moved, cancel=stop, resume=item.once
            )
        if isinstance(item.source, ObjectInfo):
            store.copy(item.source.key, item.key)
            return 0
        store.put(item.key, item.source, content_type=item.content_type)
        moved(len(item.source))
        return len(item.source)

    return send


def _missing(store: Store, plan: Plan, look: Callable[[], None]) -> list[Upload]:
    """Returns what the store does not have with its size."""
    items = (*plan.new, *plan.there)
    found = found_in(store, items, look)
    return [item for item, info in zip(items, found, strict=True) if info is None or info.bytes != plan.sizes[item.key]]
