"""What took the place of live views, for pages that missed it.

When a run is over, static HTML replaces its view. A page that was reloaded since the view was made no longer knows where the
view was, and drops that: its notebook would be saved with a view that nobody can open again. So what replaced a view is kept
here for a while, and pages ask for what they still miss.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Lock

Bundle = dict[str, str]

_KEPT = 40
_log = logging.getLogger(__name__)


class Results:
    """The newest results by the id of the view's model. Any thread may use it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._bundles: dict[str, Bundle] = {}
        self._observers: list[Callable[[tuple[str, ...]], None]] = []

    @property
    def models(self) -> tuple[str, ...]:
        """The models of the views whose results are kept."""
        with self._lock:
            return tuple(self._bundles)

    def find(self, model: str) -> Bundle | None:
        """Returns what took a view's place, by MIME type."""
        with self._lock:
            return self._bundles.get(model)

    def keep(self, model: str, bundle: Bundle) -> None:
        """Takes what has replaced a view, and tells the observers."""
        with self._lock:
            self._bundles[model] = bundle
            for oldest in list(self._bundles)[:-_KEPT]:
                del self._bundles[oldest]
            observers = tuple(self._observers)
        for observer in observers:
            try:
                observer(self.models)
            except Exception:
                _log.exception("a page was not told of a result; the result is kept")

    def observe(self, observer: Callable[[tuple[str, ...]], None]) -> None:
        """Has `observer(models)` called after every new result, on the thread that brought it."""
        with self._lock:
            self._observers.append(observer)


results = Results()
