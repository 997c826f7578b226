"""The kernel's ends of the sidebar's comms.

A page opens two: `reson.state`, on which only the kernel speaks, and `reson.command`, on which only the page does, so that it is
heard while a cell runs; and `reson.run` for each run that it shows. `reson.ready` wakes pages that found nobody here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import comm

from ... import api
from ...api import on_rehearsal, on_run
from ...forms import forms_of
from ...readiness import obstacles
from ...session import Session
from ..activity import activity
from ..capturing.cells import CellIds
from ..live.results import results
from . import data, runs
from .captures import capture_rows, empty_rows
from .commands import Commands
from .data import DataPart
from .pages import Pages
from .reviews import Reviews
from .run_channel import RunChannel
from .runs import RunsPart
from .stale import look_at_captures

Comm = comm.base_comm.BaseComm
Opened = dict[str, Any]


class Sidebar:
    """One session's sidebar, however many pages show it.

    Args:
        session: The session.
        cells: The cells that ran.
    """

    def __init__(self, session: Session, cells: CellIds) -> None:
        self.session = session
        self.cells = cells
        self._reviews = Reviews(session, lambda: self._pages.changed("captures"))
        self._data = DataPart(session, lambda: self._pages.changed("data"))
        self._runs = RunsPart(session, lambda: self._pages.watched, lambda: self._pages.changed("runs", "data"))
        self._pages = Pages(
            {
                "captures": lambda: capture_rows(session, cells, self._reviews.of),
                "forms": lambda: forms_of(session),
                "data": self._data.part,
                "submit": self._submit_part,
                "runs": self._runs.part,
            },
            {
                "captures": empty_rows(),
                "forms": [],
                "data": data.EMPTY,
                "submit": {"obstacles": {"check": [], "preview": [], "submit": []}, "activity": None},
                "runs": runs.EMPTY,
            },
            lambda: [_results_message(results.models)] if results.models else [],
            self._runs.watch,
        )
        self._commands = Commands(session, self._pages, activity, self._data, self._runs)
        session.observe(lambda _: self._pages.changed("captures", "forms", "data", "submit"))
        on_run(self._runs.follow)
        on_rehearsal(activity)
        activity.observe(lambda: self._pages.changed("submit"))
        results.observe(lambda models: self._pages.post_all(_results_message(models)))

    def listen(self) -> None:
        """Takes pages that come from now on, and wakes those that have come in vain."""
        manager = comm.get_comm_manager()
        manager.register_target("reson.state", self._open_state)
        manager.register_target("reson.command", self._open_command)
        manager.register_target("reson.run", self._open_run)
        comm.create_comm(target_name="reson.ready").close()

    def look_again(self, *_: object) -> None:
        """What pages see may be otherwise: a cell has run, and may have set a variable of the environment."""
        look_at_captures(self.session)
        self._pages.changed()

    def _submit_part(self) -> dict[str, Any]:
        return {"obstacles": obstacles(self.session), "activity": activity.now}

    def _open_state(self, channel: Comm, _: Opened) -> None:
        self._pages.open(channel)
        channel.on_close(lambda _: self._forget(channel))

    def _forget(self, channel: Comm) -> None:
        if page := self._pages.find(channel.comm_id):
            self._pages.forget(page)

    def _open_command(self, channel: Comm, opened: Opened) -> None:
        state = _text(opened, "state")
        if not state:
            channel.close()
            return
        # The page is looked for when it says something: each comm is served by a thread of its own, perhaps this one first.
        channel.on_msg(lambda message: self._hear(channel, state, message))

    def _hear(self, channel: Comm, state: str, message: Opened) -> None:
        page = self._pages.find(state)
        if page is None:
            channel.close()
            return
        self._commands.handle(page, message["content"].get("data"))

    def _open_run(self, channel: Comm, opened: Opened) -> None:
        page, run = self._pages.find(_text(opened, "state")), _text(opened, "run")
        if page is None:
            channel.close()
            return
        self._pages.hear(page)
        RunChannel(channel, page, lambda: self._runs.find(run) or api.find(run))


def _results_message(models: Sequence[str]) -> dict[str, Any]:
    """Which runs are over whose static results pages can ask for, by the models of their views."""
    return {"kind": "results", "models": list(models)}


def _text(opened: Opened, name: str) -> str:
    """A text of the data that a comm was opened with; "" if there is none."""
    opening = opened["content"].get("data")
    value = opening.get(name) if isinstance(opening, dict) else None
    return value if isinstance(value, str) else ""
