"""Requests of the notebook on their way to the server; what cannot be passed on is answered here, so that nobody waits for it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from ...errors import ResonError
from ...events import EventType
from .journal import Journal
from .mailbox import REQUESTS_FOLDER, Mailbox


class Requests:
    """Passes on what lies in the run's mailbox.

    Args:
        run: The run's folder, where they come in.
        journal: Where answers are said.
        is_up: Whether there is a server that would take one.
        send: Passes one on to the server; raises `OSError` or `ResonError` if it cannot.
    """

    def __init__(
        self, run: Path, journal: Journal, is_up: Callable[[], bool], send: Callable[[Mapping[str, Any]], object]
    ) -> None:
        self._incoming = Mailbox(run / REQUESTS_FOLDER)
        self._journal = journal
        self._is_up = is_up
        self._pass = send
        self._open: dict[str, list[str]] = {}

    def pass_on(self, dead: Collection[str] = ()) -> None:
        """Takes what has come; `dead` are the sites that nobody reaches any more."""
        for request in self._incoming.take():
            sites = self._sites_of(request)
            if request.get("op") == "reset_errors":
                self._journal.say(EventType.ERRORS_RESET)
            elif self._journal.progress.run_ended:
                self._refuse(request, sites, "the run is over")
            elif not self._is_up():
                self._refuse(request, sites, "the server is still starting; try again when the run is running")
            else:
                self._refuse(request, [site for site in sites if site in dead], "the site's process has ended")
                self._send(request, [site for site in sites if site not in dead])

    def close(self) -> None:
        """Answers what nobody will answer any more."""
        for request in self._incoming.take():
            self._refuse(request, self._sites_of(request), "the run is over")
        for identity, sites in self._open.items():
            answered = self._journal.progress.answers.get(identity, {})
            self._refuse(
                {"id": identity}, [site for site in sites if site not in answered], "the run ended before the answer came"
            )

    def _sites_of(self, request: Mapping[str, Any]) -> list[str]:
        return list(request.get("sites") or self._journal.progress.sites)

    def _send(self, request: dict[str, Any], sites: list[str]) -> None:
        if not sites:
            return
        try:
            self._pass({**request, "sites": sites})
        except (OSError, ResonError) as error:
            self._refuse(request, sites, f"the request could not be passed on: {error}")
        else:
            self._open[request["id"]] = sites

    def _refuse(self, request: Mapping[str, Any], sites: Iterable[str], why: str) -> None:
        for site in sites:
            self._journal.say(
                EventType.ANSWER, site, request=request["id"], ok=False, value=None, error=why, traceback=""
            )  # fmt: skip
