"""The followers of this process: one for each run, however many handles and views the run has."""

from __future__ import annotations

import threading
import weakref

from ...config import ResonTechConfig
from ..record import RunRecord
from ..store import Store
from ..targets.base import Target
from .follow import Follower

_Key = tuple[str, str, ResonTechConfig]

# Weak: a run that nobody holds and nobody observes is not followed any more.
_followers: weakref.WeakValueDictionary[_Key, Follower] = weakref.WeakValueDictionary()
_registering = threading.Lock()


def follower_of(record: RunRecord, store: Store, target: Target, connection: ResonTechConfig) -> Follower:
    """Returns the follower of a run, which whoever asks for the same run of the same store by the same keys shares.

    One that has ended, or whose store does not answer, is not shared: whoever attaches anew then wants to look anew.

    Raises:
        StoreError: the run's log cannot be read.
        RunNotFound: there is none.
    """
    key = (record.id, store.url, connection)
    if known := _going_on(key):
        return known
    # This reads the whole log, which nobody who asks for another run should wait for.
    new = Follower(record, store, target, connection)
    with _registering:
        if known := _going_on(key):
            return known
        _followers[key] = new
    new.start()
    return new


def _going_on(key: _Key) -> Follower | None:
    known = _followers.get(key)
    return known if known is not None and known.goes_on else None
