"""The server's own way into the run's store, where it reaches that: reports go there, requests come from there.

It has no keys, but a form that takes objects below one prefix, and an address that gives one object. Both are secrets, so they
stand in no message and no log; the errors of requests have them in their text.

This file travels to the server below the persistor's module, the reporter and the control. So that they do not disturb each
other, every name at its top level but the class's starts with `_reson_`, and it uses no builtin that `from torch import *`
replaces.
"""

import builtins as _reson_py
import os as _reson_os
import threading as _reson_threading
import time as _reson_time
from typing import Any as _reson_Any

from nvflare.apis.event_type import EventType as _reson_EventType
from nvflare.apis.fl_constant import FLContextKey as _reson_FLContextKey
from nvflare.widgets.widget import Widget as _reson_Widget

from .common import _reson_hide_queries
from .link_store import _reson_Asking, _reson_Posts, _reson_Refused

_reson_POST_PAUSE = 0.25  # seconds between two posts of lines
_reson_ASK_PAUSE = 1.0  # seconds between two looks for requests
_reson_LONGEST_PAUSE = 10.0  # seconds, while the store does not answer
_reson_LAST_POSTS = 10.0  # seconds that the end of the run waits for what is left


class ResonLink(_reson_Widget):
    """Posts what the reporter and the control write, from the start of the run to its end, and takes requests.

    Args:
        form: {"url", "fields", "prefix"} of a form that takes objects; None if there is none.
        requests_url: The address of {"stop": bool, "requests": [...]}; None if there is none.
        keep_outputs: Whether the model goes into the run folder, unless RESONTECH_OUT_DIR says where else: then it comes back
            with all that is there.
    """

    def __init__(self, form: _reson_Any = None, requests_url: _reson_Any = None, keep_outputs: "bool" = False) -> None:
        super().__init__()
        self._form = form
        self._requests_url = requests_url
        self._keep_outputs = keep_outputs
        self._engine: _reson_Any = None
        self._ended = _reson_threading.Event()
        self._until = 0.0  # when the posting gives up, once the run has ended
        self._threads: list[_reson_Any] = []
        self._told: set[str] = set()

    def handle_event(self, event_type: str, fl_ctx: _reson_Any) -> None:
        """Called by NVFlare for every event of the run."""
        if event_type == _reson_EventType.START_RUN:
            self._on_start(fl_ctx)
        elif event_type == _reson_EventType.END_RUN and self._engine is not None:
            self._until = _reson_time.monotonic() + _reson_LAST_POSTS
            self._ended.set()
            for thread in self._threads:
                thread.join(_reson_py.max(0.0, self._until - _reson_time.monotonic()))

    def _on_start(self, fl_ctx: _reson_Any) -> None:
        self._engine = fl_ctx.get_engine()
        run_dir = self._engine.get_workspace().get_run_dir(fl_ctx.get_job_id())
        if self._keep_outputs:
            _reson_os.environ.setdefault("RESONTECH_OUT_DIR", _reson_os.path.join(run_dir, "model_out"))
        _reson_hide_queries()
        if self._form:
            posts = _reson_Posts(self._form, run_dir)
            self._start("reson-link", lambda: self._post(posts))
        if self._requests_url:
            self._start("reson-requests", self._ask)

    def _start(self, name: str, target: _reson_Any) -> None:
        self._threads.append(_reson_threading.Thread(target=target, name=name, daemon=True))
        self._threads[-1].start()

    def _post(self, posts: _reson_Any) -> None:
        """Posts what is new, until the run has ended and all of it is in the store."""
        pause = _reson_POST_PAUSE
        while True:
            ended = self._ended.wait(pause)  # looked at before the posting: what is written before the end is posted, too
            try:
                rest = posts.post()
                pause = _reson_POST_PAUSE
            except _reson_Refused as exc:
                rest = True
                self._tell(f"the store does not take the server's reports: {exc}; they come with the result of the run")
                pause = _reson_py.min(2 * pause, _reson_LONGEST_PAUSE)
            if ended:
                if not rest or _reson_time.monotonic() > self._until:
                    return
                _reson_time.sleep(_reson_POST_PAUSE)

    def _ask(self) -> None:
        """Looks for requests until the run has ended."""
        asking, pause = _reson_Asking(self._requests_url), _reson_ASK_PAUSE
        control = self._engine.get_component("control")
        while not self._ended.wait(pause):
            try:
                asked = asking.ask()
                pause = _reson_ASK_PAUSE
            except _reson_Refused as exc:
                self._tell(f"the store does not tell the server what the notebook asks for: {exc}")
                pause = _reson_py.min(2 * pause, _reson_LONGEST_PAUSE)
                continue
            try:
                for request in asked.get("requests", []):
                    control.leave(request)
                if asked.get("stop") is True:
                    control.ask_to_stop()
            except (OSError, ValueError) as exc:
                self._tell(f"a request of the notebook could not be taken: {exc}")

    def _tell(self, text: str) -> None:
        """Says something once in the run."""
        if text not in self._told:
            self._told.add(text)
            with self._engine.new_context() as fl_ctx:
                event = {"type": "log", "round": None, "data": {"level": "warning", "message": text}}
                self.fire_event_with_data("reson.report", fl_ctx, _reson_FLContextKey.EVENT_DATA, event)
